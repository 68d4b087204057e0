"""The folder of a trained model, which holds all that a prediction needs.

| file | content |
|---|---|
| `trained.json` | what the model is, and the SHA-256 of every other file |
| `model.safetensors`, `config.json` | weights and settings, as the run has them |
| `vocabulary.json`, `tokens.csv` | the diseases, and other words, in order; the token of each |
| `recalibration.json` | of a model of a task: turns scores into risks, fitted on tuning patients |
| `rates.json` | of a model with trajectories: recalibrates its rates, fitted on tuning patients |
| `members/<model>/` | of an ensemble: weights and settings of the models that it is made of |
| `disease_vectors.csv` | of a model with a vector per disease: the vectors |
| `positions.csv` | of a model with positions: their vectors, which are not among the weights |
| `bert/` | of a BEHRT: its encoder as a `BertModel` of Hugging Face |
| `README.md` | how to use the folder |
"""

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from behrt.concepts import concept_of
from behrt.errors import InputError
from behrt.evaluation.recalibration import Recalibration
from behrt.files import atomic, read_json, sha256_of, write_csv, write_json
from behrt.learning.artefacts import CONFIG, WEIGHTS, check_vocabulary, read_config, read_weights
from behrt.learning.rate_recalibration import RateRecalibration
from behrt.models import model_named
from behrt.sequences.vocabulary import SPECIAL, Vocabulary, read_vocabulary
from behrt.tasks import Task
from behrt.use.bert import position_table, write_bert
from behrt.use.description import Description
from behrt.use.readme import readme
from behrt.version import VERSION

DESCRIPTION = "trained.json"
VOCABULARY = "vocabulary.json"
RECALIBRATION = "recalibration.json"
RATES = "rates.json"
MEMBERS = "members"
VECTORS = "disease_vectors.csv"
POSITIONS = "positions.csv"
FORMAT = 1
"""Of the folder. A folder of another format is refused."""

_AGAIN = "Make the folder again: snakemake results/<run>/trained/<task>/<model>"


def describe(
    model: Path,
    vocabulary: Path,
    run: str,
    data: str,
    task: Task | None = None,
    minimum_visits: int = 1,
    **others: Any,
) -> Description:
    """Return the description of the model whose config.json is in the folder `model`.

    The other arguments are attributes of `Description`; `vocabulary` is the JSON file.
    """
    config = read_config(model)
    return Description(
        model=model.name,
        kind=config["kind"],
        task=task,
        run=run,
        data=data,
        protocol=config["protocol"],
        minimum_visits=minimum_visits,
        vocabulary=read_vocabulary(vocabulary).version,
        **others,
    )


def write_folder(
    folder: Path,
    description: Description,
    model: Path,
    members: Mapping[str, Path],
    vocabulary: Path,
    recalibration: Recalibration | None,
    rates: RateRecalibration | None = None,
) -> None:
    """Write the folder of a trained model.

    Args:
        folder: receives the files.
        description: of the model.
        model: the folder of its config.json and model.safetensors.
        members: of an ensemble, the same folder of each model that it is made of.
        vocabulary: the JSON file.
        recalibration: of its scores; None for a pretrained model.
        rates: the recalibration of its rates; None for a model without trajectories.

    Raises:
        InputError: the model or a member was trained with another vocabulary.
    """
    words = read_vocabulary(vocabulary)
    for source in (model, *members.values()):
        check_vocabulary(source, words.version)
    places = {folder: model} | {folder / MEMBERS / name: path for name, path in members.items()}
    for place, source in places.items():
        for name in (CONFIG, WEIGHTS):
            _copy(source / name, place / name)
    _copy(vocabulary, folder / VOCABULARY)
    if recalibration is not None:
        write_json(asdict(recalibration), folder / RECALIBRATION)
    if rates is not None:
        write_json(asdict(rates), folder / RATES)
    write_csv(_tokens(words), folder / "tokens.csv")
    networks = description.outcome is None or description.kind == "behrt"
    if networks and (vectors := disease_vectors(description.kind, model)) is not None:
        named = pl.DataFrame({"disease": words.phenotypes})
        write_csv(named.hstack(_columns(vectors)), folder / VECTORS)
    settings = read_config(model)["settings"]
    if settings.get("position"):
        table = position_table(settings["max_length"], settings["hidden"])
        write_csv(pl.DataFrame(_columns(table)), folder / POSITIONS)
    if description.kind == "behrt":
        write_bert(model, folder)
    with atomic(folder / "README.md") as temporary:
        temporary.write_text(readme(description), encoding="utf-8")
    files = {path.relative_to(folder).as_posix(): sha256_of(path) for path in _files(folder)}
    facts = {"format": FORMAT, "written_by": f"behrt-workflow {VERSION}", "files": files}
    write_json({**asdict(description), **facts}, folder / DESCRIPTION)


