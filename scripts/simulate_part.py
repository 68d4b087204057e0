"""Simulate the people of one part and write its tables, its linked fragments and its truth."""

from pathlib import Path
from typing import Any

from behrt import stage
from behrt.simulation.code_lists import read_codes
from behrt.simulation.delivery import share_of, write_part
from behrt.simulation.flaws import Flaws
from behrt.simulation.process import ProcessSettings, make_world


def main(
    codes: Path,
    patient: Path,
    consultation: Path,
    clinical: Path,
    additional: Path,
    referral: Path,
    test: Path,
    therapy: Path,
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
) -> None:
    """Write part `part` (from 1) of `parts`, which hold `patients` people in all."""
    write_part(
        make_world(practices, seed),
        read_codes(codes),
        share_of(part, parts, patients),
        tables={
            "patient": patient,
            "consultation": consultation,
            "clinical": clinical,
            "additional": additional,
            "referral": referral,
            "test": test,
            "therapy": therapy,
        },
        fragments=fragments,
        people=people,
        onsets=onsets,
        settings=ProcessSettings(**process),
        flaws=Flaws(**flaws),
        seed=seed,
    )


if __name__ == "__main__":
    stage.run(main, snakemake)
