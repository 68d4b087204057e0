"""Score every disease for the held-out patients of one task by the process that made them."""

from pathlib import Path
from typing import Any

from behrt import stage
from behrt.cprd.diagnoses import read_mapping
from behrt.learning.predictions import write_predictions
from behrt.logs import logger
from behrt.simulation.ceiling import agreement, forecast, read_asked, read_truth
from behrt.simulation.code_lists import read_codes
from behrt.simulation.coding import coding_of
from behrt.simulation.process import ProcessSettings, make_world


def main(
    people: list[Path],
    onsets: list[Path],
    codes: Path,
    medcodes: Path,
    icd: Path,
    sequences: list[Path],
    task: Path,
    scores: Path,
    months: int | None,
    practices: int,
    seed: int,
    process: dict[str, Any],
) -> None:
    world = make_world(practices, seed)
    asked = read_asked(sequences, task, months)
    coding = coding_of(read_codes(codes), read_mapping(medcodes, icd), len(world.diseases))
    settings = ProcessSettings(**process)
    truth = read_truth(people, onsets, asked["subject_id"])
    scored = forecast(world, truth, asked, months, settings, coding)
    write_predictions(asked["subject_id"].to_numpy(), scored, scores)
    logger.info(
        "oracle: %s in closed form, so without Monte Carlo error; %.3f labels happened for each "
        "one expected",
        task.stem,
        agreement(scored, asked["label"]),
    )


if __name__ == "__main__":
    stage.run(main, snakemake)
