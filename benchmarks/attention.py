"""Where attention pays: what it adds if the simulated risks are not pairwise and additive.

    python benchmarks/attention.py [--variants none interactions=4 orders=4 subtypes=4]
        [--people 100000] [--shares 0.25 1] [--models forecast_without_attention forecast
        lightgbm_times] [--task T2] [--directory .] [--out docs/attention]
    python benchmarks/attention.py --shares 1 --models pairwise_process process

A variant of the simulated process is a list of mechanisms and their strengths, such as
`interactions=4` or `orders=2,subtypes=2` (`behrt.settings.simulation.Mechanisms`). For each, the
workflow simulates a delivery and makes the tasks from it, in
`<directory>/results/attention_<variant>`. For each share of the training patients, a smaller share
being part of a larger one, the benchmark then trains the models of config/config.yaml and
`MORE_MODELS`, and scores the held-out patients, always the same.

Writes <out>.csv after each training, so that an interrupted benchmark continues, with 95 %
patient-bootstrap intervals and each model's paired difference from another (`REFERENCES`). Then it
draws the difference that attention makes, into docs/images/attention_pays.svg and .png.
"""

import argparse
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import yaml
from learning_curve import REPOSITORY, Run, take, trained

from behrt import configuration
from behrt.cprd.diagnoses import read_mapping
from behrt.evaluation.bootstrap import Bootstrap
from behrt.evaluation.models import LABEL_SETS, compare, read_metrics
from behrt.evaluation.patients import read_held_out, score_patients
from behrt.figures.style import INK, PALETTE, QUIET, bottom, new_figure, save
from behrt.files import write_parquet
from behrt.learning.load import load_examples
from behrt.learning.predictions import write_predictions
from behrt.learning.run import TrainingRun
from behrt.models import model_named
from behrt.sequences.frames import HELD_OUT, TUNING
from behrt.sequences.vocabulary import read_vocabulary
from behrt.settings.simulation import Mechanisms, ProcessSettings
from behrt.simulation.ceiling import forecast, read_examples, read_truth
from behrt.simulation.code_lists import read_codes
from behrt.simulation.coding import Coder, coding_of
from behrt.simulation.continuation import continue_process, tally
from behrt.simulation.oracle import HORIZON
from behrt.simulation.world import make_world
from behrt.tasks import tasks_of

MORE_MODELS = {"forecast_two_layers": {"settings": {"layers": 2}}}
"""Models that differ from `forecast` of the configuration, and in what."""

CEILINGS = {"pairwise_process": False, "process": True}
"""What the state of the process at the last input visit tells, with the mechanisms or without. The
difference is what knowing the mechanisms adds for a forecaster who knows everything else."""

COPIES, STEADIED = 100, 20
"""Continuations per patient for `process`, and how many the closed form without mechanisms counts
for, which makes them less noisy. So `process` is a lower bound of what can be reached."""

REFERENCES = {
    "process": "pairwise_process",
    "forecast": "forecast_without_attention",
    "forecast_two_layers": "forecast_without_attention",
    "lightgbm_times": "forecast_without_attention",
    "behrt_mask": "forecast_without_attention",
    "deepr": "behrt_mask",
    "retain": "behrt_mask",
}
"""The model that each is compared with, which must be trained before."""

BOOTSTRAP = Bootstrap(resamples=1000, seed=2020)


class SameEpochs(Run):
    """A run whose trainings take the epochs of config/config.yaml, whatever the share.

    With a quarter of the patients the score of the tuning patients is highest by epoch 6, too.
    """

    def longer(self, training: Mapping[str, Any] | None) -> dict[str, Any] | None:
        return None if training is None else dict(training)


def mechanisms_of(variant: str) -> dict[str, float]:
    """Return the strengths of a variant by mechanism."""
    if variant == "none":
        return {}
    pairs = (part.split("=") for part in variant.split(","))
    return {name: float(strength) for name, strength in pairs}


