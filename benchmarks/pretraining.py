"""What each pretraining adds at the same cost, with all labels and with few.

    python benchmarks/pretraining.py [results/demo] [--epochs forecast=4 mlm=7 none]
        [--labels 0 1000] [--task T2] [--out docs/pretraining]

Reads the sequences and tasks of a finished run. It pretrains BEHRT by forecasting and by MLM, for
numbers of epochs that take about the same CPU time, and trains both read-outs for the task from
each of the two and from random weights: with all labelled training patients (0), and with a number
of them, drawn by a hash of their id. Everything but the pretraining is the same: the settings are
those of `behrt`, `behrt_mask` and `behrt_not_pretrained` in config/config.yaml. With fewer labels
an epoch has fewer steps, so the number of epochs is multiplied by the square root of all / labels,
up to `MOST_EPOCHS`. The tuning patients choose the epoch; the held-out patients are scored once.

Trainings and predictions are kept in <results>/pretraining, so that an interrupted benchmark
continues. Writes <out>.csv, and the tables between the two marks of <out>.md. Metrics are the mean
APS and AUROC of patients, on all labels and on first incidence, and the APS and AUROC of single
diseases over patients, of different frequency. Differences are those of the first pretraining from
each other one, and paired: 95 % intervals of the same resamples of patients. It prints the CPU
seconds of each training.
"""

import argparse
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import yaml

from behrt import configuration, hashing
from behrt.evaluation.bootstrap import Bootstrap, draws, interval, resampled_means
from behrt.evaluation.patients import multi_hot, read_held_out, score_patients
from behrt.evaluation.rankings import disease_metrics
from behrt.files import read_json, write_json
from behrt.learning.load import load_examples
from behrt.learning.predictions import write_predictions
from behrt.learning.recipe import Recipe
from behrt.learning.run import Compute, TrainingRun
from behrt.models import behrt
from behrt.sequences.frames import HELD_OUT, TRAIN
from behrt.sequences.vocabulary import read_vocabulary
from behrt.settings.behrt import Pretraining
from behrt.tasks import Task, tasks_of
from behrt.training import TrainingData, train

REPOSITORY = Path(__file__).parents[1]
NONE = "none"
MODELS = {"mask": "behrt_mask", "cls": "behrt"}
"""The model of config.yaml with the settings of each read-out."""

MOST_EPOCHS = 20
RANKS = (5, 15, 30, 60, 100)
"""The single diseases: their places when diseases are in order of frequency as a label."""

LABEL_SETS = {"all labels": "all", "first incidence": "first"}
MARKS = ("<!-- tables -->\n", "<!-- end of the tables -->")


