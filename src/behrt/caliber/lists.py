"""CALIBER's code lists: phenotypes with chapters, and the codes of each.

A folder of lists is laid out as the repository of Kuan et al. (Lancet Digital Health 2019):
`dictionary.csv` names the list files of every phenotype, `phenotype_categories_mapping.csv` its
chapter. `primary_care/` holds lists of CPRD's medical codes, `secondary_care/` of ICD-10 codes.
"""

import csv
import io
from collections import Counter
from dataclasses import dataclass
from pathlib import Path, PureWindowsPath
from typing import Any

import dataframely as dy
import polars as pl

from behrt.caliber import icd, opcs, read_codes
from behrt.errors import InputError

CODE_PREFIX = "CALIBER//"
CHAPTER_PREFIX = "CHAPTER//"

NAME = r"^[^\p{C}\p{Zl}\p{Zp}]{1,200}$"
"""A name that a table or figure can show: no control characters, and short enough for a line."""

_FIX = "Compare it with the file in CALIBER's repository"
_LARGEST_FILE = 64 * 2**20
_MOST_PHENOTYPES = 2**15 - 1  # an index is an Int16
_LARGEST_MEDCODE = 10**7 - 1  # CPRD GOLD's have at most six digits, CPRD Aurum's up to eighteen
_EXACT_DIGITS = 15  # of a whole number as a float64


class Phenotypes(dy.Schema):
    """One row per phenotype, sorted by name in code point order."""

    index = dy.Int16(primary_key=True, min=0)
    phenotype = dy.String(min_length=1)
    chapter = dy.String(min_length=1)
    code = dy.String(min_length=1)


class ListedMedcodes(dy.Schema):
    """One row per pair of a medcode of CPRD GOLD and a phenotype."""

    medcode = dy.Int64(primary_key=True, min=1)
    phenotype = dy.Int16(primary_key=True, min=0)


class ListedMedcodeIds(dy.Schema):
    """One row per pair of what can be a medcodeid of CPRD Aurum and a phenotype."""

    medcodeid = dy.Int64(primary_key=True, min=1)
    phenotype = dy.Int16(primary_key=True, min=0)


class ListedIcdCodes(dy.Schema):
    """One row per pair of an ICD-10 code and a phenotype.

    A code of three characters includes every code of four that begins with it.
    """

    icd = dy.String(primary_key=True, regex=icd.CODE)
    phenotype = dy.Int16(primary_key=True, min=0)


class ListedReadCodes(dy.Schema):
    """One row per pair of a Read code of seven characters and a phenotype."""

    read = dy.String(primary_key=True, regex=read_codes.CODE)
    phenotype = dy.Int16(primary_key=True, min=0)


@dataclass(frozen=True)
class CodeLists:
    """The phenotypes, their codes, and a manifest of what was read, kept and refused."""

    phenotypes: dy.DataFrame[Phenotypes]
    medcodes: dy.DataFrame[ListedMedcodes]
    medcodeids: dy.DataFrame[ListedMedcodeIds]
    icd: dy.DataFrame[ListedIcdCodes]
    read: dy.DataFrame[ListedReadCodes]
    manifest: dict[str, Any]