def simulate(variant: str, people: int, directory: Path) -> Path:
    """Simulate a variant and make its tasks; return the folder of the run."""
    name = "attention_" + variant.replace("=", "_").replace(",", "_")
    folder = directory / "results" / name
    targets = [f"results/{name}/tasks/{task}.parquet" for task in ("T1", "T2", "T3")]
    targets.append(f"results/{name}/vocabulary.json")
    if all((directory / target).exists() for target in targets):
        return folder
    directory.mkdir(parents=True, exist_ok=True)
    settings = directory / f"{name}.yaml"
    process = {"mechanisms": mechanisms_of(variant)}
    simulation = {"people": people, "parts": 2, "process": process}
    settings.write_text(yaml.safe_dump({"run": name, "simulation": simulation}))
    command = [sys.executable, "-m", "snakemake", "--cores", "1", "--directory", directory]
    files = ["--configfile", REPOSITORY / "config/config.yaml", settings]
    subprocess.run([*command, *targets, *files], cwd=REPOSITORY, check=True)
    return folder


def ceiling(run: Run, mechanisms: Mechanisms | None) -> tuple[np.ndarray, np.ndarray]:
    """Return held-out patients and the probabilities of their labels; None is the closed form."""
    months, seed = run.task.months, run.config["seed"]
    examples = read_examples(run.sequences, run.examples(run.task), months)
    codes = read_codes(run.folder / "truth/codes.parquet")
    phenotypes = run.folder / "phenotypes"
    mapping = read_mapping(phenotypes / "medcodes.parquet", phenotypes / "icd.parquet")
    world = make_world(run.config["simulation"]["practices"], seed)
    diseases = len(world.diseases)
    people, onsets = (
        sorted((run.folder / "truth" / name).glob("*.parquet")) for name in ("people", "onsets")
    )
    truth = read_truth(people, onsets, examples["subject_id"])
    coding = coding_of(codes, mapping, diseases)
    closed = forecast(world, truth, examples, months, ProcessSettings(), coding)
    subjects = examples["subject_id"].to_numpy()
    if mechanisms is None:
        return subjects, closed
    world, settings = replace(world, mechanisms=mechanisms), ProcessSettings(mechanisms=mechanisms)
    day = examples["day"].to_numpy().astype(np.int64)
    window = HORIZON if months is None else examples["window"].to_numpy().astype(np.int64)
    coder = Coder.of(codes, mapping, diseases)
    courses = continue_process(world, truth, day, day + window, COPIES, seed, settings, coder)
    examples_of, counts = tally(courses, day + window, diseases, months is None)
    number = examples_of.sum(axis=0)[:, None]
    steadied = (counts.sum(axis=0) + STEADIED * closed) / (number + STEADIED)
    return subjects, steadied.astype(np.float32)


def predicted(run: Run, model: str) -> tuple[np.ndarray, np.ndarray]:
    """Train a model; return patients, held-out and others, and their probabilities."""
    folder = trained(run, model)
    splits = [TUNING, HELD_OUT]
    patients = load_examples(run.sequences, run.examples(run.task), splits, run.vocabulary)
    kind = run.config["models"][model]["kind"]
    probabilities = model_named(kind).predict(patients, TrainingRun(folder, run.compute))
    return patients.subject_id, probabilities


def score(run: Run, model: str, mechanisms: Mechanisms) -> float:
    """Write a model's metrics of the held-out patients; return the CPU seconds that it took."""
    before = os.times()
    if model in CEILINGS:
        subjects, scores = ceiling(run, mechanisms if CEILINGS[model] else None)
    else:
        subjects, scores = predicted(run, model)
    after = os.times()
    metrics = run.place / f"{model}.parquet"
    written = metrics.with_suffix(".scores.parquet")
    write_predictions(subjects, scores, written)
    n_diseases = len(read_vocabulary(run.vocabulary).phenotypes)
    examples = run.examples(run.task)
    write_parquet(score_patients(*read_held_out(examples, written, n_diseases)), metrics)
    return after.user + after.system - before.user - before.system


def row_of(metrics: Path, model: str, task: str) -> dict[str, Any]:
    """Return the scores of a model with intervals, and its difference from its reference."""
    reference = REFERENCES.get(model, model)
    names = list(dict.fromkeys([reference, model]))
    paths = [metrics / f"{name}.parquet" for name in names]
    row: dict[str, Any] = {}
    for label_set, short in LABEL_SETS.items():
        found = compare(read_metrics(paths, label_set, names), names, reference, BOOTSTRAP, task)
        (aps,) = found.filter(pl.col("model") == model, pl.col("metric") == "APS").to_dicts()
        row |= {f"{short}_{name}": aps[name] for name in ("value", "low", "high")}
        if reference != model:
            ends = ("difference", "difference_low", "difference_high")
            row |= {f"{short}_{name}": aps[name] for name in ends}
    return {"reference": reference if reference != model else None, **row}