@dataclass(frozen=True)
class Benchmark:
    """A finished run, and where its sequences are trained on again."""

    folder: Path
    config: Mapping[str, Any]
    task: Task

    @property
    def sequences(self) -> list[Path]:
        return sorted((self.folder / "sequences").glob("*.parquet"))

    @property
    def vocabulary(self) -> Path:
        return self.folder / "vocabulary.json"

    @property
    def examples(self) -> Path:
        return self.folder / "tasks" / f"{self.task.key}.parquet"

    @property
    def place(self) -> Path:
        return self.folder / "pretraining"

    @property
    def compute(self) -> Compute:
        return Compute(self.config["seed"], 1, self.config["precision"])

    def train(self, folder: Path, *given: Any, **more: Any) -> float:
        """Train, unless it is done; return the CPU seconds."""
        if not (folder / "cost.json").exists():
            before = time.process_time()
            train(*given, "strict", folder, self.compute, **more)
            seconds = time.process_time() - before
            write_json({"cpu_seconds": seconds}, folder / "cost.json")
        return float(read_json(folder / "cost.json")["cpu_seconds"])

    def pretrained(self, pretraining: Pretraining, epochs: int) -> tuple[Path, float]:
        """Pretrain; return the weights and the CPU seconds."""
        folder = self.place / f"{pretraining}_{epochs}"
        training = configuration.pretraining_training(self.config, pretraining)
        settings = self.config["pretrain"]["settings"]
        recipe = Recipe("behrt", settings, {**training, "epochs": epochs})
        data = TrainingData(self.sequences, self.vocabulary, pretraining=pretraining)
        masking = self.config["pretrain"]["masking"]
        return folder / "model.safetensors", self.train(folder, recipe, data, masking=masking)

    def fewer(self, labels: int) -> tuple[Path, float]:
        """Return the examples with some labelled training patients (0: all), and their share."""
        frame = pl.read_parquet(self.examples)
        learned = (pl.col("split") == TRAIN) & (pl.col("label").list.len() > 0)
        subjects = frame.filter(learned)["subject_id"].to_numpy()
        if not labels or labels >= len(subjects):
            return self.examples, 1.0
        order = np.argsort(hashing.uniform(subjects, self.config["seed"], "labels"))
        drawn = pl.col("subject_id").is_in(subjects[order[:labels]])
        path = self.place / f"{self.task.key}_{labels}.parquet"
        self.place.mkdir(exist_ok=True)
        frame.filter(drawn | (pl.col("split") != TRAIN)).write_parquet(path)
        return path, labels / len(subjects)

    def fitted(self, weights: Path | None, readout: str, labels: int) -> tuple[Path, float]:
        """Train for the task; return the predictions for held-out patients and the CPU seconds."""
        before = weights.parent.name if weights else NONE
        folder = self.place / f"{self.task.key}_{labels}" / f"{readout}_{before}"
        examples, share = self.fewer(labels)
        model = MODELS[readout]
        settings = configuration.settings_for(self.config, model, self.task.name)
        training = configuration.training_for(
            self.config, model if weights else "behrt_not_pretrained", self.task.name
        )
        assert training is not None
        epochs = training["epochs"]
        epochs = max(epochs, min(MOST_EPOCHS, round(epochs / share**0.5)))
        recipe = Recipe("behrt", settings, {**training, "epochs": epochs})
        minimum = self.config["examples"]["minimum_visits"]
        data = TrainingData(self.sequences, self.vocabulary, self.task, examples, minimum)
        seconds = self.train(folder, recipe, data, pretrained=weights)
        scores = folder / "scores.parquet"
        if not scores.exists():
            held_out = load_examples(self.sequences, self.examples, HELD_OUT, self.vocabulary)
            probabilities = behrt.predict(held_out, TrainingRun(folder, self.compute))
            write_predictions(held_out.subject_id, probabilities, scores)
        return scores, seconds


@dataclass(frozen=True)
class Scores:
    """Each metric of one model, and the same of each resample of patients, by name."""

    estimate: dict[str, float]
    resampled: dict[str, np.ndarray]


def scored(examples: Path, predictions: Path, names: list[str], bootstrap: Bootstrap) -> Scores:
    """Return the metrics of patients, and those of single diseases by their name."""
    patients, scores = read_held_out(examples, predictions, len(names))
    metrics = {
        f"{metric}: {title}": f"{metric}_{name}"
        for title, name in LABEL_SETS.items()
        for metric in ("aps", "auroc")
    }
    columns = score_patients(patients, scores).select(metrics.values())
    values = columns.to_numpy().astype(np.float64)
    estimate = dict(zip(metrics, np.nanmean(values, axis=0).tolist(), strict=True))
    resampled = dict(zip(metrics, resampled_means(values, bootstrap, "patients").T, strict=True))
    labels = multi_hot(patients["label"], len(names))
    weights = draws(len(patients), bootstrap, "patients").astype(np.float64)
    for disease in np.argsort(-labels.sum(0), kind="stable")[list(RANKS)]:
        of_patients = scores[:, disease].astype(np.float64), labels[:, disease]
        for metric, exact, drawn in zip(
            ("aps", "auroc"),
            disease_metrics(*of_patients),
            disease_metrics(*of_patients, weights),
            strict=True,
        ):
            name = f"{metric}: {names[disease]} ({labels[:, disease].mean():.1%})"
            estimate[name], resampled[name] = float(exact[0]), drawn
    return Scores(estimate, resampled)


def rows_of(scores: Mapping[str, Scores], **facts: Any) -> Iterator[dict[str, Any]]:
    """Yield each metric of each pretraining, and the differences of the first from the others."""
    first, *others = scores
    for name, ours in scores.items():
        for minus in ("", *(others if name == first else ())):
            for metric, estimate in ours.estimate.items():
                resampled = ours.resampled[metric]
                if minus:
                    estimate = estimate - scores[minus].estimate[metric]
                    resampled = resampled - scores[minus].resampled[metric]
                low, high = (float(end[0]) for end in interval(resampled[:, None]))
                found = {"metric": metric, "pretraining": name, "minus": minus}
                yield {**facts, **found, "estimate": estimate, "low": low, "high": high}


