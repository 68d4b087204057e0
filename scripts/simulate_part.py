"""Simulate the people of one part: its tables, its rows of the linked tables, and the truth."""

from pathlib import Path

from behrt import stage
from behrt.settings.simulation import ConceptProcess, Flaws, ProcessSettings
from behrt.simulation.code_lists import read_codes
from behrt.simulation.delivery import people_of_part, write_part
from behrt.simulation.paths import IN_PARTS
from behrt.simulation.world import make_world


def main(
    codes: Path,
    tables: list[Path],
    fragments: Path,
    people: Path,
    onsets: Path,
    part: int,
    parts: int,
    patients: int,
    practices: int,
    seed: int,
    process: ProcessSettings,
    flaws: Flaws,
    database: str,
    inputs: list[str],
    concepts: ConceptProcess,
) -> None:
    """Write part `part` (from 1) of `parts` of a delivery of `patients` people.

    `tables` are the files of `behrt.simulation.paths.IN_PARTS`, in that order.
    """
    write_part(
        make_world(practices, seed, process.mechanisms),
        read_codes(codes),
        people_of_part(part, parts, patients),
        tables=dict(zip(IN_PARTS[database], tables, strict=True)),
        fragments=fragments,
        people=people,
        onsets=onsets,
        settings=process,
        flaws=flaws,
        seed=seed,
        database=database,
        inputs=inputs,
        concepts=concepts,
    )


if __name__ == "__main__":
    stage.run(main, snakemake)
