"""Simulate the people of one part and write its tables, its linked fragments and its truth."""

from pathlib import Path
from typing import Any

from behrt import stage
from behrt.simulation.code_lists import read_codes
from behrt.simulation.delivery import share_of, write_part
from behrt.simulation.flaws import Flaws
from behrt.simulation.layout import IN_PARTS
from behrt.simulation.process import ProcessSettings, make_world


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
    process: dict[str, Any],
    flaws: dict[str, Any],
    database: str,
) -> None:
    """Write part `part` (from 1) of `parts`, which hold `patients` people in all.

    `tables` are the files of `behrt.simulation.layout.IN_PARTS`, in that order.
    """
    write_part(
        make_world(practices, seed),
        read_codes(codes),
        share_of(part, parts, patients),
        tables=dict(zip(IN_PARTS[database], tables, strict=True)),
        fragments=fragments,
        people=people,
        onsets=onsets,
        settings=ProcessSettings(**process),
        flaws=Flaws(**flaws),
        seed=seed,
        database=database,
    )


if __name__ == "__main__":
    stage.run(main, snakemake)
