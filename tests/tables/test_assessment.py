"""The tables of assessments: intervals, paired differences, and what is not shown."""

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from behrt.disclosure import Rules, disclose
from behrt.errors import InputError
from behrt.evaluation.assessment import Examined, assess, read_assessments
from behrt.evaluation.bootstrap import Bootstrap
from behrt.evaluation.decision import ALL_DISEASES, EVERYBODY, THRESHOLDS
from behrt.evaluation.patients import score_patients
from behrt.evaluation.recalibration import fit_recalibration
from behrt.release.solved import small_benefits
from behrt.sequences.vocabulary import Vocabulary
from behrt.tables import calibration, decision, metrics, reliability

RESAMPLES = 60


def examined(patients: int, diseases: int, seed: int) -> tuple[Examined, np.ndarray]:
    random = np.random.default_rng(seed)
    risks = random.beta(0.5, 4, (patients, diseases)).astype(np.float32)
    labels = random.random(risks.shape) < risks
    known = random.random(risks.shape) < 0.1
    return Examined(np.arange(patients), risks, labels, known), random.random(risks.shape)


@pytest.fixture(scope="module")
def frames() -> dict[str, pl.DataFrame]:
    """Two models on one task, the second with noise on its scores."""
    held_out, noise = examined(300, 6, 1)
    tuning, _ = examined(300, 6, 2)
    found: dict[str, list[pl.DataFrame]] = {}
    for model, scores in (
        ("good", held_out.scores),
        ("noisy", np.clip(0.5 * held_out.scores + 0.3 * noise, 0, 1).astype(np.float32)),
    ):
        patients = Examined(held_out.subject_id, scores, held_out.labels, held_out.known)
        lists = [
            [np.flatnonzero(row).tolist() for row in m] for m in (patients.labels, patients.known)
        ]
        frame = pl.DataFrame(
            {"subject_id": held_out.subject_id, "label": lists[0], "known": lists[1]},
            schema_overrides={"label": pl.List(pl.Int16), "known": pl.List(pl.Int16)},
        )
        assessment = assess(
            patients,
            score_patients(frame, scores),
            fit_recalibration(tuning.scores, tuning.labels),
            [1, 3],
            [2, 1000],  # 1000 is above the number of diseases
            Bootstrap(RESAMPLES, 1),
            "T2",
        )
        for name, part in assessment.frames().items():
            facts = {"task": pl.lit("T2"), "model": pl.lit(model)}
            found.setdefault(name, []).append(part.with_columns(**facts))
    return {name: pl.concat(parts) for name, parts in found.items()}


def test_differences_are_paired_and_every_estimate_is_in_its_interval(
    frames: dict[str, pl.DataFrame],
) -> None:
    table = metrics.tabulate(frames["averages"], "good", 5)
    assert len(table) == 2 * 2 * (3 + 6)
    assert (table["low"] < table["value"]).all()
    assert (table["value"] < table["high"]).all()
    noisy = table.filter(pl.col("model") == "noisy")
    assert (noisy["difference"] < 0).all()
    assert table.filter(pl.col("model") == "good")["difference"].null_count() == len(noisy)
    aps = (pl.col("metric") == "APS") & (pl.col("labels") == "all")
    keys = aps & (pl.col("average") == "micro")
    raw = frames["averages"].filter(keys)
    drawn = np.array(raw["resampled"].to_list())
    ends = noisy.filter(keys).select("difference_low", "difference_high").row(0)
    np.testing.assert_allclose(ends, np.quantile(drawn[1] - drawn[0], [0.025, 0.975]), atol=5e-5)
    assert dict(table.select("average", "interval").unique().iter_rows()) == {
        "sample": "percentile",
        "micro": "percentile",
        "macro": "normal",
        "weighted": "normal",
    }
    macro = frames["averages"].filter(aps & (pl.col("average") == "macro")).row(0, named=True)
    reach = 1.959964 * np.std(macro["resampled"], ddof=1)
    low = table.filter(aps & (pl.col("average") == "macro"))["low"][0]
    assert low == pytest.approx(macro["value"] - reach, abs=1e-4)


