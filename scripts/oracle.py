"""Score diseases for the held-out patients of one task with the process that simulated them."""

from pathlib import Path

from behrt import stage
from behrt.cprd.diagnoses import read_mapping
from behrt.learning.predictions import write_predictions
from behrt.logs import logger
from behrt.settings.simulation import ProcessSettings
from behrt.simulation.ceiling import agreement, forecast, read_examples, read_truth
from behrt.simulation.code_lists import read_codes
from behrt.simulation.coding import coding_of
from behrt.simulation.world import make_world
from behrt.tasks import Task


def main(
    people: list[Path],
    onsets: list[Path],
    codes: Path,
    medcodes: Path,
    icd: Path,
    sequences: list[Path],
    examples: Path,
    scores: Path,
    task: Task,
    practices: int,
    seed: int,
    process: ProcessSettings,
) -> None:
    world = make_world(practices, seed, process.mechanisms)
    held_out = read_examples(sequences, examples, task.months)
    coding = coding_of(read_codes(codes), read_mapping(medcodes, icd), len(world.diseases))
    truth = read_truth(people, onsets, held_out["subject_id"])
    scored = forecast(world, truth, held_out, task.months, process, coding)
    write_predictions(held_out["subject_id"].to_numpy(), scored, scores)
    logger.info(
        "oracle: %s in closed form, without Monte Carlo error; %.3f labels per expected label",
        task.name,
        agreement(scored, held_out["label"]),
    )


if __name__ == "__main__":
    stage.run(main, snakemake)
