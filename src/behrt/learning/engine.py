"""The training loop of classifiers and of masked pretraining. It does not depend on the model.

An interrupted training resumes and ends with the same bytes (on a CPU): order, masks and learning
rate depend on seed, epoch and step; the rest is in the checkpoint.
"""

import json
import logging
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

import numpy as np
import torch
import torch.nn.functional as F
from safetensors.torch import load_file
from torch import Tensor, nn
from tqdm import tqdm

from behrt import logs
from behrt.errors import InputError
from behrt.evaluation.metrics import sample_metrics
from behrt.learning import artefacts, checkpoint, micro_batches, parallel
from behrt.learning.device import begin, device_of, precision_of
from behrt.learning.examples import Examples, require_examples
from behrt.learning.muon import Muon
from behrt.learning.prefetch import ahead_of, made_ahead, pinned
from behrt.learning.run import Optimisation, TrainingRun, generator, read_settings
from behrt.logs import logger
from behrt.settings.base import Section

if TYPE_CHECKING:  # its import takes longer than many predictions
    from lightning_fabric import Fabric

__all__ = [
    "Classification",
    "Collate",
    "Objective",
    "Optimisation",
    "TrainingRun",
    "batched_outputs",
    "begin",
    "fit",
    "fit_classifier",
    "load",
    "outputs",
    "predict",
    "score_spread",
]

Collate = Callable[[Examples, np.ndarray, np.random.Generator | None], dict[str, Tensor]]
"""Returns a batch, the model's keyword arguments, of the examples at some rows (int64).

The generator is for what is drawn in each epoch; None means evaluation, without randomness.
"""

Network = TypeVar("Network", bound=nn.Module)
Settings = TypeVar("Settings", bound=Section)

Batch = Any
"""What `Objective.loss` takes: tensors and numbers in dictionaries, lists and tuples."""

TRIED_ON = ("cuda",)
"""Types of devices whose memory may be too small for a batch."""

EVALUATION_BATCH = 256
"""Patients that are evaluated at a time in training."""

PREDICTION_BATCH = {"cpu": EVALUATION_BATCH, "cuda": 2048}
"""Patients that are predicted at a time, by type of device. A GPU needs many to be busy."""

LEAST_SCORE_SPREAD = 0.1


@dataclass(frozen=True)
class Objective(ABC):
    """The loss on the training examples, and the metrics of the tuning examples.

    Attributes:
        chooses: the metric that chooses the epoch.
        higher: whether a higher value is better.
    """

    train: Examples
    tuning: Examples
    collate: Collate
    chooses: ClassVar[str]
    higher: ClassVar[bool]

    def data(self) -> dict[str, np.ndarray]:
        """Return every array that decides the training, by name, for the checkpoint."""
        parts = {"train": self.train, "tuning": self.tuning}
        return {
            f"{split} {name}": array
            for split, part in parts.items()
            for name, array in part.arrays().items()
        }

    def order(self, batch_size: int, generator: np.random.Generator) -> np.ndarray:
        """Return the order of the training examples in an epoch, int64 (n)."""
        return generator.permutation(len(self.train))

    @abstractmethod
    def batch(self, rows: np.ndarray, part: slice, generator: np.random.Generator) -> Batch:
        """Return what `loss` takes for a part of a batch, on the CPU.

        What is drawn does not depend on the part. It may be called in another thread.

        Args:
            rows: int64 (n), the training examples of the whole batch.
            part: the places in `rows` of those in the part, at least one.
            generator: of the batch; each part is made with an equal one.
        """

    @abstractmethod
    def loss(self, model: nn.Module, batch: Batch) -> Tensor:
        """Return a part's contribution, a scalar, to the mean loss of the whole batch.

        The contributions of all parts of a batch add up to its mean loss.
        """

    @abstractmethod
    def evaluate(self, model: nn.Module, fabric: "Fabric") -> dict[str, float | None]:
        """Return the metrics of the tuning examples, with the one that chooses the epoch.

        An undefined metric is None; the one that chooses the epoch is always defined. Of several
        processes each computes its share, and all return the same.
        """