def test_few_undefined_patients_are_hidden(frames: dict[str, pl.DataFrame]) -> None:
    sample = pl.col("average") == "sample"
    few = frames["averages"].with_columns(
        patients=pl.when(sample).then(298).otherwise("patients"),
        undefined=pl.when(sample).then(2).otherwise("undefined"),
    )
    table = metrics.tabulate(few, "good", 5)
    hidden = table.filter(sample)
    assert hidden["patients"].null_count() == hidden["undefined"].null_count() == len(hidden)
    assert table["value"].null_count() == 0
    assert (table.filter(~sample)["patients"] == 300).all()
    scarce = frames["averages"].with_columns(patients=pl.when(sample).then(3).otherwise("patients"))
    assert metrics.tabulate(scarce, "good", 5)["value"].null_count() == len(scarce)


def test_calibration_of_few_labels_is_hidden(frames: dict[str, pl.DataFrame]) -> None:
    table = calibration.tabulate(frames["calibration"], Rules(5))
    assert len(table) == 2 * 2 * 7
    assert table["value"].null_count() == 0
    few = frames["calibration"].with_columns(positives=pl.lit(4, pl.Int64))
    assert calibration.tabulate(few, Rules(5))["value"].null_count() == len(table)


def test_groups_of_few_are_hidden_and_never_alone(frames: dict[str, pl.DataFrame]) -> None:
    shown = reliability.tabulate(frames["reliability"], Rules(2))
    assert shown["observed"].null_count() == 0
    lowest = (pl.col("kind") == "group") & (pl.col("predicted") < 0.02)
    few = frames["reliability"].with_columns(
        observed=pl.when(lowest).then(2 / pl.col("pairs")).otherwise("observed")
    )
    table = reliability.tabulate(few, Rules(5)).filter(pl.col("kind") == "group")
    for part in table.partition_by("model", "risks"):
        hidden = part["observed"].null_count()
        assert hidden == 0 or hidden > 1
        assert part["share"].null_count() == hidden
        assert not part.filter(pl.col("observed").is_null())["positives"].count()


def test_the_curve_of_too_few_patients_is_hidden(frames: dict[str, pl.DataFrame]) -> None:
    few = frames["reliability"].with_columns(
        pl.col("patients").clip(upper_bound=4), pl.col("patients_positive").clip(upper_bound=3)
    )
    table = reliability.tabulate(few, Rules(5)).filter(kind="curve")
    assert table["observed"].null_count() == len(table) > 0
    assert reliability.tabulate(few, Rules(2)).filter(kind="curve")["observed"].count() > 0


def test_what_few_treated_decide_is_hidden(
    frames: dict[str, pl.DataFrame], vocabulary: Vocabulary
) -> None:
    raw = frames["net_benefit"]
    table = decision.tabulate(raw, vocabulary, Rules(5))
    assert table["disease"].unique(maintain_order=True).to_list() == [
        ALL_DISEASES,
        *(vocabulary.phenotypes[i] for i in (1, 3)),
    ]
    few = ((raw["treated"] > 0) & (raw["treated"] < 5)).to_numpy()
    assert few.any()
    hidden = table["value"].is_null().to_numpy()
    assert hidden[few].all()
    for column in ("rightly", "in_vain"):
        counts = raw[column].to_numpy()
        assert not ((counts[~hidden] > 0) & (counts[~hidden] < 5)).any()
        for curve in range(0, len(raw), len(THRESHOLDS)):
            rows = slice(curve, curve + len(THRESHOLDS))
            falls = -np.diff(counts[rows][~hidden[rows]])
            assert not ((falls > 0) & (falls < 5)).any()
    assert hidden.mean() < 0.35


