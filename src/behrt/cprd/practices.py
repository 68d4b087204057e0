"""The practice of each patient, and the practices that were merged into others.

In CPRD GOLD the last digits of patid are the practice; CPRD Aurum has a column.
"""

from pathlib import Path

import polars as pl

from behrt.errors import InputError

_DIGITS = (5, 3)
_SHARE = 0.99
"""The share of patients that must have a practice by a number of digits, for it to be correct."""


def practice_digits(patient_ids: pl.LazyFrame, practice_ids: pl.Series) -> int:
    """Return how many last digits of patid are the practice: 5, in older builds 3.

    Args:
        patient_ids: patid of all patients.
        practice_ids: pracid of all practices.

    Raises:
        InputError: with neither number do nearly all patients have a practice.
    """
    shares = patient_ids.select(
        (pl.col("patid") % 10**digits)
        .is_in((practice_ids % 10**digits).unique().implode())
        .mean()
        .alias(str(digits))
        for digits in _DIGITS
    ).collect(engine="streaming")
    for digits in _DIGITS:
        share = shares[str(digits)][0]
        if share is None or share >= _SHARE:
            return digits
    found = ", ".join(f"{digits} digits: {shares[str(digits)][0]:.1%}" for digits in _DIGITS)
    raise InputError(
        "patient and practice tables",
        f"for too many patients, the last digits of patid are not a pracid ({found} have one)",
        "Check that both are of one build, or set `cohort.practice_digits`",
    )


def with_practice(patients: pl.DataFrame, practices: pl.DataFrame, digits: int) -> pl.DataFrame:
    """Add `practice` (pracid, null if there is none) by the last digits of subject_id.

    Raises:
        InputError: two practices share their last digits, or one has two rows.
    """
    suffixes = practices.select(pl.col("pracid") % 10**digits, practice="pracid")
    if suffixes["pracid"].is_duplicated().any():
        raise InputError(
            "practice table",
            f"two practices have the same last {digits} digits, or one has two different rows",
            "Deliver every practice once, or set `cohort.practice_digits` to another number",
        )
    keyed = patients.with_columns(pracid=pl.col("subject_id") % 10**digits)
    return keyed.join(suffixes, on="pracid", how="left", maintain_order="left").drop("pracid")


def require_practices(patients: pl.LazyFrame, practices: pl.LazyFrame) -> None:
    """Require that nearly all patients have the `pracid` of a practice.

    Raises:
        InputError: too many patients have no practice, or a practice has two rows.
    """
    rows = practices.unique().collect()
    if rows["pracid"].is_duplicated().any():
        raise InputError(
            "practice table", "a practice has two different rows", "Deliver every practice once"
        )
    known = pl.col("pracid").is_in(rows["pracid"].implode()).fill_null(value=False)
    share = patients.select(known.mean()).collect(engine="streaming").item()
    if share is not None and share < _SHARE:
        raise InputError(
            "patient and practice tables",
            f"too many patients have no practice of their pracid ({share:.1%} have one)",
            "Check that both are of one build",
        )


def not_merged(patients: pl.DataFrame, merged: pl.Series) -> pl.DataFrame:
    """Keep patients whose practice was not merged into another, which has them as well.

    Args:
        patients: with pracid.
        merged: pracids of the practices that were merged.
    """
    gone = pl.col("pracid").is_in(merged.implode()).fill_null(value=False)
    return patients.filter(~gone)


def read_merged(path: Path) -> pl.Series:
    """Read a list of practices: text with one pracid per line, with or without a header `pracid`.

    Raises:
        InputError: the file cannot be read, a line is not a pracid, or there is none.
    """
    fix = "Write one pracid per line, as in CPRD's list of merged practices"
    try:
        lines = Path(path).read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError):
        raise InputError(path.name, "it cannot be read as text", fix) from None
    numbered = [(number, line.strip()) for number, line in enumerate(lines, start=1)]
    filled = [(number, line) for number, line in numbered if line]
    if filled and filled[0][1].lower() == "pracid":
        del filled[0]
    for number, line in filled:
        if not (line.isascii() and line.isdecimal() and len(line) <= 18):
            raise InputError(path.name, f"line {number} is not a pracid", fix)
    if not filled:
        raise InputError(path.name, "it has no practice", fix)
    return pl.Series("pracid", [int(line) for _, line in filled], dtype=pl.Int64).unique().sort()
