"""Compare the ceiling, in closed form, with the process continued at random.

    python benchmarks/simulated_ceiling.py [results/demo] [--patients 20000] [--copies 200]
        [--practices 110] [--seed 2020] [--tasks T1 T2 T3]

Reads a finished run of simulated patients. For held-out patients of each task it continues the
process (`behrt.simulation.continuation`) from the last input visit. For the closed form
(`behrt.simulation.ceiling`) and the continuations it prints:

* labels per patient, and the APS for the observed labels. Shares of few continuations are noisy,
  which lowers the APS. So the closed form is also evaluated with the same noise: each probability
  is replaced by the share of as many draws from it. The difference is the cost of the
  approximations. Monte Carlo errors are jackknife estimates over parts of the continuations;
* the effect of choosing the last input visit at random among the eligible ones, which the ceiling
  ignores, and which makes futures with few visits likelier. For this the process is continued to
  the end of follow-up, and each continuation is weighted by the probability of that choice.
"""

import argparse
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl

from behrt.cprd.diagnoses import read_mapping
from behrt.evaluation.metrics import sample_average_precision
from behrt.sequences.tasks import window_end
from behrt.settings.simulation import ProcessSettings
from behrt.simulation.ceiling import forecast, read_examples, read_truth
from behrt.simulation.code_lists import read_codes
from behrt.simulation.coding import Coder, coding_of
from behrt.simulation.continuation import Continuations, continue_process, shares, tally
from behrt.simulation.oracle import HORIZON
from behrt.simulation.world import make_world

MONTHS = {"T1": None, "T2": 6, "T3": 12}
MINIMUM_VISITS = 4
PARTS = 10
NOISY_DRAWS = 10
# The closed form, with the weight of this many continuations, is added to both sides of the last
# comparison. Otherwise the weights would break ties between diseases that were rarely drawn.
STEADIED = 20


def jackknife(figure: Callable[[list[int]], float]) -> tuple[float, float]:
    """Return a figure of all parts of the continuations, and its Monte Carlo standard error."""
    left_out = [figure([p for p in range(PARTS) if p != out]) for out in range(PARTS)]
    return figure(list(range(PARTS))), float(np.std(left_out) * np.sqrt(PARTS - 1))


def chance_of_the_draw(
    months: int | None, input_visits: np.ndarray, follow_up_end: np.ndarray
) -> Callable[[Continuations], np.ndarray]:
    """Return a function for P(the last input visit is chosen): 1 / (number of eligible visits)."""

    def weigh(one: Continuations) -> np.ndarray:
        row, day = np.unique(np.stack([one.row, one.day]), axis=1)
        if months is not None:
            days = pl.Series(day.astype(np.int32)).to_frame("day")
            ends = days.select(window_end(pl.col("day"), months)).to_series().to_numpy()
            row = row[ends <= follow_up_end[one.patients[row]]]
        later = np.bincount(row, minlength=len(one.patients))
        eligible = input_visits[one.patients] + later - MINIMUM_VISITS + (months is not None)
        weight: np.ndarray = one.followed / np.maximum(eligible, 1)
        return weight

    return weigh


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("results", type=Path, nargs="?", default=Path("results/demo"))
    parser.add_argument("--patients", type=int, default=20_000)
    parser.add_argument("--copies", type=int, default=200)
    parser.add_argument("--practices", type=int, default=110)
    parser.add_argument("--seed", type=int, default=2020)
    parser.add_argument("--tasks", nargs="+", choices=MONTHS, default=list(MONTHS))
    arguments = parser.parse_args()
    for task in arguments.tasks:
        compare(task, **{k: v for k, v in vars(arguments).items() if k != "tasks"})


