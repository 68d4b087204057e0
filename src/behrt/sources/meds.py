"""Any MEDS dataset as records, file by file and batch by batch."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
from meds.schema import (
    code_metadata_filepath,
    data_subdirectory,
    held_out_split,
    subject_splits_filepath,
    train_split,
    tuning_split,
)

from behrt.errors import InputError
from behrt.sources.codes import Codes, check_pattern
from behrt.sources.records import (
    BATCH_ROWS,
    IMPOSSIBLE,
    DatasetFile,
    Tally,
    impossible,
    list_files,
    record,
    seen,
)

_COLUMNS = ("subject_id", "time", "code")
_ADVICE = "Write the dataset as MEDS 0.4 defines it (subject_id int64, time timestamp, code string)"
_FOLDER = "Set `meds.folder` to the folder of a MEDS dataset, which holds data/ and metadata/"
_FIXED = r"^(REGION|PRACTICE)//[0-9]+$"
_VISIT = r"^VISIT//[A-Z_]+$"
_SPLITS = (train_split, tuning_split, held_out_split)
_DOCUMENTS = (".md", ".txt", ".json", ".yaml", ".log")


@dataclass(frozen=True)
class Structure:
    """How a dataset writes codes other than diagnoses: regular expressions for whole codes.

    Attributes:
        birth, death: of birth and death.
        male, female: of sex.
        start, end: of follow-up. A subject without them is followed from the first to the last
            event.
    """

    birth: str
    death: str
    male: str
    female: str
    start: str
    end: str

    @classmethod
    def read(cls, values: Mapping[str, str]) -> "Structure":
        """Read config, refusing what is not a regular expression with an InputError."""
        for pattern in values.values():
            check_pattern(pattern)
        return cls(**{key: f"^(?:{pattern})$" for key, pattern in values.items()})


def find_parts(folder: Path) -> list[DatasetFile]:
    """List the data files of a MEDS dataset, sorted by path.

    They are at any depth of `data/`. A dataset without that folder has them in its own folder or,
    there, in `train/`, `tuning/` and `held_out/`.

    Raises:
        InputError: there are none, or a file among them is not read.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise InputError(folder, "there is no such folder", _FOLDER)
    data = folder / data_subdirectory
    found = []
    for path in list_files(data if data.is_dir() else folder, "`meds.folder`"):
        where = path.relative_to(folder).parts[:-1]
        if not data.is_dir() and where and where[0] not in _SPLITS:
            continue
        if path.suffix.lower() == ".parquet":
            found.append(path)
        elif path.suffix.lower() not in _DOCUMENTS:
            raise InputError(
                path,
                "it is among the data of the dataset, but is not read",
                "Write it as Parquet (.parquet), or move it elsewhere",
            )
    if not found:
        raise InputError(folder, f"there is no Parquet file in {data_subdirectory}/", _FOLDER)
    return [DatasetFile("data", f"{index:03d}", path) for index, path in enumerate(found, start=1)]


def find_description(folder: Path) -> dict[str, Path]:
    """Return the dataset's description of its codes as `metadata`; empty if it has none."""
    path = Path(folder, code_metadata_filepath)
    return {"metadata": path} if path.is_file() else {}


def find_split(folder: Path) -> Path | None:
    """Return the dataset's own split of its subjects, if it has one."""
    path = Path(folder, subject_splits_filepath)
    return path if path.is_file() else None


def read_batches(
    path: Path, codes: Codes, structure: Structure, tally: Tally
) -> Iterator[pl.DataFrame]:
    """Yield the records of a data file, batch by batch.

    Raises:
        InputError: the file is not a Parquet file, or its columns are not those of MEDS.
    """
    try:
        with pq.ParquetFile(path) as file:
            _check_columns(file.schema_arrow, path)
            for batch in file.iter_batches(BATCH_ROWS, columns=list(_COLUMNS), use_threads=False):
                frame = pl.DataFrame(pl.from_arrow(pa.Table.from_batches([batch])))
                yield to_records(frame, codes, structure, tally)
    except (OSError, pa.ArrowException):
        raise InputError(path, "it cannot be read as Parquet", "Copy the file again") from None