def test_strategies_that_differ_by_few_patients_are_not_both_shown(vocabulary: Vocabulary) -> None:
    """At 0.03, risks as trained and recalibrated treat 60 and 58 of 86 patients in vain."""
    patients, positives = 97, 11
    treated = {"as trained": 60, "recalibrated": 58, EVERYBODY: patients - positives}
    rows = [
        {
            "task": "T2", "model": "behrt", "disease": 1, "strategy": strategy, "threshold": 0.03,
            "value": (positives - in_vain * 0.03 / 0.97) / patients, "low": 0.0, "high": 0.2,
            "patients": patients, "positives": positives, "treated": positives + in_vain,
            "rightly": positives, "in_vain": in_vain,
        }
        for strategy, in_vain in treated.items()
    ]  # fmt: skip
    raw = pl.DataFrame(rows, schema_overrides={"disease": pl.Int16})
    exact = raw.with_columns(pl.lit("A disease").alias("disease"), pl.col("value").round(6))
    assert small_benefits({"decision": exact}, Rules(5)) == ["decision: T2, behrt, A disease"]
    table = decision.tabulate(raw, vocabulary, Rules(5))
    assert table["value"].is_null().to_list() == [False, True, False]
    assert small_benefits({"decision": table}, Rules(5)) == []
    assert decision.tabulate(raw, vocabulary, Rules(2))["value"].null_count() == 0


def test_rounding_is_not_undone_by_shares_of_exact_numbers(
    frames: dict[str, pl.DataFrame], vocabulary: Vocabulary
) -> None:
    """What an attacker would compute from a share is the rounded number that stands beside it."""
    rules = Rules(8, 5)
    raw = frames["net_benefit"].with_columns(patients=pl.col("patients") + 2)
    curves = disclose(decision.tabulate(raw, vocabulary, rules), rules).filter(
        (pl.col("strategy") == EVERYBODY) & (pl.col("disease") != ALL_DISEASES)
    )
    odds = pl.col("threshold") / (1 - pl.col("threshold"))
    published = curves.select(
        exact=(pl.col("value") * pl.col("patients") + 300 * odds) / (1 + odds),
        shown="positives",
    ).drop_nulls()
    assert len(published)
    np.testing.assert_allclose(published["exact"], published["shown"], atol=0.01)

    measures = disclose(calibration.tabulate(frames["calibration"], rules), rules)
    share = measures.filter(measure="observed share")
    published = share.select(labels=pl.col("value") * pl.col("patients") * 6, shown="positives")
    np.testing.assert_allclose(published["labels"], published["shown"], atol=0.01)
    of = [measures.filter(measure=name)["value"] for name in ("mean risk", "observed / expected")]
    np.testing.assert_allclose(of[0] * of[1], share["value"], rtol=1e-4)

    groups = reliability.tabulate(frames["reliability"], rules).filter(kind="group").drop_nulls()
    pairs = (groups["share"] * 300 * 6).to_numpy()
    for told_of in (pairs, pairs * groups["observed"].to_numpy()):
        assert (np.abs(told_of - 5 * np.round(told_of / 5)) < 0.01).all()


def test_every_table_may_be_written(
    frames: dict[str, pl.DataFrame], vocabulary: Vocabulary
) -> None:
    rules = Rules(8, 5)
    for table in (
        metrics.tabulate(frames["averages"], "good", 8),
        calibration.tabulate(frames["calibration"], rules),
        reliability.tabulate(frames["reliability"], rules),
        decision.tabulate(frames["net_benefit"], vocabulary, rules),
    ):
        shown = disclose(table, rules)
        assert set((shown["patients"].drop_nulls() % 5).to_list()) == {0}


def test_tasks_are_read_from_their_folders(tmp_path: Path) -> None:
    paths = [tmp_path / task / "burden.parquet" for task in ("T2_all", "T3_all")]
    for i, path in enumerate(paths):
        path.parent.mkdir()
        pl.DataFrame({"model": ["a"], "value": [i]}).write_parquet(path)
    assert read_assessments(paths).rows() == [("T2_all", "a", 0), ("T3_all", "a", 1)]


def test_metrics_of_other_patients_are_refused() -> None:
    patients, _ = examined(20, 3, 1)
    scored = pl.DataFrame({"subject_id": patients.subject_id})
    recalibration = fit_recalibration(patients.scores, patients.labels)
    with pytest.raises(InputError, match="other patients"):
        assess(patients, scored[1:], recalibration, [0], [2], Bootstrap(10, 1), "T2")
