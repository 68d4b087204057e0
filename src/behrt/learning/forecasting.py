"""Train once for all tasks, after every visit; and predict after the last visit."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from behrt import logs
from behrt.errors import InputError
from behrt.evaluation.metrics import sample_metrics
from behrt.learning import artefacts, micro_batches, parallel
from behrt.learning.engine import (
    PREDICTION_BATCH,
    Batch,
    Objective,
    TrainingRun,
    batched_outputs,
    prepared,
)
from behrt.learning.examples import Examples
from behrt.learning.histories import NO_CUT, Histories
from behrt.ragged import ragged_ranges

if TYPE_CHECKING:  # its import takes longer than many predictions
    from lightning_fabric import Fabric

CutBatch = Callable[[Examples, np.ndarray, np.ndarray, np.ndarray], dict[str, Tensor]]
"""Returns a batch, the model's keyword arguments, of cuts of some patients.

Its arguments are the patients; int64 (n), the rows of those that are read; int64 (m), the last
visit before each cut, by its number in the examples, in order of patient and time; and int64 (m),
each cut's patient, 0 … n − 1. Each patient has at least one cut.
"""


@dataclass(frozen=True)
class Forecasting(Objective):
    """Every task, after some visits of each patient, which are drawn anew in each epoch.

    `model(**batch)` gives the logits of all tasks, (tasks * m, n_diseases), those of a task
    together; with `task`, those of one, (m, n_diseases). The loss is binary cross-entropy, mean
    over the cuts that count for a task and over diseases, then over tasks. The mean over tasks of
    the sample-averaged average precision of the tuning examples chooses the epoch.

    Attributes:
        train: `histories.examples`.
        tuning: those of `tuning_of` of the fewest patients, as `fewest` returns them. They decide
            whether a log may show the metrics.
        collate: makes a batch of cuts.
        histories: of the training patients, each with at least one cut.
        tuning_of: the tuning examples by name of the task.
        cuts: drawn per patient and epoch, at most; None for all.
        max_length: words per patient, at most. Cuts so early that the words from there to the last
            cut do not fit are left out. Of a history that does not fit, an early cut reads less
            than it would by itself, as in a prediction.
    """

    collate: CutBatch  # type: ignore[assignment]
    histories: Histories
    tuning_of: Mapping[str, Examples]
    cuts: int | None
    max_length: int

    chooses = "tuning_aps"
    higher = True

    def data(self) -> dict[str, np.ndarray]:
        ends = {f"ends {task}": ends for task, ends in self.histories.label_ends.items()}
        tuning = {
            f"tuning {task} {name}": array
            for task, examples in self.tuning_of.items()
            for name, array in examples.arrays().items()
        }
        return {**super().data(), **ends, **tuning}

    def order(self, batch_size: int, generator: np.random.Generator) -> np.ndarray:
        """Return the patients in batches of similar length, int64 (n); the batches are shuffled.

        A batch is packed into rows as long as its longest history, and the cost of attention grows
        with the length of a row.
        """
        sizes = np.diff(self.train.code_offsets[self.train.visit_offsets])
        patients = generator.permutation(len(self.train))
        patients = patients[np.argsort(sizes[patients], kind="stable")]
        batches = len(patients) // batch_size
        whole, rest = np.split(patients, [batches * batch_size])
        shuffled = whole.reshape(batches, batch_size)[generator.permutation(batches)]
        return np.concatenate([shuffled.ravel(), rest])

    def drawn(
        self, rows: np.ndarray, generator: np.random.Generator
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return the cuts of an epoch, as `CutBatch` takes them: visits and patients, int64 (m)."""
        train = self.train
        starts = train.visit_offsets[rows]
        visits, offsets = ragged_ranges(starts, train.visit_offsets[rows + 1] - starts)
        patient = np.repeat(np.arange(len(rows)), np.diff(offsets))
        ends = np.stack([ends[visits] for ends in self.histories.label_ends.values()])
        counting = (ends != NO_CUT).any(axis=0)
        visits, patient = visits[counting], patient[counting]

        order = np.lexsort((generator.random(len(visits)), patient))
        per_patient = np.bincount(patient, minlength=len(rows))
        rank = np.arange(len(visits)) - np.repeat(per_patient.cumsum() - per_patient, per_patient)
        if self.cuts is not None:
            chosen = np.sort(order[rank < self.cuts])
            visits, patient = visits[chosen], patient[chosen]

        last = visits[np.searchsorted(patient, patient, side="right") - 1]
        codes = train.code_offsets[last + 1] - train.code_offsets[visits]
        words = 1 + codes + self._separators(visits, last) + 1  # CLS, and one SEP per visit
        fits = (words <= self.max_length) | (visits == last)
        return visits[fits], patient[fits]

    @cached_property
    def _visits_before(self) -> np.ndarray:
        """Int64 (visits + 1): the visits with a word before each."""
        return np.concatenate([[0], (np.diff(self.train.code_offsets) > 0).cumsum()])

    def _separators(self, visits: np.ndarray, last: np.ndarray) -> np.ndarray:
        """Return int64 (m), at most so many separators are between a cut and the last one.

        A visit without a word has one only if it is a cut.
        """
        before = self._visits_before
        between: np.ndarray = before[last] - before[visits]
        return between if before[-1] == len(before) - 1 else between + (self.cuts or 0)

    def batch(self, rows: np.ndarray, part: slice, generator: np.random.Generator) -> Batch:
        visits, patient = self.drawn(rows, generator)
        counting = np.stack([ends[visits] for ends in self.histories.label_ends.values()]) != NO_CUT
        cuts_of_task = counting.sum(axis=1)
        own = slice(*np.searchsorted(patient, [part.start, part.stop]))
        visits, patient = visits[own], patient[own] - part.start
        ends = np.stack([ends[visits] for ends in self.histories.label_ends.values()])
        task, cut = np.nonzero(ends != NO_CUT)
        return (
            self.collate(self.train, rows[part], visits, patient),
            torch.from_numpy(task * len(visits) + cut),
            self.labels(visits[cut], ends[task, cut]),
            torch.from_numpy(1 / (len(ends) * cuts_of_task[task])).float(),
        )

    def loss(self, model: nn.Module, batch: Batch) -> Tensor:
        given, places, labels, weights = batch
        losses = F.binary_cross_entropy_with_logits(
            model(**given).float()[places], labels, reduction="none"
        )
        loss: Tensor = (losses.mean(1) * weights).sum()
        return loss

    def labels(self, visits: np.ndarray, ends: np.ndarray) -> Tensor:
        """Return float32 (m, n_diseases): the diseases of the visits after each cut to the end."""
        first = self.train.code_offsets[visits + 1]
        positions, offsets = ragged_ranges(first, self.train.code_offsets[ends] - first)
        cuts, codes = (
            np.repeat(np.arange(len(visits)), np.diff(offsets)),
            self.train.codes[positions],
        )
        if self.train.concepts:
            diseases = codes < self.train.n_diseases
            cuts, codes = cuts[diseases], codes[diseases]
        labels = np.zeros((len(visits), self.train.n_diseases), dtype=np.float32)
        labels[cuts, codes] = 1
        return torch.from_numpy(labels)

    def evaluate(self, model: nn.Module, fabric: "Fabric") -> dict[str, float | None]:
        """Return the metrics of the tuning examples: means over tasks, then those of each task."""
        of_tasks = {}
        for task, examples in self.tuning_of.items():
            share = (fabric.global_rank, fabric.world_size)
            logits = torch.from_numpy(
                parallel.added_up(
                    fabric,
                    last_logits(model, fabric.device, self.collate, examples, task, share=share),
                )
            )
            labels = examples.label_matrix(np.arange(len(examples)))
            loss = F.binary_cross_entropy_with_logits(logits, torch.from_numpy(labels).float())
            precision, auroc = sample_metrics(torch.sigmoid(logits).numpy(), labels)
            of_tasks[task] = {
                "tuning_loss": float(loss),
                "tuning_aps": float(np.nanmean(precision)),
                "tuning_auroc": float(np.nanmean(auroc)),
            }
        names = ("tuning_loss", "tuning_aps", "tuning_auroc")
        return {
            **{name: float(np.mean([own[name] for own in of_tasks.values()])) for name in names},
            **{f"{name}_{task}": own[name] for task, own in of_tasks.items() for name in names},
        }