@dataclass(frozen=True)
class Classification(Objective):
    """Multi-label prediction: `model(**batch)` gives logits (rows, n_diseases).

    The loss is binary cross-entropy, mean over patients and diseases, which is the multi-label
    soft-margin loss of the paper's released code.

    Attributes:
        draws: whether `collate` draws, in order of the rows.
    """

    draws: bool = False

    chooses = "tuning_aps"
    higher = True

    def batch(self, rows: np.ndarray, part: slice, generator: np.random.Generator) -> Batch:
        if self.draws and part.start:
            self.collate(self.train, rows[: part.start], generator)  # draws what others get
        read = rows[part]
        labels = torch.from_numpy(self.train.label_matrix(read))
        return self.collate(self.train, read, generator), labels, len(read) / len(rows)

    def loss(self, model: nn.Module, batch: Batch) -> Tensor:
        given, labels, share = batch
        logits = model(**given).float()
        loss: Tensor = F.binary_cross_entropy_with_logits(logits, labels.float()) * share
        return loss

    def evaluate(self, model: nn.Module, fabric: "Fabric") -> dict[str, float | None]:
        logits = evaluated(
            model, fabric, self.collate, self.tuning, (len(self.tuning), self.tuning.n_diseases)
        )
        labels = self.tuning.label_matrix(np.arange(len(self.tuning)))
        loss = F.binary_cross_entropy_with_logits(
            torch.from_numpy(logits), torch.from_numpy(labels).float()
        )
        scores = torch.sigmoid(torch.from_numpy(logits)).numpy()
        average_precision, auroc = sample_metrics(scores, labels)
        return {
            "tuning_loss": float(loss),
            "tuning_aps": float(np.nanmean(average_precision)),
            "tuning_auroc": float(np.nanmean(auroc)),
            "score_spread": score_spread(scores, self.train.label_prevalence()),
        }


def score_spread(scores: np.ndarray, prevalence: np.ndarray) -> float:
    """Return how much scores differ between patients: 0 if all patients have the same scores.

    It is the mean over diseases of the standard deviation across patients relative to the
    disease's prevalence, without diseases that are never a label.

    Args:
        scores: float (n, n_diseases), probabilities.
        prevalence: float (n_diseases).
    """
    seen = prevalence > 0
    if not seen.any():
        return 0.0
    return float(np.mean(scores[:, seen].std(axis=0) / prevalence[seen]))


