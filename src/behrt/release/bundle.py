"""The folder that may leave a secure environment, with a manifest of its contents."""

import json
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import asdict, dataclass, replace
from datetime import date
from itertools import groupby
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal

import numpy as np
import polars as pl
from safetensors.torch import load_file, save_file

from behrt.disclosure import COUNTS, Rules
from behrt.errors import InputError
from behrt.evaluation.recalibration import Recalibration
from behrt.evaluation.tidy import read_table
from behrt.files import read_json, sha256_of, write_json
from behrt.learning.artefacts import CONFIG, METRICS, WEIGHTS, read_config
from behrt.release.derived import Read, covered, derived_from, read_numbers
from behrt.release.scan import SOLVED, Finding, Watch, scan
from behrt.release.solved import GROUPED, small_benefits, small_groups
from behrt.release.weights import (
    Support,
    erase,
    erased_words,
    patients_with,
    support_of,
    training_of,
)
from behrt.run_folders import PATIENT_DATA
from behrt.sequences.frames import TUNING
from behrt.sequences.vocabulary import read_vocabulary
from behrt.settings.behrt import Pretraining
from behrt.tasks import tasks_of
from behrt.training import TrainingData, training_examples
from behrt.use.description import Description
from behrt.use.folder import write_folder

MANIFEST = "manifest.json"
KINDS = (".csv", ".html", ".json", ".md", ".png", ".svg", ".txt")
"""Kinds of files that the scan reads completely, so that they may be released."""

_PAGES = (".html", ".md", ".txt")
_PLACES = (
    ("aurum", "merged_practices"),
    ("aurum", "snomed"),
    ("caliber",),
    ("caliber_release",),
    ("codes", "crosswalk"),
    ("codes", "snomed"),
    ("codes", "tests"),
    ("concepts", "look_ups"),
    ("concepts", "measurements", "codes"),
    ("concepts", "tests", "codes"),
    ("delivery",),
    ("meds", "folder"),
    ("model",),
    ("neighbours", "reference"),
    ("omop", "folder"),
    ("results",),
    ("sex_analysis", "diseases"),
)
_ALWAYS = {
    **dict.fromkeys(PATIENT_DATA, "it holds rows of patients"),
    "benchmarks": "it holds timings of the machine",
    "check": "it describes the delivery, file by file",
    "checksums.csv": "it holds hashes of files with rows of patients",
    "logs": "they are for those who run the workflow",
    "performance.html": "it holds timings of the machine",
    "resources.csv": "it holds timings of the machine",
    "provenance.html": "it shows when and where the run took place; make it again outside",
}
_FIRST = ("cohort_flow", "population", "table1", "table2", "diseases")
"""Tables that are withheld last."""

_NAMED = 10
"""The most findings that an error names."""


@dataclass(frozen=True)
class Model:
    """Trained weights that may be released.

    Attributes:
        folder: holds model.safetensors, config.json and metrics.jsonl.
        data: what it was trained on; without a task, for a pretrained model.
        pretrained: the pretraining from whose weights training started; None for none.
        cuts: the most examples of a patient that it learned from.
        recalibrations: the JSON file of the recalibrations of the task's models.
    """

    folder: Path
    data: TrainingData
    pretrained: Pretraining | None = None
    cuts: int | Literal["all"] = 1
    recalibrations: Path | None = None


@dataclass(frozen=True)
class Data:
    """What the models were trained on, to count the patients behind their weights.

    Attributes:
        run: the name of the run.
        source: "simulated", "cprd", "meds" or "omop".
        vocabulary: the words, which are released with the models.
        protocol: which patients are for training.
        seed: of the run.
        own_words: whether the words are the data's own codes, and not those of a public list.
    """

    run: str
    source: str
    vocabulary: Path
    protocol: str
    seed: int
    own_words: bool