def _check_columns(schema: Any, path: Path) -> None:
    missing = [name for name in _COLUMNS if name not in schema.names]
    if missing:
        raise InputError(path, f"no column {', '.join(missing)}", _ADVICE)
    kinds = pa.types
    right = {
        "subject_id": (kinds.is_integer,),
        "time": (kinds.is_timestamp, kinds.is_date),
        "code": (kinds.is_string, kinds.is_large_string, kinds.is_string_view, kinds.is_dictionary),
    }
    for name, allowed in right.items():
        kind = schema.field(name).type
        if not any(is_right(kind) for is_right in allowed):
            raise InputError(path, f"column {name} is of type {kind}", _ADVICE)


def to_records(
    events: pl.DataFrame, codes: Codes, structure: Structure, tally: Tally
) -> pl.DataFrame:
    """Turn MEDS rows (subject_id, time, code) into records, and count the rows that are refused.

    Every event but birth counts for the subject's first and last day.
    """
    rows = events.select(
        pl.col("subject_id").cast(pl.Int64, strict=False),
        day=pl.col("time").cast(pl.Date),
        code=pl.col("code").cast(pl.String),
        blank=pl.col("subject_id").is_null(),
    )
    code, day = pl.col("code"), pl.col("day")
    birth, death = (code.str.contains(name) for name in (structure.birth, structure.death))
    kept = tally.keep(
        rows,
        {
            "blank subject_id": pl.col("blank"),
            "unreadable subject_id": pl.col("subject_id").is_null(),
            "blank code": code.is_null() | (code == ""),
            IMPOSSIBLE: impossible(day),
            "birth or death without a time": (birth | death) & day.is_null(),
        },
    ).drop("blank")
    kinds = {
        "birth": birth,
        "death": death,
        "start": code.str.contains(structure.start),
        "end": code.str.contains(structure.end),
        "male": code.str.contains(structure.male),
        "female": code.str.contains(structure.female),
        "fixed": code.str.contains(_FIXED),
        "visit": code.str.contains(_VISIT),
        "diagnosis": codes.is_diagnosis(code, day.is_not_null()),
    }
    kind = pl.coalesce(
        *(pl.when(is_kind).then(pl.lit(name)) for name, is_kind in kinds.items()),
        pl.lit(None, pl.String),
    )
    labelled = kept.with_columns(kind=kind)
    sexes = pl.col("kind").is_in(["male", "female"])
    coded = pl.col("kind").is_in(["fixed", "visit", "diagnosis"])
    known = labelled.drop_nulls("kind").select(
        "subject_id",
        *record("", day=day, code=pl.when(sexes).then("kind").when(coded).then("code")),
        label=pl.when(sexes).then(pl.lit("sex")).otherwise("kind"),
    )
    after_birth = pl.when(pl.col("kind").ne_missing("birth")).then("day")
    return pl.concat([known.with_columns(kind="label").drop("label"), seen(labelled, after_birth)])


def read_metadata(path: Path | None) -> pl.DataFrame:
    """Read a dataset's description of its codes: code, description, parent_codes.

    Args:
        path: metadata/codes.parquet; None for a source without one.

    Raises:
        InputError: it is not as MEDS defines it.
    """
    schema: dict[str, pl.DataType] = {
        "code": pl.String(),
        "description": pl.String(),
        "parent_codes": pl.List(pl.String),
    }
    if path is None:
        return pl.DataFrame(schema=schema)
    try:
        listed = pl.read_parquet(path)
        if "code" not in listed.columns:
            raise InputError(path, "no column code", "Write it as MEDS defines it, or remove it")
        absent = [pl.lit(None, kind).alias(n) for n, kind in schema.items() if n not in listed]
        typed = listed.with_columns(absent).select(pl.col(n).cast(k) for n, k in schema.items())
    except (OSError, pl.exceptions.PolarsError):
        raise InputError(
            path, "it cannot be read", "Write it as MEDS defines it, or remove it"
        ) from None
    return typed.drop_nulls("code").unique("code", keep="first", maintain_order=True)
