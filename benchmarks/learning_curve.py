"""APS against the number of training patients, for several models, with fitted power laws.

    python benchmarks/learning_curve.py [results/demo] [--shares 0.125 0.25 0.5 1]
        [--models behrt behrt_mask forecast lightgbm lightgbm_times] [--task T2]
        [--out docs/learning_curve]

Reads the sequences and tasks of a finished run. For each share it trains the models of
config/config.yaml on that share of the training patients, a smaller share being part of a larger
one, and scores the run's held-out patients, always the same. BEHRT is pretrained on the same
share. The epochs of config/config.yaml suit its own number of training patients; for others they
are multiplied by the square root of that number over theirs, because fewer patients are fewer
steps. The tuning patients choose the epoch. A larger run has only as many of them as the default
run, because every epoch scores them. A larger curve needs a run of more people
(benchmarks/large.yaml), of which the shares are then a part.

Writes <out>.csv, one row per model and share, after each training, so that an interrupted benchmark
continues; and <out>.png and .svg with APS = a - b n^-c fitted to each series by least squares. It
prints the value of the fit at the 1.6 million patients of the paper.
"""

import argparse
import shutil
import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import yaml
from scipy.optimize import curve_fit

from behrt import configuration, hashing
from behrt.evaluation.patients import read_held_out, score_patients
from behrt.figures.style import PALETTE, new_figure, save
from behrt.learning.load import load_examples
from behrt.learning.predictions import write_predictions
from behrt.learning.recipe import Recipe
from behrt.learning.run import Compute, TrainingRun
from behrt.models import model_named
from behrt.sequences.frames import HELD_OUT, TRAIN, TUNING
from behrt.sequences.vocabulary import read_vocabulary
from behrt.tasks import Task, tasks_of
from behrt.training import TrainingData, train, train_jointly

REPOSITORY = Path(__file__).parents[1]
PAPER = 1_600_000
"""Patients of the paper, training patients and others."""

DEFAULT = 32_112
"""Training patients of the default run, for which the epochs of config/config.yaml are chosen."""

LEAST_EXPONENT = 0.05
"""Of a power law. A series that needs a smaller one shows no asymptote, and is not extrapolated."""

LABEL_SETS = {"aps_all": "all labels", "aps_first": "first incidence"}


@dataclass(frozen=True)
class Run:
    """A finished run, of which a share of the training patients is used."""

    folder: Path
    share: float
    config: Mapping[str, Any]
    task: Task

    @property
    def place(self) -> Path:
        return self.folder / "learning_curve" / f"{self.share:g}"

    @property
    def sequences(self) -> list[Path]:
        return sorted((self.place / "sequences").glob("*.parquet"))

    @property
    def vocabulary(self) -> Path:
        return self.folder / "vocabulary.json"

    @property
    def compute(self) -> Compute:
        return Compute(self.config["seed"], 1, self.config["precision"])

    def examples(self, task: Task) -> Path:
        return self.place / "tasks" / f"{task.key}.parquet"

    def recipe(self, model: str) -> Recipe:
        entry = self.config["models"][model]
        settings = configuration.settings_for(self.config, model, self.task.name)
        training = configuration.training_for(self.config, model, self.task.name)
        return Recipe(entry["kind"], settings, self.longer(training), entry["cuts"])

    def longer(self, training: Mapping[str, Any] | None) -> dict[str, Any] | None:
        if training is None:
            return None
        longer = (DEFAULT / self.patients) ** 0.5
        return {**training, "epochs": max(1, round(training["epochs"] * longer))}

    @cached_property
    def patients(self) -> int:
        """The number of training patients with a visit, once `take` has written them."""
        visits = pl.col("visit_day").list.len()
        kept = pl.scan_parquet(self.sequences).filter((pl.col("split") == TRAIN) & (visits > 0))
        return int(kept.select(pl.len()).collect().item())


def take(run: Run) -> None:
    """Write the sequences and tasks of the share of the training patients, and of the others."""
    sequences = pl.scan_parquet(sorted((run.folder / "sequences").glob("*.parquet")))
    found = sequences.filter(pl.col("split") == TRAIN).select(pl.len()).collect().item()
    shares = {TRAIN: run.share, TUNING: min(1, DEFAULT / found), HELD_OUT: 1}
    kept_share = pl.col("split").replace_strict(shares, return_dtype=pl.Float64)
    for stage in ("sequences", "tasks"):
        (run.place / stage).mkdir(parents=True, exist_ok=True)
        for path in sorted((run.folder / stage).glob("*.parquet")):
            frame = pl.read_parquet(path)
            drawn = hashing.uniform(frame["subject_id"].to_numpy(), 0, "share")
            kept = frame.filter(pl.lit(pl.Series(drawn)) < kept_share)
            kept.write_parquet(run.place / stage / path.name)


def trained(run: Run, model: str) -> Path:
    """Train a model for the task; return its folder."""
    entry = run.config["models"][model]
    first = None
    if entry["pretrained"]:
        first = run.place / "models" / "mlm"
        if not (first / "config.json").exists():
            pretrain = run.config["pretrain"]
            training = run.longer(pretrain["training"])
            recipe = Recipe("behrt", pretrain["settings"], training)
            data = TrainingData(run.sequences, run.vocabulary)
            train(recipe, data, "strict", first, run.compute, masking=pretrain["masking"])
    elif hasattr(model_named(entry["kind"]), "fit_jointly"):
        first = run.place / "models" / model
        tasks = tasks_of(run.config)
        examples = [run.examples(task) for task in tasks]
        data_of_tasks = (run.sequences, run.vocabulary, tasks, examples)
        train_jointly(run.recipe(model), *data_of_tasks, "strict", first, run.compute)
    folder = run.place / "models" / run.task.key / model
    minimum = run.config["examples"]["minimum_visits"]
    examples_of_task = run.examples(run.task)
    data = TrainingData(run.sequences, run.vocabulary, run.task, examples_of_task, minimum)
    weights = first and first / "model.safetensors"
    train(run.recipe(model), data, "strict", folder, run.compute, pretrained=weights)
    return folder


