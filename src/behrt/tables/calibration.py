"""The calibration of every model, before and after recalibration."""

from pathlib import Path

import polars as pl

from behrt.disclosure import Rules, is_small, suppress
from behrt.evaluation.assessment import read_assessments
from behrt.evaluation.calibration import OBSERVED
from behrt.evaluation.tidy import SMALL_DECIMALS, with_facts
from behrt.run import Run


def table(run: Run, calibration: list[Path]) -> pl.DataFrame:
    """Return protocol String, and the columns of `tabulate`.

    Args:
        run: the run.
        calibration: assessment/<task>/calibration.parquet of every task.
    """
    rows = tabulate(read_assessments(calibration), run.disclosure)
    return with_facts(rows, protocol=run.protocol)


def tabulate(calibration: pl.DataFrame, rules: Rules) -> pl.DataFrame:
    """Return the measures of calibration before and after recalibration.

    Observed shares and ratios of observed to expected are computed from the counts as shown.

    Args:
        calibration: task, model, and `behrt.evaluation.assessment.CalibrationOfBoth`.
        rules: which count of patients, or of labels, is too small to show, and how to round.

    Returns:
        task, model, risks, measure String; value, low, high Float64; patients, positives Int64.
    """
    scores = ["value", "low", "high"]
    columns = ["task", "model", "risks", "measure", *scores, "patients", "positives"]
    positives, patients = pl.col("positives"), pl.col("patients")
    as_shown = rules.share(positives, patients) / (positives / patients)
    observed = pl.col("measure").is_in(OBSERVED) & (positives > 0)
    table = calibration.select(columns).with_columns(
        (pl.col(scores) * pl.when(observed).then(as_shown).otherwise(1.0)).round(SMALL_DECIMALS)
    )
    few = is_small(table["patients"].to_numpy(), rules.threshold)
    few |= is_small(table["positives"].to_numpy(), rules.threshold)
    return suppress(table, few, [*scores, "patients", "positives"])
