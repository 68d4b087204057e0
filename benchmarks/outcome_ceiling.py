"""Score outcomes with the process that simulated the patients, as an upper bound for models.

    python benchmarks/outcome_ceiling.py [results/demo] [--outcome death_1y] [--copies 100]
        [--patients 20000] [--practices 110] [--seed 2020]

Reads a run of simulated patients that has the labels of the outcome, which is a disease or death
from a random visit, a date or an age. For held-out patients it continues the process
(`behrt.simulation.continuation`) from the whole state at the prediction, recorded or not, and
counts those with the event: in which the disease is recorded within the window and before
death, or in which the patient dies. It prints the AUROC and the AUPRC of these shares, of half of
the continuations and of all: the noise of few continuations lowers both.
"""

import argparse
import time
from pathlib import Path

import numpy as np
import polars as pl
import yaml
from sklearn.metrics import average_precision_score, roc_auc_score

from behrt.cprd.diagnoses import read_mapping
from behrt.outcomes.diseases import phenotypes_of
from behrt.sequences.frames import HELD_OUT
from behrt.sequences.tasks import window_end
from behrt.sequences.vocabulary import read_vocabulary
from behrt.settings.outcomes import OutcomeSettings
from behrt.settings.simulation import ProcessSettings
from behrt.simulation.ceiling import read_truth
from behrt.simulation.code_lists import read_codes
from behrt.simulation.coding import Coder
from behrt.simulation.continuation import continue_process
from behrt.simulation.world import make_world

DEFAULTS = Path(__file__).parents[1] / "config" / "config.yaml"


def main() -> None:
    """Print the scores of the true risks."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("results", type=Path, nargs="?", default=Path("results/demo"))
    parser.add_argument("--outcome", default="death_1y")
    parser.add_argument("--labels", type=Path, help="another place of labels.parquet")
    parser.add_argument("--copies", type=int, default=100)
    parser.add_argument("--patients", type=int, default=20_000)
    parser.add_argument("--practices", type=int, default=110)
    parser.add_argument("--seed", type=int, default=2020)
    given = parser.parse_args()
    configured = yaml.safe_load(DEFAULTS.read_text())["outcomes"][given.outcome]
    outcome, results = OutcomeSettings.model_validate(configured), given.results
    labels = given.labels or results / "outcomes" / given.outcome / "labels.parquet"
    asked = pl.read_parquet(labels).filter(split=HELD_OUT)
    asked = asked.sample(min(given.patients, len(asked)), seed=given.seed).sort("subject_id")
    day = pl.col("prediction_time").dt.date().cast(pl.Int32)
    last = day + outcome.days if outcome.days else window_end(day, outcome.months or 0)
    first, until = (
        asked.select(days).to_series().to_numpy().astype(np.int64) for days in (day, last)
    )
    world = make_world(given.practices, given.seed)
    people, onsets = (
        sorted((results / "truth" / name).glob("*.parquet")) for name in ("people", "onsets")
    )
    truth = read_truth(people, onsets, asked["subject_id"])
    mapping = read_mapping(*(results / "phenotypes" / f"{n}.parquet" for n in ("medcodes", "icd")))
    coder = Coder.of(read_codes(results / "truth/codes.parquet"), mapping, len(world.diseases))
    phenotypes = read_vocabulary(results / "vocabulary.json").phenotypes
    events = phenotypes_of(outcome.diseases, phenotypes, given.outcome)

    counts, began = np.zeros((2, len(asked))), time.process_time()
    copies = given.copies
    for one in continue_process(
        world, truth, first, until, copies, given.seed, ProcessSettings(), coder
    ):
        if outcome.event == "death":
            happens = one.death <= until[one.patients]
        else:
            counted = np.isin(one.phenotype, events) & (one.day <= until[one.patients[one.row]])
            counted &= one.day <= one.death[one.row]
            happens = np.bincount(one.row[counted], minlength=len(one.patients)) > 0
        half = np.arange(len(one.patients)) % 2
        np.add.at(counts, (half[happens], one.patients[happens]), 1)
    label, weight = asked["boolean_value"].to_numpy(), asked["weight"].to_numpy()
    print(f"{given.outcome}: {len(asked)} patients, {copies} continuations of each")
    print(f"continuations: {time.process_time() - began:.0f} s of CPU")
    expected = counts.sum(axis=0) / copies
    ratio = np.average(label, weights=weight) / np.average(expected, weights=weight)
    print(f"observed / expected {ratio:.3f}")
    for name, risk in (("half", counts[0]), ("all", counts.sum(axis=0))):
        scores = [
            score(label, risk, sample_weight=weight)
            for score in (roc_auc_score, average_precision_score)
        ]
        print(f"{name}: AUROC {scores[0]:.3f}, AUPRC {scores[1]:.3f}")


if __name__ == "__main__":
    main()