def disease_vectors(kind: str, model: Path) -> np.ndarray | None:
    """Return float32 (n_diseases, size), or None for a kind without a vector per disease.

    A kind names the tensor in `DISEASE_VECTORS`; its last rows are those of the words, the diseases
    first.
    """
    tensor = getattr(model_named(kind), "DISEASE_VECTORS", None)
    if tensor is None:
        return None
    config, vectors = read_config(model), read_weights(model)[tensor]
    n_diseases: int = config["n_diseases"]
    first = len(vectors) - n_diseases - sum(config.get("concepts", {}).values())
    of_diseases: np.ndarray = vectors[first : first + n_diseases]
    return of_diseases


def read_folder(folder: Path) -> Description:
    """Return what the trained model in a folder is, after a check of every file.

    Raises:
        InputError: the folder holds no trained model, one of another format, or a changed file; its
            list of files cannot be read, or lacks one that a prediction needs.
    """
    path = folder / DESCRIPTION
    if not path.is_file():
        raise InputError(
            path,
            "there is no such file, so the folder is not that of a trained model",
            "Give a folder that `snakemake results/<run>/trained/<task>/<model>` has made",
        )
    try:
        found = read_json(path)
    except ValueError:
        raise InputError(path, "it cannot be read as JSON", _AGAIN) from None
    if found.pop("format", None) != FORMAT:
        raise InputError(path, f"its format is not {FORMAT}", _AGAIN)
    del found["written_by"]
    files, task, members = found.pop("files", {}), found.pop("task"), tuple(found.pop("members"))
    description = Description(task=task and Task(**task), members=members, **found)
    if missing := sorted(_needed(description) - files.keys()):
        raise InputError(path, f"it does not list {missing[0]}", _AGAIN)
    for name, digest in files.items():
        if ".." in Path(name).parts or Path(name).is_absolute():
            raise InputError(path, "it lists a file outside the folder", _AGAIN)
        if not (folder / name).is_file() or sha256_of(folder / name) != digest:
            raise InputError(folder / name, "it is missing or was changed", _AGAIN)
    return description


def _needed(description: Description) -> set[str]:
    """Return the files that a prediction reads."""
    places = ["", *(f"{MEMBERS}/{member}/" for member in description.members)]
    names = {place + name for place in places for name in (CONFIG, WEIGHTS)}
    recalibrated = description.task or description.outcome
    return names | {VOCABULARY} | ({RECALIBRATION} if recalibrated else set())


def read_recalibration(folder: Path) -> Recalibration:
    """Return the recalibration of a trained model."""
    found = read_json(folder / RECALIBRATION)
    return Recalibration(found["slope"], tuple(found["intercepts"]), found["spread"])


def read_rates(folder: Path) -> RateRecalibration:
    """Return the recalibration of the rates of a trained model.

    Raises:
        InputError: the folder has none.
    """
    if not (folder / RATES).is_file():
        raise InputError(
            folder / RATES, "there is no such file, so rates cannot be recalibrated", _AGAIN
        )
    found = read_json(folder / RATES)
    return RateRecalibration(
        tuple(found["factors"]), tuple(tuple(row) for row in found["coefficients"])
    )


def _copy(source: Path, target: Path) -> None:
    with atomic(target) as temporary:
        shutil.copyfile(source, temporary)


def _files(folder: Path) -> Sequence[Path]:
    return sorted(
        path
        for path in folder.rglob("*")
        if path.is_file() and path.name not in (DESCRIPTION, ".snakemake_timestamp")
    )


def _columns(vectors: np.ndarray) -> list[pl.Series]:
    return [pl.Series(f"number_{place}", values) for place, values in enumerate(vectors.T)]


def _tokens(vocabulary: Vocabulary) -> pl.DataFrame:
    words = [*SPECIAL, *vocabulary.phenotypes, *vocabulary.concept_codes]
    chapters = [
        *(None for _ in SPECIAL),
        *vocabulary.chapters,
        *map(concept_of, vocabulary.concept_codes),
    ]
    return pl.DataFrame({"token": range(len(words)), "word": words, "chapter": chapters})