def cell(row: Mapping[str, Any]) -> str:
    """Return a score, or a difference in points with its interval."""
    if not row["minus"]:
        return f"{row['estimate']:.3f}"
    difference, low, high = (100 * row[name] for name in ("estimate", "low", "high"))
    return f"{difference:+.1f}" + ("" if np.isnan(low) else f" [{low:.1f}, {high:.1f}]")


def table(rows: pl.DataFrame) -> str:
    """Return a table in Markdown, a row per training set, read-out and outcome: APS | AUROC."""
    minus = (
        pl.when(pl.col("minus") == "").then(pl.lit("")).otherwise(pl.lit(" − ") + pl.col("minus"))
    )
    outcome = pl.col("metric").str.split(": ").list.get(1)
    rows = rows.with_columns(column=pl.col("pretraining") + minus, outcome=outcome)
    columns = rows["column"].unique(maintain_order=True).to_list()
    columns.sort(key=lambda column: " − " in column)
    lines = [
        f"| labels | read-out | outcome | {' | '.join(columns)} |",
        "|---" * (3 + len(columns)) + "|",
    ]
    keys = ("labels", "readout", "outcome")
    for key, group in rows.group_by(keys, maintain_order=True):
        cells = list(map(str, key))
        for column in columns:
            both = group.filter(column=column).sort("metric").to_dicts()  # aps, auroc
            cells.append(" \\| ".join(map(cell, both)))
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def write(rows: pl.DataFrame, out: Path) -> None:
    """Write the CSV, and the tables between the marks of the Markdown page."""
    rows.write_csv(out.with_suffix(".csv"), float_precision=5)
    page = out.with_suffix(".md")
    text = page.read_text(encoding="utf-8") if page.exists() else "".join(MARKS)
    before, rest = text.split(MARKS[0])
    after = rest.split(MARKS[1])[1]
    of_patients = pl.col("metric").str.contains("|".join(LABEL_SETS))
    both = f"{table(rows.filter(of_patients))}\n{table(rows.filter(~of_patients))}"
    page.write_text(before + MARKS[0] + both + MARKS[1] + after, encoding="utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("results", type=Path, nargs="?", default=Path("results/demo"))
    parser.add_argument("--epochs", nargs="+", default=["forecast=4", "mlm=7", NONE])
    parser.add_argument("--labels", type=int, nargs="+", default=[0, 1000])
    parser.add_argument("--readouts", nargs="+", default=list(MODELS))
    parser.add_argument("--task", default="T2")
    parser.add_argument("--resamples", type=int, default=500)
    parser.add_argument("--out", type=Path, default=Path("docs/pretraining"))
    arguments = parser.parse_args()
    shipped = yaml.safe_load((REPOSITORY / "config" / "config.yaml").read_text())
    config = configuration.read(shipped, REPOSITORY / "workflow/schemas/config.schema.yaml")
    (task,) = (task for task in tasks_of(config) if task.key == arguments.task)
    run = Benchmark(arguments.results, config, task)
    names = [str(name) for name in read_vocabulary(run.vocabulary).phenotypes]
    bootstrap = Bootstrap(arguments.resamples, config["seed"])
    start: dict[str, Path | None] = {}
    for given in arguments.epochs:
        pretraining, _, epochs = given.partition("=")
        if pretraining == NONE:
            start[NONE] = None
            continue
        name = f"{pretraining}, {epochs} epochs"
        start[name], cost = run.pretrained(pretraining, int(epochs))
        print(f"{name}: {cost:.0f} CPU s", flush=True)
    rows: list[dict[str, Any]] = []
    for labels in arguments.labels:
        for readout in arguments.readouts:
            found = {}
            for name, weights in start.items():
                predictions, cost = run.fitted(weights, readout, labels)
                found[name] = scored(run.examples, predictions, names, bootstrap)
                print(f"{readout}, {labels} labels, {name}: {cost:.0f} CPU s", flush=True)
            facts = {"task": task.key, "labels": str(labels or "all"), "readout": readout}
            rows += rows_of(found, **facts)
            write(pl.DataFrame(rows, infer_schema_length=None), arguments.out)


if __name__ == "__main__":
    main()
