"""Which practice a patient belongs to: CPRD GOLD says so in the last digits of patid alone."""

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