def fewest(tuning: Mapping[str, Examples]) -> Examples:
    """Return the examples of the task with the fewest patients."""
    return min(tuning.values(), key=lambda examples: examples.n_subjects)


def last_logits(
    model: nn.Module,
    device: torch.device,
    collate: CutBatch,
    examples: Examples,
    task: str,
    advance: Callable[[int], object] = lambda patients: None,
    share: tuple[int, int] = (0, 1),
) -> np.ndarray:
    """Return float32 (n, n_diseases), the logits of a task after each patient's last visit.

    Of several processes, each returns 0 for the patients of the others; `share` is the place of
    this one, and their number.
    """

    def collate_last(
        examples: Examples, rows: np.ndarray, generator: np.random.Generator | None
    ) -> dict[str, Tensor]:
        last = examples.visit_offsets[rows + 1] - 1
        return collate(examples, rows, last, np.arange(len(rows)))

    logits = np.zeros((len(examples), examples.n_diseases), dtype=np.float32)

    def predict(size: int) -> None:
        for rows, output in batched_outputs(
            model, device, collate_last, examples, size, *share, task=task
        ):
            logits[rows] = output
            advance(len(rows))

    micro_batches.largest(predict, PREDICTION_BATCH[device.type])
    return logits


def predict_cuts(
    model: nn.Module, collate: CutBatch, examples: Examples, task: str, run: TrainingRun
) -> np.ndarray:
    """Return float32 (n, n_diseases): the probabilities after each patient's last visit."""
    with (
        prepared(model, run) as device,
        logs.progress(total=len(examples), label="predict", unit="patients") as bar,
    ):
        logits = last_logits(model, device, collate, examples, task, bar.update)
    probabilities: np.ndarray = torch.sigmoid(torch.from_numpy(logits)).numpy()
    return probabilities


