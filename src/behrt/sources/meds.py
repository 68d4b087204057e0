"""Reading any MEDS dataset into records, file by file and batch by batch."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
from meds.schema import birth_code, data_subdirectory, death_code

from behrt.errors import InputError
from behrt.sources.codes import Codes, check_pattern
from behrt.sources.records import BATCH_ROWS, IMPOSSIBLE, Part, Tally, impossible, seen

_COLUMNS = ("subject_id", "time", "code")
_MEND = "Write the dataset as MEDS 0.4 asks (subject_id int64, time timestamp, code string)"
_FIXED = r"^(REGION|PRACTICE)//[0-9]+$"
_VISIT = r"^VISIT//[A-Z_]+$"


@dataclass(frozen=True)
class Structure:
    """How a dataset writes what is no diagnosis: regular expressions for whole codes.

    Attributes:
        male, female: of sex.
        start, end: of follow-up. A subject without them is followed from the first to the last
            event.
    """

    male: str
    female: str
    start: str
    end: str

    @classmethod
    def read(cls, values: Mapping[str, str]) -> "Structure":
        """Read config, refusing what is no regular expression with an InputError."""
        for pattern in values.values():
            check_pattern(pattern)
        return cls(**{key: f"^(?:{pattern})$" for key, pattern in values.items()})


def find_parts(folder: Path) -> list[Part]:
    """List the data files of a MEDS dataset, at any depth of `data/`, in the order of their paths.

    Raises:
        InputError: there are none.
    """
    folder = Path(folder)
    found = sorted(
        path
        for path in folder.joinpath(data_subdirectory).rglob("*.parquet")
        if path.is_file() and not path.name.startswith(".")
    )
    if not found:
        raise InputError(
            folder,
            f"no Parquet file in {data_subdirectory}/",
            "Set `meds.folder` to the folder of a MEDS dataset, which holds data/ and metadata/",
        )
    return [Part("data", f"{index:03d}", path) for index, path in enumerate(found, start=1)]


def read_batches(
    path: Path, codes: Codes, structure: Structure, tally: Tally
) -> Iterator[pl.DataFrame]:
    """Yield a data file's records, batch by batch.

    Raises:
        InputError: the file is no Parquet file, or its columns are not those of MEDS.
    """
    try:
        with pq.ParquetFile(path) as file:
            _check_columns(file.schema_arrow, path)
            for batch in file.iter_batches(BATCH_ROWS, columns=list(_COLUMNS), use_threads=False):
                frame = pl.DataFrame(pl.from_arrow(pa.Table.from_batches([batch])))
                yield to_records(frame, codes, structure, tally)
    except (OSError, pa.ArrowException):
        raise InputError(path, "cannot be read as Parquet", "Copy the file again") from None


def _check_columns(schema: Any, path: Path) -> None:
    missing = [name for name in _COLUMNS if name not in schema.names]
    if missing:
        raise InputError(path, f"no column {', '.join(missing)}", _MEND)
    kinds = pa.types
    right = {
        "subject_id": (kinds.is_integer,),
        "time": (kinds.is_timestamp, kinds.is_date),
        "code": (kinds.is_string, kinds.is_large_string, kinds.is_string_view, kinds.is_dictionary),
    }
    for name, allowed in right.items():
        kind = schema.field(name).type
        if not any(is_right(kind) for is_right in allowed):
            raise InputError(path, f"column {name} is of type {kind}", _MEND)


def to_records(
    events: pl.DataFrame, codes: Codes, structure: Structure, tally: Tally
) -> pl.DataFrame:
    """Turn MEDS rows (subject_id, time, code) into records, and count those that are refused.

    An event that is none of what the records know counts towards first and last day alone.
    Codes that begin with MEDS_BIRTH or MEDS_DEATH count as these, as MEDS has it.
    """
    rows = events.select(
        pl.col("subject_id").cast(pl.Int64, strict=False),
        day=pl.col("time").cast(pl.Date),
        code=pl.col("code").cast(pl.String),
    )
    code, day = pl.col("code"), pl.col("day")
    birth, death = (code.str.contains(f"^{name}(//|$)") for name in (birth_code, death_code))
    kept = tally.keep(
        rows,
        {
            "no subject_id": pl.col("subject_id").is_null(),
            "subject_id below 0": pl.col("subject_id") < 0,
            "no code": code.is_null() | (code == ""),
            IMPOSSIBLE: impossible(day),
            "birth or death without a time": (birth | death) & day.is_null(),
        },
    )
    diagnosis = codes.has_prefix(code) | (codes.is_own(code) & day.is_not_null())
    kinds = {
        "birth": birth,
        "death": death,
        "start": code.str.contains(structure.start),
        "end": code.str.contains(structure.end),
        "male": code.str.contains(structure.male),
        "female": code.str.contains(structure.female),
        "fixed": code.str.contains(_FIXED),
        "visit": code.str.contains(_VISIT),
        "diagnosis": diagnosis,
    }
    kind = pl.coalesce(
        *(pl.when(is_kind).then(pl.lit(name)) for name, is_kind in kinds.items()),
        pl.lit(None, pl.String),
    )
    sorted_out = kept.with_columns(kind=kind)
    sexes = pl.col("kind").is_in(["male", "female"])
    coded = pl.col("kind").is_in(["fixed", "visit", "diagnosis"])
    known = sorted_out.drop_nulls("kind").select(
        "subject_id",
        kind=pl.when(sexes).then(pl.lit("sex")).otherwise("kind"),
        day="day",
        until=pl.lit(None, pl.Date),
        code=pl.when(sexes).then("kind").when(coded).then("code"),
    )
    after_birth = pl.when(pl.col("kind").ne_missing("birth")).then("day")
    return pl.concat([known, seen(sorted_out, after_birth)])


def read_metadata(path: Path | None) -> pl.DataFrame:
    """Read what a dataset says about its codes: code, description, parent_codes.

    Args:
        path: metadata/codes.parquet; None for a source without, which says nothing.

    Raises:
        InputError: it is not as MEDS asks.
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
            raise InputError(path, "no column code", "Write it as MEDS asks, or leave it out")
        absent = [pl.lit(None, kind).alias(n) for n, kind in schema.items() if n not in listed]
        typed = listed.with_columns(absent).select(pl.col(n).cast(k) for n, k in schema.items())
    except (OSError, pl.exceptions.PolarsError):
        raise InputError(path, "cannot be read", "Write it as MEDS asks, or leave it out") from None
    return typed.drop_nulls("code").unique("code", keep="first", maintain_order=True)
