"""Score diseases for the held-out patients of one task with the process, from their records."""

from pathlib import Path

from behrt import stage
from behrt.cprd.diagnoses import read_mapping
from behrt.learning.predictions import write_predictions
from behrt.logs import logger
from behrt.settings.simulation import ProcessSettings
from behrt.simulation.ceiling import agreement, read_examples
from behrt.simulation.code_lists import read_codes
from behrt.simulation.coding import coding_of
from behrt.simulation.oracle_records import forecast_from_records
from behrt.simulation.records import read_records
from behrt.simulation.world import make_world
from behrt.tasks import Task


def main(
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
    records = read_records(sequences, held_out, world, coding)
    window = None if task.months is None else held_out["window"].to_numpy()
    scored = forecast_from_records(world, records, window, process, coding)
    write_predictions(held_out["subject_id"].to_numpy(), scored, scores)
    logger.info(
        "oracle_records: %s from the records; %.3f labels per expected label",
        task.name,
        agreement(scored, held_out["label"]),
    )


if __name__ == "__main__":
    stage.run(main, snakemake)
