"""Score one outcome for the held-out patients with the process that simulated them."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import polars as pl

from behrt import stage
from behrt.cprd.diagnoses import read_mapping
from behrt.files import write_parquet
from behrt.logs import logger
from behrt.outcomes.diseases import phenotypes_of
from behrt.outcomes.frames import OutcomeLabels
from behrt.sequences.frames import HELD_OUT
from behrt.sequences.tasks import window_end
from behrt.sequences.vocabulary import read_vocabulary
from behrt.settings.outcomes import OutcomeSettings
from behrt.settings.simulation import ProcessSettings
from behrt.simulation.ceiling import read_truth
from behrt.simulation.code_lists import read_codes
from behrt.simulation.coding import Coder
from behrt.simulation.outcome_ceiling import Asked, continuations_of, true_risks
from behrt.simulation.world import make_world


def main(
    people: list[Path],
    onsets: list[Path],
    codes: Path,
    medcodes: Path,
    icd: Path,
    labels: Path,
    vocabulary: Path,
    predictions: Path,
    outcome: OutcomeSettings,
    name: str,
    practices: int,
    seed: int,
    process: ProcessSettings,
    stays: Sequence[Path] = (),
) -> None:
    """Score; `stays` are those in hospital, for predictions at discharges."""
    held_out = OutcomeLabels.validate(pl.read_parquet(labels)).filter(split=HELD_OUT)
    day = pl.col("prediction_time").dt.date().cast(pl.Int32)
    until = day + outcome.days if outcome.days else window_end(day, outcome.months or 0)
    days = held_out.select(day=day, until=until).cast(pl.Int64)
    admitted = None
    if outcome.index == "discharge":
        ended = pl.scan_parquet(list(stays)).select("subject_id", "admitted", "discharged")
        admitted = (
            held_out.with_columns(discharged=day)
            .join(
                ended.collect(), on=["subject_id", "discharged"], how="left", maintain_order="left"
            )
            .unique(["subject_id", "prediction_time"], keep="last", maintain_order=True)
            .get_column("admitted")
            .to_numpy()
            .astype(np.int64)
        )
    world = make_world(practices, seed, process.mechanisms)
    mapping = read_mapping(medcodes, icd)
    truth = read_truth(people, onsets, held_out["subject_id"])
    asked = Asked(truth, days["day"].to_numpy(), days["until"].to_numpy(), admitted)
    phenotypes = read_vocabulary(vocabulary).phenotypes
    risks = true_risks(
        world,
        asked,
        outcome,
        phenotypes_of(outcome.diseases, phenotypes, f"config, outcomes.{name}.disease"),
        continuations_of(held_out.height),
        seed,
        process,
        Coder.of(read_codes(codes), mapping, len(world.diseases)),
    )
    columns = ["subject_id", "prediction_time", "boolean_value"]
    probability = pl.Series("predicted_boolean_probability", np.clip(risks, 0, 1))
    write_parquet(held_out.select(*columns, probability, "split", "weight"), predictions)
    label, weight = held_out["boolean_value"].to_numpy(), held_out["weight"].to_numpy()
    ratio = np.average(label, weights=weight) / np.average(risks, weights=weight)
    logger.info("oracle: %s, %.3f events per expected event", name, ratio)


if __name__ == "__main__":
    stage.run(main, snakemake)