def compare(
    task: str, results: Path, patients: int, copies: int, practices: int, seed: int
) -> None:
    months, settings = MONTHS[task], ProcessSettings()
    world = make_world(practices, seed)
    codes = read_codes(results / "truth/codes.parquet")
    phenotypes = results / "phenotypes"
    mapping = read_mapping(phenotypes / "medcodes.parquet", phenotypes / "icd.parquet")
    diseases = len(world.diseases)
    shards = sorted((results / "sequences").glob("*.parquet"))
    examples = results / "tasks" / f"{task}.parquet"
    asked = read_examples(shards, examples, months)
    asked = asked.sample(min(patients, len(asked)), seed=seed).sort("subject_id")
    people, onsets = (
        sorted((results / "truth" / name).glob("*.parquet")) for name in ("people", "onsets")
    )
    truth = read_truth(people, onsets, asked["subject_id"])
    known = asked.select("subject_id").join(
        pl.scan_parquet(examples)
        .join(pl.scan_parquet(shards), on="subject_id")
        .select("subject_id", "input_visits", "follow_up_end")
        .collect(),
        on="subject_id",
        maintain_order="left",
    )
    label = np.zeros((len(asked), diseases), dtype=bool)
    for row, happened in enumerate(asked["label"].to_list()):
        label[row, happened] = True

    def precision(scores: np.ndarray) -> float:
        return float(100 * np.nanmean(sample_average_precision(scores, label)))

    began = time.process_time()
    closed = forecast(
        world, truth, asked, months, settings, coding_of(codes, mapping, diseases)
    ).astype(np.float64)
    print(f"\n{task}: {len(asked)} patients, {copies} continuations of each")
    print(f"closed form: {time.process_time() - began:.0f} s of CPU")

    day = asked["day"].to_numpy().astype(np.int64)
    window = HORIZON if months is None else asked["window"].to_numpy().astype(np.int64)
    follow_up_end = known["follow_up_end"].to_numpy().astype(np.int64)
    draw = chance_of_the_draw(months, known["input_visits"].to_numpy(), follow_up_end)
    coder = Coder.of(codes, mapping, diseases)

    def continued(
        until: np.ndarray,
        label_end: np.ndarray,
        weigh: Callable[[Continuations], np.ndarray] | None,
    ) -> tuple[np.ndarray, np.ndarray]:
        began = time.process_time()
        courses = continue_process(world, truth, day, until, copies, seed, settings, coder)
        counted = tally(courses, label_end, diseases, months is None, PARTS, weigh)
        spent = time.process_time() - began
        none = int((counted[0].sum(axis=0) == 0).sum())
        print(f"continuations: {spent:.0f} s of CPU; without an example: {none} patients")
        return counted

    some, counts = continued(day + window, day + window, None)
    label_end = follow_up_end if months is None else day + window
    drawn_some, drawn_counts = continued(follow_up_end, label_end, draw)

    print("labels per patient:")
    print(
        f"    observed {label.sum() / len(label):.3f}, closed form {closed.sum() / len(label):.3f}"
    )
    print(f"    continued {shares(some, counts).sum() / len(label):.3f}", end=", ")
    print(
        f"weighted by the choice of visit {shares(drawn_some, drawn_counts).sum() / len(label):.3f}"
    )

    random = np.random.default_rng([seed, 5])
    trials = np.round(some.sum(axis=0)).astype(np.int64)[:, None]
    noisy = [
        precision(random.binomial(trials, np.minimum(closed, 1)) / np.maximum(trials, 1))
        for _ in range(NOISY_DRAWS)
    ]
    row, error = jackknife(lambda kept: precision(shares(some[kept], counts[kept])))
    noisy_error = np.std(noisy, ddof=1) / np.sqrt(NOISY_DRAWS)
    print("APS, points (Monte Carlo standard error):")
    print(f"    closed form                         {precision(closed):.2f}")
    print(f"    continued                           {row:.2f} ({error:.2f})")
    print(f"    closed form with the same noise     {np.mean(noisy):.2f} ({noisy_error:.2f})")
    print(
        f"    cost of the approximations          {row - np.mean(noisy):+.2f} "
        f"({np.hypot(error, noisy_error):.2f})"
    )

    def steadied(total: np.ndarray, count: np.ndarray, kept: list[int]) -> float:
        scale = copies * len(kept) / PARTS / np.maximum(total[kept].sum(axis=0), 1e-9)[:, None]
        return precision(count[kept].sum(axis=0) * scale + STEADIED * closed)

    cost, error = jackknife(
        lambda kept: steadied(drawn_some, drawn_counts, kept) - steadied(some, counts, kept)
    )
    print(f"    effect of the choice of visit       {cost:+.2f} ({error:.2f})")


if __name__ == "__main__":
    main()