def draw(table: pl.DataFrame, task: str) -> None:
    """Draw what attention adds, by variant, for both label sets and all shares."""
    shown = table.filter(pl.col("model") == "forecast")
    variants = shown["variant"].unique(maintain_order=True).to_list()
    shares = sorted(shown["share"].unique().to_list())
    figure = new_figure(7, 0.8 + 0.3 * len(variants))
    panels = figure.subplots(1, 2, sharex=True, sharey=True)
    titles = {"all": "all labels", "first": "first incidence"}
    for panel, (name, title) in zip(panels, titles.items(), strict=True):
        panel.axvline(0, color=QUIET, linewidth=0.6)
        for index, (share, colour) in enumerate(zip(shares, PALETTE, strict=False)):
            rows = shown.filter(pl.col("share") == share)
            place = np.array([variants.index(v) for v in rows["variant"]], dtype=float)
            place += 0.24 * (index - (len(shares) - 1) / 2)
            middle, low, high = (
                100 * rows[f"{name}_{end}"].to_numpy()
                for end in ("difference", "difference_low", "difference_high")
            )
            patients = int(rows["patients"].to_numpy().mean().round(-3))
            panel.errorbar(
                middle,
                place,
                xerr=[middle - low, high - middle],
                fmt="o",
                markersize=3,
                color=colour,
                elinewidth=0.8,
                label=f"{patients:,} training patients",
            )
        panel.set(xlabel="APS gained by attention (points)", yticks=range(len(variants)))
        panel.set_yticklabels(variants, color=INK)
        panel.set_title(f"{task}, {title}")
    panels[0].set_ylim(len(variants) - 0.5, -0.5)
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(
        handles, labels, loc="upper center", bbox_to_anchor=(0.5, bottom(figure)), ncols=len(shares)
    )
    out = REPOSITORY / "docs/images/attention_pays"
    save(figure, out.with_suffix(".png"), out.with_suffix(".svg"), simulated=True)


def configured() -> Mapping[str, Any]:
    """Return the shipped configuration with further models."""
    shipped = yaml.safe_load((REPOSITORY / "config/config.yaml").read_text())
    models = shipped["models"] | shipped["more_models"]
    for name, changes in MORE_MODELS.items():
        base = models["forecast"]
        models[name] = base | {key: base[key] | value for key, value in changes.items()}
    shipped |= {"models": models, "more_models": {}}
    return configuration.read(shipped, REPOSITORY / "workflow/schemas/config.schema.yaml")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    variants = ["none", "interactions=4", "orders=4", "subtypes=4"]
    parser.add_argument("--variants", nargs="+", default=variants)
    parser.add_argument("--people", type=int, default=100_000)
    parser.add_argument("--shares", type=float, nargs="+", default=[0.25, 1.0])
    models = ["forecast_without_attention", "forecast", "lightgbm_times"]
    parser.add_argument("--models", nargs="+", default=models)
    parser.add_argument("--task", default="T2")
    parser.add_argument("--directory", type=Path, default=Path())
    parser.add_argument("--out", type=Path, default=Path("docs/attention"))
    given = parser.parse_args()
    config = configured()
    (task,) = (task for task in tasks_of(config) if task.key == given.task)
    table = given.out.with_suffix(".csv")
    rows = pl.read_csv(table).to_dicts() if table.exists() else []
    done = {(row["variant"], row["share"], row["model"]) for row in rows}
    for variant in given.variants:
        for share in given.shares:
            todo = [model for model in given.models if (variant, share, model) not in done]
            if not todo:
                continue
            folder = simulate(variant, given.people, given.directory.resolve())
            run = SameEpochs(folder, share, config, task)
            take(run)
            for model in todo:
                seconds = score(run, model, Mechanisms(**mechanisms_of(variant)))
                facts = {"variant": variant, "share": share, "patients": run.patients}
                found = row_of(run.place, model, task.key)
                rows.append({**facts, "model": model, "cpu_seconds": seconds, **found})
                print(rows[-1], flush=True)
                pl.DataFrame(rows, infer_schema_length=None).write_csv(table, float_precision=5)
    if any(row["model"] == "forecast" for row in rows):
        draw(pl.DataFrame(rows, infer_schema_length=None), task.name)


if __name__ == "__main__":
    main()