def read_lists(folder: Path) -> CodeLists:
    """Read a folder of code lists.

    A phenotype is a row of the dictionary with a CPRD or an ICD list; OPCS lists are not read. A
    code can belong to several phenotypes. What is certain is repaired, and counted: medcodes become
    whole numbers, also where the list has `15311.0`; ICD-10 codes are read at level 4
    (`behrt.caliber.icd`), with or without a dot or the filler X. A longer ICD-10 code is refused,
    because level 4 would widen it.

    A CPRD list has medcodes of CPRD GOLD, medcodeids of CPRD Aurum, Read codes, or several of
    these. Read codes serve CPRD Aurum and other sources. Of those that a spreadsheet has turned
    into numbers, `7004300.0` is repaired; `1476`, for `1476.00`, is refused.

    Raises:
        InputError: a file or column is missing, a file is outside the folder or is not CSV; no
            code of a list can be read; a phenotype is named twice, has no chapter, or has a name
            that cannot be shown.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise InputError(
            folder,
            "no such folder",
            "Run `snakemake caliber` to get the lists, or set `caliber` to a copy of CALIBER's "
            "repository",
        )
    dictionary = _rows(folder / "dictionary.csv", "phenotype", "cprd", "icd")
    chapters = {
        row["phenotype"]: row["category"]
        for row in _rows(folder / "phenotype_categories_mapping.csv", "phenotype", "category")
    }
    listed = sorted(
        (row for row in dictionary if row["cprd"] or row["icd"]), key=lambda row: row["phenotype"]
    )
    names = [row["phenotype"] for row in listed]
    if not 0 < len(names) <= _MOST_PHENOTYPES:
        raise InputError(
            folder / "dictionary.csv", f"names {len(names)} phenotypes with a list", _FIX
        )
    shown = pl.Series([*names, *(chapters.get(name, "-") or "-" for name in names)])
    if odd := shown.filter(~shown.str.contains(NAME)).to_list():
        raise InputError(
            folder / "dictionary.csv",
            f"a phenotype or chapter is named {odd[0][:40]!r}, which cannot be shown",
            _FIX,
        )
    for name, count in Counter(names).items():
        if count > 1:
            raise InputError(folder / "dictionary.csv", f"{name!r} is named twice", _FIX)
        if not chapters.get(name):
            raise InputError(
                folder / "phenotype_categories_mapping.csv", f"no chapter for {name!r}", _FIX
            )
    phenotypes = pl.DataFrame(
        {
            "index": range(len(names)),
            "phenotype": names,
            "chapter": [chapters[name] for name in names],
            "code": [CODE_PREFIX + name for name in names],
        }
    )
    medcodes, medcode_manifest = _medcodes(folder / "primary_care", listed)
    medcodeids, medcodeid_manifest = _medcodeids(folder / "primary_care", listed)
    icd_codes, icd_manifest = _icd(folder / "secondary_care", listed)
    read, read_manifest = _read(folder / "primary_care", listed)
    _require_a_code(folder / "primary_care", listed, "cprd", medcodes, medcodeids, read)
    _require_a_code(folder / "secondary_care", listed, "icd", icd_codes)
    return CodeLists(
        Phenotypes.validate(phenotypes, cast=True),
        ListedMedcodes.validate(medcodes),
        ListedMedcodeIds.validate(medcodeids),
        ListedIcdCodes.validate(icd_codes),
        ListedReadCodes.validate(read),
        {
            "phenotypes": len(listed),
            "dictionary_rows_without_a_list": len(dictionary) - len(listed),
            "medcodes": medcode_manifest,
            "medcodeids": medcodeid_manifest,
            "icd": icd_manifest,
            "read": read_manifest,
        },
    )


def _medcodes(folder: Path, listed: list[dict[str, str]]) -> tuple[pl.DataFrame, dict[str, Any]]:
    """Read the medcodes of CPRD GOLD: medcode, phenotype; and what became of every row."""
    rows = _listed_codes(folder, listed, "cprd", ("medcode",), other="readcode", optional=True)
    code = pl.col("code")
    typed = rows.with_columns(medcode=_whole_number(code))
    reason = (
        pl.when(code == "")
        .then(pl.lit("blank medcode"))
        .when(pl.col("medcode").is_null() | (pl.col("medcode") == 0))
        .then(pl.lit("medcode is not a whole number above 0"))
        .when(pl.col("medcode") > _LARGEST_MEDCODE)
        .then(pl.lit("medcode is a medcodeid of CPRD Aurum"))
    )
    mangled = pl.col("other").str.contains(r"^[0-9]+(\.0)?$") & (
        pl.col("other").str.len_chars() != 7
    )
    return _kept(
        typed,
        reason,
        "medcode",
        {
            "medcode written with .0": code.str.ends_with(".0"),
            "Read code mangled by a spreadsheet, medcode used": mangled,
        },
    )


def _medcodeids(folder: Path, listed: list[dict[str, str]]) -> tuple[pl.DataFrame, dict[str, Any]]:
    """Read what can be medcodeids of CPRD Aurum: medcodeid, phenotype; and what became of each row.

    A column `medcodeid` holds them. So can a column `medcode` of a list without Read codes: only
    EMIS's dictionary tells, as medcodes of CPRD GOLD have no other form.
    """
    named = _listed_codes(folder, listed, "cprd", ("medcodeid",), optional=True)
    others = _listed_codes(folder, listed, "cprd", ("medcode",), other="readcode", optional=True)
    without_read_codes = (pl.col("other") == "").all().over("phenotype")
    others = others.filter(
        without_read_codes & ~pl.col("phenotype").is_in(named["phenotype"].implode())
    )
    code = pl.col("code")
    typed = pl.concat([named, others]).with_columns(medcodeid=_whole_number(code))
    reason = (
        pl.when(code == "")
        .then(pl.lit("blank medcodeid"))
        .when(pl.col("medcodeid").is_null() | (pl.col("medcodeid") == 0))
        .then(pl.lit("medcodeid is not a whole number above 0"))
    )
    return _kept(
        typed, reason, "medcodeid", {"medcodeid written with .0": code.str.ends_with(".0")}
    )


def _whole_number(code: pl.Expr) -> pl.Expr:
    """Return a code as Int64; null if it is not a whole number, or a decimal that is not exact."""
    number = code.str.strip_suffix(".0")
    exact = (number.str.len_chars() <= _EXACT_DIGITS) | ~code.str.ends_with(".0")
    return pl.when(number.str.contains(r"^[0-9]+$") & exact).then(
        number.cast(pl.Int64, strict=False)
    )


def _icd(folder: Path, listed: list[dict[str, str]]) -> tuple[pl.DataFrame, dict[str, Any]]:
    rows = _listed_codes(folder, listed, "icd", ("icd10code", "icd_code"))
    typed = rows.with_columns(icd=icd.at_level_4(pl.col("code")))
    reason = (
        pl.when(pl.col("code") == "")
        .then(pl.lit("blank ICD-10 code"))
        .when(pl.col("icd").is_null())
        .then(pl.lit("not an ICD-10 code"))
        .when(pl.col("code").str.replace_all(".", "", literal=True).str.len_chars() > 4)
        .then(pl.lit("ICD-10 code of more than four characters"))
    )
    long, bare = pl.col("code").str.len_chars() > 3, pl.col("code").str.to_uppercase()
    return _kept(
        typed,
        reason,
        "icd",
        {
            "ICD-10 code without its dot": long & ~bare.str.contains(".", literal=True),
            "ICD-10 code with the filler X": bare.str.ends_with("X"),
        },
    )


def _read(folder: Path, listed: list[dict[str, str]]) -> tuple[pl.DataFrame, dict[str, Any]]:
    rows = _listed_codes(folder, listed, "cprd", ("readcode",), optional=True)
    typed = rows.with_columns(read=read_codes.of_a_list(pl.col("code")))
    reason = (
        pl.when(pl.col("code") == "")
        .then(pl.lit("blank Read code"))
        .when(pl.col("read").is_null())
        .then(pl.lit("not a Read code of seven characters"))
    )
    number = {"Read code as a decimal number": pl.col("code").str.contains(r"^[0-9]{7}\.0$")}
    return _kept(typed, reason, "read", number)


def read_opcs(folder: Path) -> tuple[pl.DataFrame, dict[str, Any]]:
    """Read the OPCS-4 codes of the lists of procedures.

    A phenotype with an OPCS list need not have a list of diagnoses. A code of three characters
    includes every code of four that begins with it.

    Args:
        folder: as `read_lists` takes it.

    Returns:
        opcs and phenotype (its name) String, each pair once, sorted; and what became of every row.

    Raises:
        InputError: a file or column is missing; there is no OPCS list; no code of a list can be
            read.
    """
    folder = Path(folder)
    dictionary = _rows(folder / "dictionary.csv", "phenotype", "opcs")
    listed = sorted((row for row in dictionary if row["opcs"]), key=lambda row: row["phenotype"])
    if not listed:
        raise InputError(
            folder / "dictionary.csv",
            "no phenotype has an OPCS list",
            "Set `concepts.procedures.level` to 3 or 4, or `caliber` to lists with procedures",
        )
    rows = _listed_codes(folder / "secondary_care", listed, "opcs", ("opcs4code", "opcs_code"))
    typed = rows.with_columns(opcs=opcs.at_level_4(pl.col("code")))
    reason = pl.when(pl.col("opcs").is_null()).then(pl.lit("not an OPCS-4 code"))
    code = pl.col("code")
    bare = (code.str.len_chars() > 3) & ~code.str.contains(".", literal=True)
    pairs, manifest = _kept(typed, reason, "opcs", {"OPCS-4 code without its dot": bare})
    _require_a_code(folder / "secondary_care", listed, "opcs", pairs)
    names = pl.DataFrame({"phenotype": [row["phenotype"] for row in listed]}).with_row_index("at")
    named = pairs.join(
        names, left_on="phenotype", right_on=pl.col("at").cast(pl.Int16), how="left"
    ).select("opcs", phenotype="phenotype_right")
    return named.unique().sort(pl.all()), manifest


def read_terms(folder: Path) -> pl.DataFrame:
    """Read the terms of the lists' codes: system ("medcode" or "icd10"), code, read, term (String).

    Codes are in the form of `behrt.cprd.diagnoses`; `read` is the Read code of a medcode as the
    list has it, else null. Of several terms for one code, the first in the order of the phenotypes
    counts. A blank term is null.

    Args:
        folder: as `read_lists` takes it, and has checked it.
    """
    rows = []
    dictionary = _rows(folder / "dictionary.csv", "phenotype", "cprd", "icd")
    for row in sorted(dictionary, key=lambda row: row["phenotype"]):
        for entry in _rows(folder / "primary_care" / row["cprd"]) if row["cprd"] else ():
            code = entry.get("medcode", entry.get("medcodeid", "")).removesuffix(".0")
            rows.append(("medcode", code, entry.get("readcode"), _term(entry)))
        for entry in _rows(folder / "secondary_care" / row["icd"]) if row["icd"] else ():
            code = entry.get("icd10code", entry.get("icd_code", ""))
            rows.append(("icd10", code, None, _term(entry)))
    columns = ["system", "code", "read", "term"]
    frame = pl.DataFrame(rows, schema=dict.fromkeys(columns, pl.String), orient="row")
    level_4 = icd.at_level_4(pl.col("code"))
    return (
        frame.with_columns(
            pl.when(pl.col("system") == "icd10").then(level_4).otherwise("code").alias("code"),
            *(pl.when(pl.col(name) != "").then(name).alias(name) for name in ("read", "term")),
        )
        .drop_nulls("code")
        .unique(["system", "code"], keep="first", maintain_order=True)
    )


def _term(entry: dict[str, str]) -> str | None:
    names = ("readcodedescr", "readterm", "icd10codedescr", "icd_term")
    return next((entry[name] for name in names if name in entry), None)


def describe_phenotypes(phenotypes: Path) -> pl.DataFrame:
    """Describe all phenotypes in MEDS's form: code, description, parent_codes (the chapter).

    Args:
        phenotypes: phenotypes/phenotypes.parquet.
    """
    return pl.read_parquet(phenotypes).select(
        "code",
        description="phenotype",
        parent_codes=pl.concat_list(pl.lit(CHAPTER_PREFIX) + pl.col("chapter")),
    )


def _kept(
    rows: pl.DataFrame, reason: pl.Expr, code: str, repairs: dict[str, pl.Expr]
) -> tuple[pl.DataFrame, dict[str, Any]]:
    """Return the pairs of code and phenotype, and what became of every row.

    The rows read are the rows refused, the rows that repeat a pair, and the pairs.
    """
    rows = rows.with_columns(reason=reason)
    refused = rows.drop_nulls("reason")
    counts = refused.group_by("reason").len().sort("reason")
    kept = rows.filter(pl.col("reason").is_null())
    pairs = kept.select(code, "phenotype").unique().sort(pl.all())
    repaired = kept.select(condition.sum().alias(name) for name, condition in repairs.items())
    manifest = {
        "rows_read": rows.height,
        "rows_refused": dict(counts.iter_rows()),
        "rows_repaired": {
            name: count for name, count in repaired.row(0, named=True).items() if count
        },
        "rows_repeated": kept.height - pairs.height,
        "pairs": pairs.height,
    }
    return pairs, manifest


def _require_a_code(
    folder: Path, listed: list[dict[str, str]], kind: str, *pairs: pl.DataFrame
) -> None:
    read = {phenotype for frame in pairs for phenotype in frame["phenotype"]}
    for index, row in enumerate(listed):
        if row[kind] and index not in read:
            raise InputError(
                folder / row[kind],
                "none of its codes can be read; its columns may have other names, or a spreadsheet "
                "has rewritten its numbers",
                _FIX,
            )


def _listed_codes(
    folder: Path,
    listed: list[dict[str, str]],
    kind: str,
    names: tuple[str, ...],
    other: str | None = None,
    optional: bool = False,
) -> pl.DataFrame:
    """Read the lists' rows: code (of the first of `names`), other (another column), phenotype."""
    codes: list[str] = []
    others: list[str] = []
    phenotypes: list[int] = []
    for index, row in enumerate(listed):
        if not row[kind]:
            continue
        path = _list_file(folder, row[kind])
        rows = _rows(path)
        column = next((name for name in names if rows and name in rows[0]), None)
        if column is None:
            if optional:
                continue
            raise InputError(path, f"no rows, or no column {' or '.join(names)}", _FIX)
        codes += [entry[column] for entry in rows]
        others += [entry.get(other, "") if other else "" for entry in rows]
        phenotypes += [index] * len(rows)
    return pl.DataFrame(
        {"code": codes, "other": others, "phenotype": phenotypes},
        schema={"code": pl.String, "other": pl.String, "phenotype": pl.Int16},
    )


