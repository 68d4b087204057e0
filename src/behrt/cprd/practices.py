"""Which practice a patient belongs to, and which practices are others once more.

CPRD GOLD says the practice in the last digits of patid alone, Aurum in a column.
"""

from pathlib import Path

import polars as pl

from behrt.errors import InputError

_DIGITS = (5, 3)
_SHARE = 0.99
"""Of the patients, who must have a practice by a suffix for it to be the right one."""


def practice_digits(patient_ids: pl.LazyFrame, practice_ids: pl.Series) -> int:
    """Find how many last digits of patid are the practice: 5, in older builds 3.

    Args:
        patient_ids: patid of all patients.
        practice_ids: pracid of all practices.

    Raises:
        InputError: neither suffix is a practice's for nearly all patients.
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
        f"the last digits of patid are no practice's pracid for too many patients ({found})",
        "Check that both come from one build, or set `practice_digits`",
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
            "Deliver every practice once, or set `practice_digits` to another number",
        )
    keyed = patients.with_columns(pracid=pl.col("subject_id") % 10**digits)
    return keyed.join(suffixes, on="pracid", how="left", maintain_order="left").drop("pracid")


def require_practices(patients: pl.LazyFrame, practices: pl.LazyFrame) -> None:
    """Refuse patients whose own `pracid` is no practice's for too many of them.

    Raises:
        InputError: nearly all patients should have a practice; or a practice has two rows.
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
            f"pracid is no practice's for too many patients ({share:.1%} have one)",
            "Check that both come from one build",
        )


def not_merged(patients: pl.DataFrame, merged: pl.Series) -> pl.DataFrame:
    """Keep patients whose practice has not been merged into another, which has them too.

    Args:
        patients: with pracid.
        merged: pracids of the practices that were.
    """
    gone = pl.col("pracid").is_in(merged.implode()).fill_null(value=False)
    return patients.filter(~gone)


def read_merged(path: Path) -> pl.Series:
    """Read a list of practices: text with one pracid a line, below a header `pracid` or none.

    Raises:
        InputError: the file cannot be read, a line is no pracid, or there is none.
    """
    mend = "Write one practice's pracid a line, as CPRD's list of merged practices has them"
    try:
        lines = Path(path).read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError):
        raise InputError(path.name, "it cannot be read as text", mend) from None
    numbered = [(number, line.strip()) for number, line in enumerate(lines, start=1)]
    filled = [(number, line) for number, line in numbered if line]
    if filled and filled[0][1].lower() == "pracid":
        del filled[0]
    for number, line in filled:
        if not (line.isascii() and line.isdecimal() and len(line) <= 18):
            raise InputError(path.name, f"line {number} is no pracid", mend)
    if not filled:
        raise InputError(path.name, "it names no practice", mend)
    return pl.Series("pracid", [int(line) for _, line in filled], dtype=pl.Int64).unique().sort()