def without_places(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return a configuration without the paths of the machine that it ran on."""
    shown = deepcopy(dict(config))
    for *sections, key in _PLACES:
        inside = shown
        for section in sections:
            inside = inside.get(section, {})
        if key in inside:
            inside[key] = None
    for name, outcome in shown.get("outcomes", {}).items():
        shown["outcomes"][name] = outcome and {**outcome, "labels": outcome["labels"] and "labels"}
    return shown


def days_of(config: Any) -> Iterator[date]:
    """Yield the dates in a configuration: they are of the study, not of patients."""
    if isinstance(config, Mapping):
        config = list(config.values())
    if isinstance(config, list | tuple):
        for value in config:
            yield from days_of(value)
    elif isinstance(config, str):
        try:
            yield date.fromisoformat(config)
        except ValueError:
            return


def suppressed(table: pl.DataFrame) -> int:
    """Return how many counts of patients are hidden in a published table."""
    hidden = sum(table[name].null_count() for name in COUNTS if name in table.columns)
    if {"statistic", "value"} <= set(table.columns):
        hidden += table.filter(pl.col("statistic") == "count")["value"].null_count()
    first = {"step", "excluded"} <= set(table.columns) and table.height > 0
    return hidden - int(first)  # the first step excludes no patient


def _importance(path: Path) -> tuple[int, str]:
    """Return the sort key of a table: of two that are not safe together, the first is kept."""
    return _FIRST.index(path.stem) if path.stem in _FIRST else len(_FIRST), path.name


def _derived(read: Iterable[Read], threshold: int) -> list[str]:
    """Return the small numbers that follow from tables.

    Raises:
        InputError: the tables contradict one another.
    """
    try:
        return derived_from(read, threshold)
    except ValueError:
        raise InputError(
            "tables",
            "their numbers contradict one another",
            "Delete the tables and rerun the workflow",
        ) from None


def _choose(
    files: Sequence[Path], rules: Rules, windowed: Sequence[str]
) -> tuple[list[Path], dict[Path, str]]:
    """Return the files to release, and why others are not."""
    withheld: dict[Path, str] = {}
    chosen: list[Read] = []
    tables = {path: read_table(path) for path in files if path.suffix == ".csv"}
    read_together = sorted((path for path in tables if covered(path.stem)), key=_importance)
    read = read_numbers({path.stem: tables[path] for path in read_together}, rules, windowed)
    if _derived(read.values(), rules.threshold):
        for path in read_together:
            together = [*chosen, read[path.stem]]
            if small := _derived(together, rules.threshold):
                withheld[path] = f"small numbers follow from it and others: {len(small)}"
            else:
                chosen = together
    stems = {path.stem for path in withheld}
    for path in files:
        if stems and (path.suffix in _PAGES or (path.suffix != ".csv" and path.stem in stems)):
            withheld[path] = "it shows a table that is withheld"
        elif path.suffix not in KINDS:
            withheld[path] = "the scan cannot read files of its kind"
    return [path for path in files if path not in withheld], withheld


def _release_models(
    run: Path, models: Sequence[Model], data: Data, rules: Rules, out: Path
) -> tuple[dict[str, dict[str, Any]], dict[str, str]]:
    """Write folders that `behrt.load` reads, without what was learned from too few patients.

    Args:
        models: the pretrained ones first.

    Returns:
        The entries of the files that were written, and why models were withheld.
    """
    words = read_vocabulary(data.vocabulary)
    entries: dict[str, dict[str, Any]] = {}
    withheld: dict[str, str] = {}
    pretrained: dict[str, Support] = {}
    for (learned, cuts), alike in groupby(models, lambda model: (model.data, model.cuts)):
        task = learned.task
        training = training_of(learned, data.protocol, cuts, data.seed)
        if task is None and data.own_words and (training.diseases < rules.threshold).any():
            reason = "the vocabulary holds codes of too few patients: raise codes.minimum_patients"
            return {}, {"models": reason}
        if task is None and (training.others < rules.threshold).any():
            reason = (
                "the vocabulary holds words of too few patients: raise concepts.minimum_patients"
            )
            return {}, {"models": reason}
        for model in alike:
            name = model.folder.relative_to(run).as_posix()
            try:
                support = support_of(model.folder, training)
                if task is None:
                    pretrained[learned.pretraining] = support
                if model.pretrained in pretrained:
                    support = support.and_before(pretrained[model.pretrained])
                kind = read_config(model.folder)["kind"]
                weights = erase(load_file(model.folder / WEIGHTS), kind, support, rules.threshold)
            except InputError as error:
                withheld[name] = error.problem
                continue
            few = support.diseases < max(rules.threshold, 1)
            recalibration = _recalibration_of(model, data.seed, few, rules)
            with TemporaryDirectory(dir=out) as erased:
                save_file(weights, Path(erased) / WEIGHTS)
                shutil.copyfile(model.folder / CONFIG, Path(erased) / CONFIG)
                description = Description(
                    model=model.folder.name,
                    kind=kind,
                    task=task,
                    run=data.run,
                    data=data.source,
                    protocol=data.protocol,
                    minimum_visits=learned.minimum_visits,
                    vocabulary=words.version,
                )
                write_folder(
                    out / name, description, Path(erased), {}, data.vocabulary, recalibration
                )
            if (model.folder / METRICS).is_file():
                _copy_metrics(model.folder / METRICS, out / name / METRICS)
            files = (path for path in sorted((out / name).rglob("*")) if path.is_file())
            entries |= {path.relative_to(out).as_posix(): {} for path in files}
            entries[f"{name}/{WEIGHTS}"] = erased_words(words, support, rules.threshold)
    return entries, withheld


def _recalibration_of(
    model: Model, seed: int, few: np.ndarray, rules: Rules
) -> Recalibration | None:
    """Return the recalibration of a model's scores; None for a pretrained model.

    The intercept of a disease that too few training or tuning patients had is the mean of others.

    Args:
        few: bool (diseases), whether too few training patients had each disease.
    """
    if model.data.task is None or model.recalibrations is None:
        return None
    found = read_json(model.recalibrations)[model.folder.name]
    tuning = training_examples(model.data, [TUNING], 1, seed)
    patients = patients_with(tuning, tuning.label_offsets, tuning.labels)
    few = few | (patients < max(rules.threshold, 1))
    intercepts = np.array(found["intercepts"])
    intercepts[few] = intercepts[~few].mean() if not few.all() else intercepts.mean()
    return Recalibration(found["slope"], tuple(intercepts.tolist()), found["spread"])


def _copy_metrics(source: Path, out: Path) -> None:
    """Copy a model's scores by epoch with four digits: all digits show a fraction's numbers."""
    lines = [json.loads(line) for line in source.read_text(encoding="utf-8").splitlines()]
    for line in lines:
        for name, value in line.items():
            if isinstance(value, float):
                line[name] = float(f"{value:.4g}")
    text = "".join(f"{json.dumps(line)}\n" for line in lines)
    out.write_text(text, encoding="utf-8")


def grouped_models(config: Mapping[str, Any]) -> list[str]:
    """Return the models of kinds that give the patients two scores per disease."""
    models = {**config.get("models", {}), **config.get("more_models", {})}
    return [name for name, model in models.items() if model and model["kind"] in GROUPED]


def _check(folder: Path, files: Sequence[Path], watch: Watch, grouped: Sequence[str] = ()) -> None:
    """Scan files of a folder.

    Args:
        folder, files, watch: as `scan` takes them.
        grouped: models whose scores small numbers might follow from.

    Raises:
        InputError: something was found.
    """
    tables = {path.stem: read_table(path) for path in files if path.suffix == ".csv"}
    solved = [*small_groups(tables, grouped, watch.rules), *small_benefits(tables, watch.rules)]
    found = scan(folder, files, watch) + [Finding("tables", place, SOLVED) for place in solved]
    if found:
        named = "; ".join(str(finding) for finding in found[:_NAMED])
        more = f"; and {len(found) - _NAMED} more" if len(found) > _NAMED else ""
        raise InputError(
            "release",
            f"nothing is released, because the scan found {named}{more}",
            "Write these files with behrt.disclosure.write_table, or leave them out of the release",
        )


def release(
    run: Path,
    files: Sequence[Path],
    models: Sequence[Model],
    data: Data,
    config: Mapping[str, Any],
    rules: Rules,
    watch: Watch,
    out: Path,
) -> dict[str, Any]:
    """Fill a folder with the files that may leave, scan it, write its manifest, and return that.

    Args:
        run: the folder of the run.
        files: tables, figures and pages in that folder, which passed the gate.
        models: trained models to release, if the configuration allows it.
        data: what the models were trained on.
        config: the run's configuration, with its defaults.
        rules: of disclosure.
        watch: what the scan looks for; dates in the configuration are allowed.
        out: the folder; an earlier one is replaced.

    Raises:
        InputError: the scan finds something; then nothing is released.
    """
    partial = out.with_name(f".{out.name}.partial")
    for folder in (out, partial):
        shutil.rmtree(folder, ignore_errors=True)
    watch = replace(watch, dates=watch.dates | set(days_of(config)))
    scanned = [path for path in files if path.suffix in KINDS]
    digests = {path.relative_to(run).as_posix(): sha256_of(path) for path in scanned}
    _check(run, scanned, watch, grouped_models(config))
    windowed = [task.name for task in tasks_of(config) if task.months is not None]
    chosen, reasons = _choose(files, rules, windowed)
    withheld = {name: why for name, why in _ALWAYS.items() if (run / name).exists()}
    withheld |= {path.relative_to(run).as_posix(): why for path, why in reasons.items()}
    entries: dict[str, dict[str, Any]] = {"config.json": {}}
    try:
        for path in chosen:
            name = path.relative_to(run).as_posix()
            (partial / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, partial / name)
            table = path.suffix == ".csv"
            entries[name] = {"counts_suppressed": suppressed(read_table(path))} if table else {}
        write_json(without_places(config), partial / "config.json")
        if config["disclosure"]["weights"]:
            written, reasons_of_models = _release_models(run, models, data, rules, partial)
            entries |= written
            withheld |= reasons_of_models
        else:
            withheld["models"] = "disclosure.weights of the configuration does not allow them"
        hashes = {name: sha256_of(partial / name) for name in entries}
        manifest = {
            "rules": {**config["disclosure"], **asdict(rules)},
            "applied": _applied(rules, config["disclosure"]["weights"]),
            "files": {name: {"sha256": hashes[name], **entry} for name, entry in entries.items()},
            "withheld": withheld,
        }
        write_json(manifest, partial / MANIFEST)
        written_now = {
            path.relative_to(partial).as_posix(): path
            for path in sorted(partial.rglob("*"))
            if path.is_file()
        }
        # A copy of a file that was scanned above needs no second scan.
        others = [
            path
            for name, path in written_now.items()
            if name not in digests or digests[name] != hashes.get(name)
        ]
        _check(partial, others, watch)
        partial.replace(out)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return manifest


def _applied(rules: Rules, weights: bool) -> list[str]:
    """Return the rules as sentences."""
    applied = [
        f"Counts of patients from 1 to {rules.threshold - 1} are hidden, and what is computed from "
        "such a count.",
        "Counts and scores from which such a count would follow, in one table or several, are "
        "hidden.",
        "No file holds a patient's id, or a date other than those in the configuration.",
        f"Diseases that fewer than {rules.threshold} training patients had are not in the map or "
        "the lists of neighbours, and pages show only approximate shares of patients.",
    ]
    if rules.rounding > 1:
        applied.append(f"Other counts are rounded to the nearest {rules.rounding}.")
    if weights:
        applied.append(
            f"Weights of diseases that fewer than {rules.threshold} training patients had, in "
            "history or label, are erased. So are those of ages, visit segments, sexes and times "
            "between visits that fewer read; an age has the weights of the nearest age instead."
        )
    return applied