def write_model_of_task(
    run: TrainingRun,
    trained: Path | None,
    part: Callable[[Mapping[str, np.ndarray]], Mapping[str, np.ndarray]],
) -> None:
    """Write the model of one task, a part of the network that was trained for all tasks.

    Args:
        run: its facts name the task; its folder receives the three files, with the metrics of the
            task after each epoch, and in config.json `months`, the task's window.
        trained: the network's weights, in a folder with their config.json and metrics.jsonl.
        part: returns the weights of the task's model.

    Raises:
        InputError: `trained` is missing, or the network was not trained for the task.
    """
    if trained is None:
        raise InputError(run.facts["kind"], "the weights for all tasks are missing", "Train first")
    folder, task = trained.parent, run.facts["task"]
    config = artefacts.read_config(folder)
    if task not in config["tasks"]:
        raise InputError(folder, f"it was not trained for {task}", "Train it again")
    epochs = (folder / artefacts.METRICS).read_text(encoding="utf-8").splitlines()
    artefacts.write_model(
        run,
        config["settings"],
        config["n_diseases"],
        part(artefacts.read_weights(folder)),
        [json.dumps(_of_task(json.loads(epoch), task)) for epoch in epochs],
        months=config["tasks"][task],
        **{name: config[name] for name in ("optimisation", "precision", "epoch")},
    )


def _of_task(epoch: Mapping[str, Any], task: str) -> dict[str, Any]:
    """Return the metrics of an epoch with those of one task in place of those of all."""
    own = {name: epoch[f"{name}_{task}"] for name in ("tuning_loss", "tuning_aps", "tuning_auroc")}
    common = ("epoch", "train_loss", "learning_rate")
    return {**{name: epoch[name] for name in common}, **own}