def _list_file(folder: Path, name: str) -> Path:
    """Return the path of a list that the dictionary names.

    Raises:
        InputError: it names a file outside the folder.
    """
    path = folder / name
    if PureWindowsPath(name).name != name:
        raise InputError(
            folder.parent / "dictionary.csv",
            f"the list {name[:80]!r} is outside {folder.name}/",
            _FIX,
        )
    return path


def _content(path: Path) -> bytes:
    """Read a regular file of at most _LARGEST_FILE bytes.

    Raises:
        OSError: it cannot be read.
        ValueError: it is not a file, is too large, or has a name that no file can have.
    """
    if not path.is_file():
        raise FileNotFoundError(path)
    with path.open("rb") as stream:
        raw = stream.read(_LARGEST_FILE + 1)
    if len(raw) > _LARGEST_FILE:
        raise ValueError("too large")
    return raw


def _rows(path: Path, *columns: str) -> list[dict[str, str]]:
    """Read a small CSV file: column names in lower case, values without surrounding blanks."""
    try:
        raw = _content(path)
    except (OSError, ValueError) as error:
        raise InputError(path, "cannot be read", _FIX) from error
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = raw.decode("cp1252", errors="replace")
    try:
        lines = list(csv.reader(io.StringIO(text, newline="")))
    except csv.Error as error:
        raise InputError(path, f"cannot be read as CSV ({error})", _FIX) from error
    header = [name.strip().lower() for name in lines[0]] if lines else []
    for column in columns:
        if column not in header:
            raise InputError(path, f"no column {column!r}", _FIX)
    return [
        dict(zip(header, [value.strip() for value in line] + [""] * len(header), strict=False))
        for line in lines[1:]
        if any(value.strip() for value in line)
    ]
