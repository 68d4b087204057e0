"""Measure how well simulated patients can be forecast, and how well from each disease's own past.

    python benchmarks/simulated_predictability.py [--people 80000] [--practices 300] [--seed 1]

T2 is scored for half of the blocks by the oracle (`behrt.simulation.oracle`) and by baselines
estimated on the other half: prevalence; each patient's past diseases, then prevalence; the same
with the time since the last recording. Prints APS | AUROC, averaged over patients, and the share of
the explained deviance (that of prevalence minus that of the oracle) that needs more than the
disease's own past, such as other diseases, age and sex.
"""

import argparse
from dataclasses import fields

import numpy as np
from scipy.optimize import minimize_scalar
from simulated_t2 import PEOPLE_A_BLOCK, Task, blocks, make_task

from behrt.evaluation.metrics import sample_metrics
from behrt.settings.simulation import ProcessSettings
from behrt.simulation.oracle import true_probabilities
from behrt.simulation.world import make_world

MONTHS = np.array([1, 2, 3, 4.5, 6, 9, 12, 18, 24, 36, np.inf])


def row(name: str, scores: np.ndarray, task: Task, new_scores: np.ndarray | None = None) -> None:
    new_scores = scores if new_scores is None else new_scores
    figures = []
    for these, mask in ((scores, None), (new_scores, ~task.known)):
        precision, auroc = sample_metrics(these.astype(np.float64), task.label, mask)
        figures.append(f"{np.nanmean(precision):.3f} | {np.nanmean(auroc):.3f}")
    print(f"{name:44s} {figures[0]:>16s} {figures[1]:>18s}")


def own_past(train: Task, task: Task) -> np.ndarray:
    """Return P(label | known or not, months since the last recording), estimated per disease."""
    cells = len(MONTHS) + 1
    learned = np.where(train.known, np.digitize(train.months_since, MONTHS), cells)
    asked = np.where(task.known, np.digitize(task.months_since, MONTHS), cells)
    known, new = past(train)
    scores = np.empty(task.label.shape)
    for disease in range(scores.shape[1]):
        patients = np.bincount(learned[:, disease], minlength=cells + 1)
        labels = np.bincount(learned[:, disease], train.label[:, disease], cells + 1)
        prior = np.full(cells + 1, known[disease])
        prior[cells] = new[disease]
        scores[:, disease] = ((labels + 5 * prior) / (patients + 5))[asked[:, disease]]
    return scores


def past(train: Task) -> tuple[np.ndarray, np.ndarray]:
    """Return P(label | known) and P(label | not known) of each disease."""
    again = (train.label & train.known).sum(axis=0)
    new = (train.label & ~train.known).sum(axis=0)
    overall = again.sum() / train.known.sum()
    known = (again + 5 * overall) / (train.known.sum(axis=0) + 5)
    return known, (new + 0.01) / ((~train.known).sum(axis=0) + 1)


def deviance(scores: np.ndarray, task: Task) -> float:
    """Return the mean negative log likelihood of a patient's labels."""
    scores = np.clip(scores.astype(np.float64), 1e-6, 1 - 1e-6)
    return float(-np.where(task.label, np.log(scores), np.log1p(-scores)).sum(axis=1).mean())


def joined(tasks: list[Task]) -> Task:
    return Task(*(np.concatenate([getattr(t, f.name) for t in tasks]) for f in fields(Task)))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--people", type=int, default=4 * PEOPLE_A_BLOCK)
    parser.add_argument("--practices", type=int, default=300)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    world, settings = make_world(arguments.practices, arguments.seed), ProcessSettings()
    learned: list[Task] = []
    asked: list[Task] = []
    truth = []
    for number, block in enumerate(blocks(world, arguments.people, arguments.seed, settings)):
        task = make_task(world, block, arguments.seed)
        if number % 2 == 0:
            learned.append(task)
            continue
        asked.append(task)
        truth.append(true_probabilities(world, block, task.rows, task.day, task.window, settings))
    train, task, oracle = joined(learned), joined(asked), np.concatenate(truth)
    known, new = past(train)
    prevalence = np.broadcast_to(train.label.mean(axis=0), task.label.shape)
    copied = np.where(task.known, known, new)
    fresh = task.label & ~task.known
    print(
        f"estimated on {len(train.label)} patients, scored on {len(task.label)}; "
        f"new labels {fresh.sum() / task.label.sum():.2f}, of which begun but not yet recorded "
        f"{(fresh & task.begun).sum() / fresh.sum():.2f}"
    )
    print(f"{'APS | AUROC':44s} {'all labels':>16s} {'first incidence':>18s}")
    row("prevalence", prevalence, task, np.broadcast_to(new, task.label.shape))
    row("past diseases, then prevalence", copied, task)
    timed = own_past(train, task)
    row("the same with time since the last recording", timed, task)
    blind = np.where(task.begun & ~task.known, new, oracle)
    row("oracle, without unrecorded disease", blind, task)
    row("oracle", oracle, task)

    # Patients without a label are not scored, so a label is likelier than the oracle's probability.
    # A common exponent of the probability of no label corrects for this.
    def selected(exponent: float) -> float:
        return deviance(1 - (1 - np.minimum(oracle, 1 - 1e-6).astype(np.float64)) ** exponent, task)

    best = minimize_scalar(selected, bounds=(0.5, 3.0), method="bounded").fun
    explained = deviance(prevalence, task) - best
    for name, scores in (("past diseases", copied), ("past diseases and their timing", timed)):
        other = (deviance(scores, task) - best) / explained
        print(f"explained deviance that needs more than {name}: {other:.2f}")


if __name__ == "__main__":
    main()
