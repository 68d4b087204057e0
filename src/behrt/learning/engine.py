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
from behrt.learning import artefacts, checkpoint
from behrt.learning.device import begin, device_of, precision_of
from behrt.learning.examples import Examples, require_examples
from behrt.learning.muon import Muon
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

EVALUATION_BATCH = 256
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
    def loss(
        self, model: nn.Module, fabric: "Fabric", rows: np.ndarray, generator: np.random.Generator
    ) -> Tensor:
        """Return the mean loss, a scalar, of the training examples at `rows`."""

    @abstractmethod
    def evaluate(self, model: nn.Module, fabric: "Fabric") -> dict[str, float | None]:
        """Return the metrics of the tuning examples, with the one that chooses the epoch.

        An undefined metric is None; the one that chooses the epoch is always defined.
        """


@dataclass(frozen=True)
class Classification(Objective):
    """Multi-label prediction: `model(**batch)` gives logits (rows, n_diseases).

    The loss is binary cross-entropy, mean over patients and diseases, which is the multi-label
    soft-margin loss of the paper's released code.
    """

    chooses = "tuning_aps"
    higher = True

    def loss(
        self, model: nn.Module, fabric: "Fabric", rows: np.ndarray, generator: np.random.Generator
    ) -> Tensor:
        batch = fabric.to_device(self.collate(self.train, rows, generator))
        labels = fabric.to_device(torch.from_numpy(self.train.label_matrix(rows)))
        return F.binary_cross_entropy_with_logits(model(**batch).float(), labels.float())

    def evaluate(self, model: nn.Module, fabric: "Fabric") -> dict[str, float | None]:
        logits = np.empty((len(self.tuning), self.tuning.n_diseases), dtype=np.float32)
        for rows, output in batched_outputs(
            model, fabric.device, self.collate, self.tuning, EVALUATION_BATCH
        ):
            logits[rows] = output
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
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield rows and the model's output for them, float32 (rows, …), without randomness."""
    model.eval()
    with torch.no_grad():
        for start in range(0, len(examples), batch_size):
            rows = np.arange(start, min(start + batch_size, len(examples)), dtype=np.int64)
            batch = collate(examples, rows, None)
            output = model(**{name: values.to(device) for name, values in batch.items()})
            yield rows, output.float().cpu().numpy()


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
        self.optimisers = _optimisers(model, optimisation)
        self.progress = _Progress()
        self.batches = -(-len(objective.train) // optimisation.batch_size)
        self.tokens = _tokens(objective.train)
        self.learned = 0
        self.saved_at = time.monotonic()

    def save(self) -> None:
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

    def step(self, rows: np.ndarray) -> Tensor:
        """Train on one batch; return its loss."""
        epoch, step = self.progress.epoch, self.progress.step
        steps = self.batches * self.optimisation.epochs
        for optimiser in self.optimisers:
            for group in optimiser.param_groups:
                group["lr"] = self.optimisation.rate(epoch * self.batches + step, steps)
            optimiser.zero_grad(set_to_none=True)
        # Stream 0 of an epoch draws its order, stream 1 + step what a batch draws.
        draw = generator(self.run, epoch, 1 + step)
        loss = self.objective.loss(self.wrapped, self.fabric, rows, draw)
        self.fabric.backward(loss)
        nn.utils.clip_grad_norm_(list(self.model.parameters()), self.optimisation.gradient_norm)
        for optimiser in self.optimisers:
            optimiser.step()
        return loss.detach()

    def epoch(self, bar: "tqdm[Any]") -> float:
        """Train on the remaining batches of the epoch; return its mean loss."""
        progress, size = self.progress, self.optimisation.batch_size
        order = self.objective.order(size, generator(self.run, progress.epoch, 0))
        total = torch.tensor(progress.loss, dtype=torch.float64, device=self.fabric.device)
        self.wrapped.train()
        while progress.step < self.batches:
            rows = order[progress.step * size : (progress.step + 1) * size]
            total += self.step(rows).double() * len(rows)
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
    """Return the lightning-fabric object that sets the device and the precision of a training."""
    from lightning_fabric import Fabric
    from lightning_fabric.plugins.environments.lightning import LightningEnvironment

    logging.getLogger("lightning_fabric").setLevel(logging.WARNING)
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
    checkpoint.discard(run.folder)
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
) -> None:
    """Train a classifier: see `fit` and `Classification`.

    The epoch is chosen by the sample-averaged average precision of the tuning examples.
    """
    objective = Classification(train, tuning, collate)
    fit(model, objective, optimisation, run, settings)


def predict(
    model: nn.Module,
    collate: Collate,
    examples: Examples,
    run: TrainingRun,
    batch_size: int = EVALUATION_BATCH,
) -> np.ndarray:
    """Return float32 (n, n_diseases): the probability of each disease, in the examples' order."""
    begin(run)
    scores = np.empty((len(examples), examples.n_diseases), dtype=np.float32)
    with (
        prepared(model, run) as device,
        logs.progress(total=len(examples), label="predict", unit="patients") as bar,
    ):
        for rows, logits in batched_outputs(model, device, collate, examples, batch_size):
            scores[rows] = torch.sigmoid(torch.from_numpy(logits)).numpy()
            bar.update(len(rows))
    return scores


def outputs(model: nn.Module, collate: Collate, examples: Examples, run: TrainingRun) -> np.ndarray:
    """Return float32 (n, …): what a network returns for each example, without randomness."""
    begin(run)
    with prepared(model, run) as device:
        found = batched_outputs(model, device, collate, examples, EVALUATION_BATCH)
        return np.concatenate([output for _, output in found])