def batched_outputs(
    model: nn.Module,
    device: torch.device,
    collate: Collate,
    examples: Examples,
    batch_size: int,
    rank: int = 0,
    processes: int = 1,
    **more: Any,
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield rows and the model's output for them, float32 (rows, …), without randomness.

    Of several processes, each computes the batches whose turn it is. `more` is given to the model.
    """

    def made(start: int) -> tuple[np.ndarray, dict[str, Tensor]]:
        rows = np.arange(start, min(start + batch_size, len(examples)), dtype=np.int64)
        return rows, pinned(collate(examples, rows, None), device.type)

    starts = range(rank * batch_size, len(examples), processes * batch_size)
    model.eval()
    with torch.no_grad():
        for rows, batch in made_ahead(made, starts, ahead_of(device.type)):
            given = {name: values.to(device, non_blocking=True) for name, values in batch.items()}
            yield rows, model(**given, **more).float().cpu().numpy()


def own_chunks(size: int, fabric: "Fabric") -> Iterator[np.ndarray]:
    """Yield the rows 0 … size − 1 in chunks for evaluation, of which each process has a share."""
    step = EVALUATION_BATCH
    for start in range(fabric.global_rank * step, size, fabric.world_size * step):
        yield np.arange(start, min(start + step, size), dtype=np.int64)


def evaluated(
    model: nn.Module,
    fabric: "Fabric",
    collate: Collate,
    examples: Examples,
    shape: tuple[int, ...],
) -> np.ndarray:
    """Return the model's output, float32 of a shape (n, …). Each process computes a share."""
    found = np.zeros(shape, dtype=np.float32)
    for rows, output in batched_outputs(
        model,
        fabric.device,
        collate,
        examples,
        EVALUATION_BATCH,
        fabric.global_rank,
        fabric.world_size,
    ):
        found[rows] = output
    return parallel.added_up(fabric, found)


def _optimisers(model: nn.Module, optimisation: Optimisation) -> list[torch.optim.Optimizer]:
    rate, decay = optimisation.learning_rate, optimisation.weight_decay
    parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
    inner: list[Tensor] = []
    if optimisation.optimiser == "muon":
        inner = [
            layer.weight
            for name, layer in model.named_modules()
            if isinstance(layer, nn.Linear) and not name.endswith("classifier")
        ]
    held = set(inner)
    others = [parameter for parameter in parameters if parameter not in held]
    groups = [
        {"params": [one for one in others if one.ndim > 1], "weight_decay": decay},
        {"params": [one for one in others if one.ndim <= 1], "weight_decay": 0.0},
    ]
    adam = torch.optim.AdamW(groups, lr=rate, fused=True)
    return [adam, Muon(inner, rate, decay)] if inner else [adam]


def _tokens(examples: Examples) -> np.ndarray:
    """Return int64 (n): the diseases and visits of each subject, as a measure of work."""
    codes = examples.code_offsets[examples.visit_offsets]
    tokens: np.ndarray = np.diff(codes) + np.diff(examples.visit_offsets) + 1
    return tokens


@dataclass
class _Progress:
    """The state of a training that a checkpoint holds, other than weights and generators."""

    epoch: int = 0
    step: int = 0
    loss: float = 0.0
    best: dict[str, Tensor] | None = None
    best_epoch: int = 0
    best_score: float = 0.0
    lines: list[str] = field(default_factory=list)


class _Training:
    """A model, its optimiser and its progress, saved and restored together."""

    def __init__(
        self,
        model: nn.Module,
        objective: Objective,
        optimisation: Optimisation,
        run: TrainingRun,
        settings: Any,
    ) -> None:
        begin(run)
        self.fingerprint = checkpoint.fingerprint(
            model, settings, objective.data(), optimisation, run
        )
        self.objective, self.optimisation, self.run = objective, optimisation, run
        self.model = model
        self.fabric = fabric_of(run)
        # Fabric's wrapper sets precision and device; it shares its weights with `model`.
        self.wrapped = self.fabric.setup_module(model)
        if self.fabric.device.type == "cuda":
            from behrt.learning.encoder import accelerate

            accelerate(model, run.compute)
        if self.fabric.global_rank:  # the first process draws as a single one does
            torch.manual_seed(run.compute.seed + self.fabric.global_rank)
        self.optimisers = _optimisers(model, optimisation)
        self.progress = _Progress()
        self.at_once = run.compute.at_once
        self.batches = -(-len(objective.train) // optimisation.batch_size)
        self.tokens = _tokens(objective.train)
        self.learned = 0
        self.saved_at = time.monotonic()

    def save(self) -> None:
        if not self.fabric.is_global_zero:
            return
        state = {
            "fingerprint": self.fingerprint,
            "model": self.model.state_dict(),
            "optimisers": [optimiser.state_dict() for optimiser in self.optimisers],
            "generator": torch.get_rng_state(),
            "progress": vars(self.progress),
        }
        if self.fabric.device.type == "cuda":
            state["generator_cuda"] = torch.cuda.get_rng_state()
        checkpoint.save(self.run.folder, state)
        self.saved_at = time.monotonic()

    def restore(self) -> None:
        state = checkpoint.load(self.run.folder, self.fingerprint)
        if state is None:
            return
        self.model.load_state_dict(state["model"])
        for optimiser, saved in zip(self.optimisers, state["optimisers"], strict=True):
            optimiser.load_state_dict(saved)
        if self.fabric.is_global_zero:
            torch.set_rng_state(state["generator"])
            if self.fabric.device.type == "cuda":
                torch.cuda.set_rng_state(state["generator_cuda"])
        self.progress = _Progress(**state["progress"])
        logger.info(
            "resuming from epoch %d, step %d of %d",
            self.progress.epoch + 1,
            self.progress.step,
            self.batches,
        )

    def find_at_once(self) -> None:
        """Find by trial how many patients fit into memory at a time: the ones with most words."""
        if self.fabric.device.type not in TRIED_ON:
            return
        size = min(self.optimisation.batch_size, len(self.tokens))
        most = self.share(size)
        rows = np.argsort(-self.tokens, kind="stable")[:size]
        copies = range(1 if self.optimisers[0].state else 3)

        def tried(at_once: int) -> None:
            # What the clipping of gradients and, if they start, the optimisers need later.
            room = [torch.empty_like(weight) for weight in self.model.parameters() for _ in copies]
            part = slice(0, at_once)
            batch = self.objective.batch(rows, part, generator(self.run, 0, 1))
            self.backward(batch, synchronised=False)
            del room

        drawn = torch.get_rng_state()
        drawn_cuda = torch.cuda.get_rng_state() if self.fabric.device.type == "cuda" else None
        self.wrapped.train()
        at_once, _ = micro_batches.largest(tried, min(self.at_once or size, most.stop - most.start))
        if self.fabric.world_size > 1:
            found = torch.tensor(at_once, device=self.fabric.device)
            at_once = int(parallel.over_all(self.fabric, found, "min"))
        self.model.zero_grad(set_to_none=True)
        torch.set_rng_state(drawn)
        if drawn_cuda is not None:
            torch.cuda.set_rng_state(drawn_cuda)
        self.at_once = at_once
        logger.info("%d of %d patients of a batch are computed at a time", at_once, size)

    def share(self, rows: int) -> slice:
        """Return the places in a batch of so many rows that this process computes."""
        return parallel.share_of(rows, self.fabric.global_rank, self.fabric.world_size)

    def parts(self, rows: np.ndarray, step: int) -> list[Batch]:
        """Return what this process computes of a batch, part by part.

        Stream 0 of an epoch draws its order, stream 1 + step what a batch draws.
        """
        return [
            pinned(
                self.objective.batch(
                    rows, part, generator(self.run, self.progress.epoch, 1 + step)
                ),
                self.fabric.device.type,
            )
            for part in micro_batches.parts_of(self.share(len(rows)), self.at_once)
        ]

    def backward(self, batch: Batch, synchronised: bool, weight: float = 1.0) -> Tensor:
        """Add the gradients of a part; return its loss.

        Args:
            batch: the part.
            synchronised: whether the mean of the gradients of all processes is taken.
            weight: of the part.
        """
        with self.fabric.no_backward_sync(self.wrapped, enabled=not synchronised):
            loss = self.objective.loss(self.wrapped, self.fabric.to_device(batch))
            self.fabric.backward(loss if weight == 1.0 else loss * weight)
        return loss.detach()

    def step(self, rows: np.ndarray, parts: list[Batch] | None = None) -> Tensor:
        """Train on one batch; return its loss.

        Args:
            rows: int64 (n), the training examples.
            parts: what `self.parts` returned for them; None makes them.
        """
        epoch, step = self.progress.epoch, self.progress.step
        parts = self.parts(rows, step) if parts is None else parts
        steps = self.batches * self.optimisation.epochs
        for optimiser in self.optimisers:
            for group in optimiser.param_groups:
                group["lr"] = self.optimisation.rate(epoch * self.batches + step, steps)
            optimiser.zero_grad(set_to_none=True)
        # The gradients of the processes are averaged, and those of their shares are to be added up.
        shares = self.fabric.world_size if len(rows) >= self.fabric.world_size else 1
        losses = [
            self.backward(part, place == len(parts), shares) for place, part in enumerate(parts, 1)
        ]
        loss = losses[0] if len(losses) == 1 else torch.stack(losses).sum()
        if self.fabric.world_size > 1:
            loss = parallel.over_all(self.fabric, loss * shares / self.fabric.world_size, "sum")
        nn.utils.clip_grad_norm_(list(self.model.parameters()), self.optimisation.gradient_norm)
        for optimiser in self.optimisers:
            optimiser.step()
        return loss

    def epoch(self, bar: "tqdm[Any]") -> float:
        """Train on the remaining batches of the epoch; return its mean loss."""
        progress, size = self.progress, self.optimisation.batch_size
        order = self.objective.order(size, generator(self.run, progress.epoch, 0))
        total = torch.tensor(progress.loss, dtype=torch.float64, device=self.fabric.device)
        self.wrapped.train()

        def made(step: int) -> tuple[np.ndarray, list[Batch]]:
            rows = order[step * size : (step + 1) * size]
            return rows, self.parts(rows, step)

        ahead = ahead_of(self.fabric.device.type)
        for rows, parts in made_ahead(made, range(progress.step, self.batches), ahead):
            total += self.step(rows, parts).double() * len(rows)
            progress.step += 1
            worked = int(self.tokens[rows].sum())
            self.learned += worked
            bar.update(worked)
            if time.monotonic() - self.saved_at >= self.run.checkpoint_seconds:
                progress.loss = float(total)
                self.save()
        loss = float(total) / len(self.objective.train)
        if not np.isfinite(loss):
            raise InputError(
                "training",
                f"the loss of epoch {progress.epoch + 1} is not finite",
                "Lower learning_rate",
            )
        return loss

    def end_epoch(self, loss: float) -> None:
        """Add the line of the epoch, keep its weights if they are the best so far, and save."""
        progress = self.progress
        rate = self.optimisers[0].param_groups[0]["lr"]
        metrics = self.objective.evaluate(self.wrapped, self.fabric)
        progress.epoch, progress.step, progress.loss = progress.epoch + 1, 0, 0.0
        figures = {"train_loss": loss, **metrics, "learning_rate": rate}
        progress.lines.append(json.dumps({"epoch": progress.epoch, **figures}))
        chosen_by = metrics[self.objective.chooses]
        assert chosen_by is not None
        score = chosen_by if self.objective.higher else -chosen_by
        if progress.best is None or score > progress.best_score:
            progress.best_epoch, progress.best_score = progress.epoch, score
            weights = self.model.state_dict()
            progress.best = {name: weights[name].cpu().clone() for name in weights}
        logger.info(
            "epoch %d of %d: %s",
            progress.epoch,
            self.optimisation.epochs,
            ", ".join(f"{name} {self.shown(name, value)}" for name, value in figures.items()),
        )
        self.save()

    def shown(self, name: str, value: float | None) -> str:
        """Return a metric as text for the log, where a mean of too few patients is hidden."""
        patients = self.objective.train if name == "train_loss" else self.objective.tuning
        if name != "learning_rate" and not logs.is_told(patients.n_subjects):
            return "hidden (too few patients)"
        return "undefined" if value is None else f"{value:.4g}"

    def over(self) -> bool:
        progress = self.progress
        if progress.epoch >= self.optimisation.epochs:
            return True
        if progress.epoch - progress.best_epoch >= self.optimisation.patience:
            return True
        if self.run.unpromising is None:
            return False
        scores = [json.loads(line)[self.objective.chooses] for line in progress.lines]
        return self.run.unpromising(scores)


def fabric_of(run: TrainingRun) -> "Fabric":
    """Return the lightning-fabric object that sets the device and the precision of a training.

    In one of several processes of `behrt.learning.parallel`, it also connects them.
    """
    from lightning_fabric import Fabric
    from lightning_fabric.plugins.environments.lightning import LightningEnvironment

    logging.getLogger("lightning_fabric").setLevel(logging.WARNING)
    if parallel.is_part():
        return parallel.connected(device_of(run), precision_of(run), run.compute)
    return Fabric(
        accelerator=device_of(run),
        devices=1,
        precision=precision_of(run),
        plugins=[LightningEnvironment()],  # one process, also inside a SLURM allocation
    )


@contextmanager
def prepared(model: nn.Module, run: TrainingRun) -> Iterator[torch.device]:
    """Move a trained model to the device of the run, which is returned, and set the precision."""
    device = torch.device(device_of(run))
    model.to(device)
    mixed = precision_of(run) == "bf16-mixed"
    with torch.autocast(device.type, torch.bfloat16, enabled=mixed):
        yield device


def read_weights(folder: Path) -> dict[str, Tensor]:
    """Return a trained model's weights by name, as tensors."""
    weights: dict[str, Tensor] = load_file(folder / artefacts.WEIGHTS)
    return weights


def load(
    folder: Path,
    settings: type[Settings],
    network: Callable[[Settings, Mapping[str, Any]], Network],
) -> tuple[Network, Settings]:
    """Return a trained network, in evaluation mode, and its settings.

    Args:
        folder: holds its config.json and model.safetensors.
        settings: the class of its settings.
        network: makes it with random weights, from its settings and the entries of config.json.

    Raises:
        InputError: the folder holds no trained model.
    """
    config = artefacts.read_config(folder)
    given = read_settings(settings, config["settings"])
    model = network(given, config)
    model.load_state_dict(read_weights(folder))
    return model.eval(), given


def fit(
    model: nn.Module,
    objective: Objective,
    optimisation: Optimisation,
    run: TrainingRun,
    settings: Any,
) -> None:
    """Train a model and write its three files; resume from a checkpoint if there is one.

    Args:
        model: with its initial weights, drawn after `begin(run)`.
        objective: the loss and the metrics.
        optimisation: how to train.
        run: where to train. `run.folder` receives config.json, model.safetensors (the weights of
            the epoch with the best tuning score, the first of equals) and metrics.jsonl (one line
            per epoch), and checkpoint.pt while training.
        settings: the model's settings (a `Section` or a mapping), for config.json.

    Raises:
        InputError: there are no training or tuning examples, or the loss is not finite.
    """
    require_examples(objective.train, objective.tuning)
    started = time.monotonic()
    training = _Training(model, objective, optimisation, run, settings)
    training.restore()
    training.find_at_once()
    progress = training.progress
    an_epoch = float(training.tokens.sum())
    work = an_epoch * optimisation.epochs
    with (
        logs.above_bars(),
        logs.progress(total=work, label="train", unit="tokens") as bar,
    ):
        bar.update(an_epoch * progress.epoch)
        while not training.over():
            bar.set_description(f"epoch {progress.epoch + 1} of {optimisation.epochs}")
            loss = training.epoch(bar)
            training.end_epoch(loss)
            bar.set_postfix(loss=f"{loss:.4g}")
    if not training.fabric.is_global_zero:
        return
    best = json.loads(progress.lines[progress.best_epoch - 1])
    if best.get("score_spread", np.inf) < LEAST_SCORE_SPREAD:
        logger.warning(
            "SCORES HARDLY DIFFER BETWEEN PATIENTS (score_spread %.3g, expected above %g): the "
            "model ranks diseases by prevalence only. Raise learning_rate, epochs or patience",
            best["score_spread"],
            LEAST_SCORE_SPREAD,
        )
    assert progress.best is not None
    artefacts.write_model(
        run,
        settings,
        objective.train.n_diseases,
        {name: weights.numpy() for name, weights in progress.best.items()},
        progress.lines,
        optimisation=optimisation.model_dump(),
        precision=precision_of(run),
        epoch=progress.best_epoch,
    )
    if not run.keep_checkpoint:
        artefacts.discard_checkpoint(run.folder)
    seconds = time.monotonic() - started
    logger.info(
        "trained in %.0f s (%.0f tokens per second); epoch %d of %d chosen: %s %s",
        seconds,
        training.learned / seconds,
        progress.best_epoch,
        progress.epoch,
        objective.chooses,
        training.shown(objective.chooses, best[objective.chooses]),
    )


def fit_classifier(
    model: nn.Module,
    collate: Collate,
    train: Examples,
    tuning: Examples,
    optimisation: Optimisation,
    run: TrainingRun,
    settings: Any,
    draws: bool = False,
) -> None:
    """Train a classifier: see `fit` and `Classification`.

    The epoch is chosen by the sample-averaged average precision of the tuning examples.
    """
    objective = Classification(train, tuning, collate, draws)
    fit(model, objective, optimisation, run, settings)


def predict(
    model: nn.Module,
    collate: Collate,
    examples: Examples,
    run: TrainingRun,
    batch_size: int | None = None,
) -> np.ndarray:
    """Return float32 (n, n_diseases): the probability of each disease, in the examples' order."""
    begin(run)
    batch_size = batch_size or PREDICTION_BATCH[device_of(run)]
    scores = np.empty((len(examples), examples.n_diseases), dtype=np.float32)
    with (
        prepared(model, run) as device,
        logs.progress(total=len(examples), label="predict", unit="patients") as bar,
    ):

        def score(size: int) -> None:
            bar.reset()
            for rows, logits in batched_outputs(model, device, collate, examples, size):
                scores[rows] = torch.sigmoid(torch.from_numpy(logits)).numpy()
                bar.update(len(rows))

        micro_batches.largest(score, batch_size)
    return scores


def outputs(model: nn.Module, collate: Collate, examples: Examples, run: TrainingRun) -> np.ndarray:
    """Return float32 (n, …): what a network returns for each example, without randomness."""
    begin(run)
    with prepared(model, run) as device:

        def found(size: int) -> np.ndarray:
            batches = batched_outputs(model, device, collate, examples, size)
            return np.concatenate([output for _, output in batches])

        return micro_batches.largest(found, PREDICTION_BATCH[device.type])[1]