def scored(run: Run, model: str) -> dict[str, float]:
    """Train a model; return its mean scores of the held-out patients, with standard errors."""
    before = time.process_time()
    folder = trained(run, model)
    seconds = time.process_time() - before
    examples = run.examples(run.task)
    patients = load_examples(run.sequences, examples, [TUNING, HELD_OUT], run.vocabulary)
    kind = run.config["models"][model]["kind"]
    probabilities = model_named(kind).predict(patients, TrainingRun(folder, run.compute))
    written = run.place / "scores.parquet"
    write_predictions(patients.subject_id, probabilities, written)
    n_diseases = len(read_vocabulary(run.vocabulary).phenotypes)
    metrics = score_patients(*read_held_out(examples, written, n_diseases))
    found = {"cpu_seconds": seconds}
    for name in LABEL_SETS:
        values = metrics[name].drop_nulls().to_numpy()
        found[name] = float(values.mean())
        found[f"{name}_error"] = float(values.std() / len(values) ** 0.5)
    return found


def power_law(patients: np.ndarray, a: float, b: float, c: float) -> np.ndarray:
    """Return a - b (n / 1000)^-c."""
    return np.asarray(a - b * (patients / 1000) ** -c)


def fitted(patients: np.ndarray, scores: np.ndarray) -> np.ndarray | None:
    """Return a, b and c of the power law, or None where the points do not determine them."""
    if len(patients) < 4:
        return None
    start, bounds = (scores.max() + 0.05, 0.2, 0.5), ([0, 0, LEAST_EXPONENT], [1, 1, 2])
    found, _ = curve_fit(power_law, patients, scores, start, bounds=bounds)
    return np.asarray(found) if found[2] > 1.01 * LEAST_EXPONENT else None


def draw(curve: pl.DataFrame, task: Task, out: Path) -> None:
    """Draw both label sets, a colour per model, and print the fits."""
    figure = new_figure(7, 3.2)
    panels = figure.subplots(1, 2)
    figure.subplots_adjust(wspace=0.3)
    models = curve["model"].unique(maintain_order=True)
    for panel, (name, title) in zip(panels, LABEL_SETS.items(), strict=True):
        for model, colour in zip(models, PALETTE, strict=False):
            series = curve.filter(pl.col("model") == model).sort("patients")
            patients = series["patients"].to_numpy().astype(float)
            scores, errors = series[name].to_numpy(), series[f"{name}_error"].to_numpy()
            style = {"color": colour, "marker": "o", "markersize": 3, "elinewidth": 0.6}
            panel.errorbar(patients, scores, 1.96 * errors, ls="none", label=model, **style)
            found = fitted(patients, scores)
            if found is None:
                continue
            reach = np.geomspace(patients.min(), PAPER, 100)
            panel.plot(reach, power_law(reach, *found), color=colour, linewidth=0.8)
            expected = power_law(np.array([PAPER]), *found)[0]
            law = "{:.3f} - {:.3f} (n / 1000)^-{:.2f}".format(*found)
            print(f"{model}, {title}: {law}; at {PAPER:,} patients {expected:.3f}")
        panel.set(xscale="log", xlabel="Training patients", ylabel="APS")
        panel.set_title(f"{task.title}, {title}")
    panels[0].legend()
    save(figure, out.with_suffix(".png"), out.with_suffix(".svg"), simulated=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("results", type=Path, nargs="?", default=Path("results/demo"))
    parser.add_argument("--shares", type=float, nargs="+", default=[0.125, 0.25, 0.5, 1.0])
    models = ["behrt", "behrt_mask", "forecast", "lightgbm", "lightgbm_times"]
    parser.add_argument("--models", nargs="+", default=models)
    parser.add_argument("--task", default="T2")
    parser.add_argument("--out", type=Path, default=Path("docs/learning_curve"))
    arguments = parser.parse_args()
    shipped = yaml.safe_load((REPOSITORY / "config" / "config.yaml").read_text())
    config = configuration.read(shipped, REPOSITORY / "workflow/schemas/config.schema.yaml")
    (task,) = (task for task in tasks_of(config) if task.key == arguments.task)
    table = arguments.out.with_suffix(".csv")
    rows = pl.read_csv(table).to_dicts() if table.exists() else []
    for share in arguments.shares:
        run = Run(arguments.results, share, config, task)
        todo = [
            m
            for m in arguments.models
            if (m, share) not in {(r["model"], r["share"]) for r in rows}
        ]
        if not todo:
            continue
        take(run)
        for model in todo:
            found = scored(run, model)
            rows.append({"model": model, "share": share, "patients": run.patients, **found})
            print(rows[-1], flush=True)
            pl.DataFrame(rows).write_csv(table, float_precision=5)
        shutil.rmtree(run.place)
    draw(pl.DataFrame(rows), task, arguments.out)


if __name__ == "__main__":
    main()
