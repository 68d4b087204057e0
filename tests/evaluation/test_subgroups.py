"""Subgroups: who is in which, their means and intervals, and what is not shown."""

from pathlib import Path

import hypothesis.strategies as st
import numpy as np
import polars as pl
import pytest
from hypothesis import assume, given, settings

from behrt.disclosure import Rules, disclose
from behrt.evaluation.bootstrap import Bootstrap, draws
from behrt.evaluation.subgroups import (
    AGES,
    LEAST_OF_A_PRACTICE,
    METRICS,
    age_band,
    group_order,
    hide_supports,
    read_traits,
    tabulate,
)
from behrt.release.derived import derived

PATIENTS = 400
PRACTICES = 8


def test_ages_fall_into_bands() -> None:
    assert [age_band(years) for years in (0, 17, 18, 29, 79, 80, 104)] == [
        *("0 to 17", "0 to 17", "18 to 29", "18 to 29"),
        *("70 to 79", "80 and over", "80 and over"),
    ]
    names = [age_band(first) for first in AGES]
    backwards = names[::-1]
    assert sorted(backwards, key=group_order) == names
    assert sorted(["unknown", "10", "9"], key=group_order) == ["9", "10", "unknown"]


def test_age_is_that_of_the_last_input_visit(tmp_path: Path) -> None:
    sequences = pl.DataFrame(
        {
            "subject_id": [1, 2],
            "sex": pl.Series([2, 0], dtype=pl.Int8),
            "region": [None, 7],
            "practice": [5, None],
            "visit_age": [[12 * 29, 12 * 30 - 1, 12 * 30], [1000]],
        }
    )
    sequences.write_parquet(tmp_path / "00.parquet")
    task = pl.DataFrame({"subject_id": [2, 1], "input_visits": pl.Series([1, 2], dtype=pl.Int16)})
    task.write_parquet(tmp_path / "T2.parquet")
    traits = read_traits([tmp_path / "00.parquet"], tmp_path / "T2.parquet")
    assert traits.select("subject_id", "sex", "age", "region", "practice").rows() == [
        (1, "women", "18 to 29", "unknown", 5),
        (2, "unknown", "80 and over", "7", None),
    ]


@pytest.fixture(scope="module")
def case() -> tuple[pl.DataFrame, pl.DataFrame]:
    random = np.random.default_rng(3)
    subject = pl.Series("subject_id", range(PATIENTS), dtype=pl.Int64)
    age = np.where(np.arange(PATIENTS) < 3, "0 to 17", "40 to 49")
    age[200:] = "50 to 59"
    traits = pl.DataFrame(
        {
            "subject_id": subject,
            "sex": random.choice(["men", "women"], PATIENTS),
            "age": age,
            "region": "3",
            "practice": 90_000 + np.arange(PATIENTS) % PRACTICES,
        }
    )
    auroc = pl.Series(random.random(PATIENTS)).set(pl.Series(np.arange(PATIENTS) % 5 == 0), None)
    patients = pl.DataFrame(
        {
            "subject_id": subject,
            "aps_all": random.random(PATIENTS),
            "auroc_all": auroc,
            "observed": random.integers(0, 4, PATIENTS),
            "expected": random.random(PATIENTS) * 3,
        }
    )
    return traits, patients


@pytest.fixture(scope="module")
def table(case: tuple[pl.DataFrame, pl.DataFrame]) -> pl.DataFrame:
    traits, patients = case
    return tabulate(traits, {"behrt": patients}, Bootstrap(200, 1), "T2", Rules(5))


def test_means_ratios_and_intervals_are_of_the_group(
    case: tuple[pl.DataFrame, pl.DataFrame], table: pl.DataFrame
) -> None:
    traits, patients = case
    women = patients.join(traits, on="subject_id").filter(pl.col("sex") == "women")
    rows = table.filter(pl.col("group") == "women")
    found = {row["metric"]: row for row in rows.iter_rows(named=True)}
    assert found["APS"]["value"] == pytest.approx(women["aps_all"].mean(), abs=5e-5)
    assert found["APS"]["patients"] == women["aps_all"].count()
    ratio = women["observed"].sum() / women["expected"].sum()
    assert found["observed / expected"]["value"] == pytest.approx(ratio, abs=5e-5)
    assert found["observed / expected"]["patients"] == len(women)
    chosen = (traits["sex"] == "women").to_numpy()
    resampled = []
    for weights in draws(PATIENTS, Bootstrap(200, 1), "T2").T:
        weight = weights * chosen
        resampled.append(
            (weight @ patients["observed"].to_numpy()) / (weight @ patients["expected"].to_numpy())
        )
    low, high = np.quantile(resampled, [0.025, 0.975])
    ends = found["observed / expected"]["low"], found["observed / expected"]["high"]
    assert ends == pytest.approx((low, high), abs=5e-5)


def test_a_small_group_and_what_gives_it_away_are_hidden(table: pl.DataFrame) -> None:
    ages = table.filter((pl.col("subgroup") == "age") & (pl.col("metric") == "AUROC"))
    assert ages["group"].to_list() == ["0 to 17", "40 to 49", "50 to 59"]
    assert ages["patients"].to_list() == [None, None, 160]
    disclose(table, Rules(5))
    assert ages["value"].is_null().to_list() == [True, True, False]


def test_practices_are_a_distribution_without_numbers(
    case: tuple[pl.DataFrame, pl.DataFrame], table: pl.DataFrame
) -> None:
    traits, patients = case
    rows = table.filter((pl.col("subgroup") == "practice") & (pl.col("metric") == "AUROC"))
    means = (
        patients.join(traits, on="subject_id").group_by("practice").agg(pl.col("auroc_all").mean())
    )
    expected = np.quantile(means["auroc_all"].to_numpy(), [0.05, 0.5, 0.95])
    np.testing.assert_allclose(rows["value"].to_numpy(), expected, atol=5e-5)
    assert (rows["practices"] == PRACTICES).all()
    # Here practices differ by chance alone.
    assert (rows["low"] < rows["value"]).all()
    assert (rows["value"] < rows["high"]).all()
    assert rows["patients"].null_count() == 3
    assert not any("9000" in text for text in table["group"])


def test_practices_that_differ_lie_beyond_chance(
    case: tuple[pl.DataFrame, pl.DataFrame],
) -> None:
    traits, patients = case
    better = (traits["practice"] - 90_000) / (2 * PRACTICES)
    unlike = patients.with_columns(auroc_all=0.5 * patients["auroc_all"] + better)
    rows = tabulate(traits, {"m": unlike}, Bootstrap(100, 1), "T2", Rules(5)).filter(
        (pl.col("subgroup") == "practice") & (pl.col("metric") == "AUROC")
    )
    found = {row["statistic"]: row for row in rows.iter_rows(named=True)}
    assert found["5th percentile"]["value"] < found["5th percentile"]["low"]
    assert found["95th percentile"]["value"] > found["95th percentile"]["high"]


def test_few_practices_are_not_shown(case: tuple[pl.DataFrame, pl.DataFrame]) -> None:
    traits, patients = case
    practice = pl.Series(np.where(np.arange(PATIENTS) < LEAST_OF_A_PRACTICE, 1, 2))
    table = tabulate(
        traits.with_columns(practice=practice), {"m": patients}, Bootstrap(20, 1), "T2", Rules(5)
    )
    rows = table.filter(pl.col("subgroup") == "practice")
    assert rows["value"].null_count() == len(rows)


def same_risks(group: np.ndarray, observed: np.ndarray, rules: Rules) -> dict[str, float | None]:
    """Return observed over expected in each group, where all patients have the same risks."""
    n = len(group)
    subject = pl.Series("subject_id", range(n), dtype=pl.Int64)
    traits = pl.DataFrame({"subject_id": subject, "sex": group, "age": "a", "region": "3"})
    with_label = pl.when(pl.col("observed") > 0).then(pl.lit(0.5))
    patients = pl.DataFrame({"subject_id": subject, "observed": observed, "expected": 0.7})
    patients = patients.with_columns(aps_all=with_label, auroc_all=with_label)
    practices = traits.with_columns(practice=pl.lit(None, pl.Int64))
    table = tabulate(practices, {"prevalence": patients}, Bootstrap(20, 1), "T2_all", rules)
    rows = table.filter(subgroup="sex", metric="observed / expected")
    return dict(rows.select("group", "value").iter_rows())


def test_a_ratio_does_not_show_the_labels_of_few_patients() -> None:
    """Of 60 men 3 have a label: 3 / (60 * 0.7) has no other numerator."""
    group = np.repeat(["men", "women"], [60, 90])
    observed = np.isin(np.arange(150), [*range(3), *range(60, 80)]).astype(np.int64)
    assert same_risks(group, observed, Rules(5)) == {"men": None, "women": None}
    shown = same_risks(group, observed, Rules(2))
    assert shown == {"men": pytest.approx(0.0714, abs=5e-5), "women": 0.3175}


def test_a_ratio_beside_rounded_counts_is_of_rounded_counts() -> None:
    shown = [
        same_risks(
            np.repeat(["men", "women"], [men, 90]),
            (np.arange(men + 90) % men < labelled).astype(np.int64),
            Rules(8, 5),
        )["men"]
        for men, labelled in ((58, 18), (60, 20), (62, 22))
    ]
    assert shown == [pytest.approx(20 / 60 / 0.7, abs=5e-5)] * 3


@settings(max_examples=12, deadline=None)
@given(
    st.lists(st.tuples(*[st.integers(0, 12)] * 3), min_size=1, max_size=5), st.sampled_from([5, 8])
)
def test_no_group_follows_from_others_or_from_the_table_of_the_labelled(
    groups: list[tuple[int, int, int]], threshold: int
) -> None:
    """Groups by how many have an AUROC, an APS alone, and no label; beside those with a label."""
    auroc, alone, unused = np.array(groups).T
    assume(auroc.sum() >= threshold)
    assume(all(n == 0 or n >= threshold for n in (alone.sum(), unused.sum())))

    def table(task: str, counts: list[np.ndarray]) -> pl.DataFrame:
        hidden = hide_supports(np.array(counts), threshold)
        rows = [
            (task, "sex", str(g), metric, None if hidden[i, g] else int(counts[i][g]))
            for i, metric in enumerate(METRICS)
            for g in range(len(groups))
        ]
        columns = ["task", "subgroup", "group", "metric", "patients"]
        return pl.DataFrame(rows, columns, orient="row", infer_schema_length=None)

    aps = auroc + alone
    tables = {
        "subgroups": table("T2", [aps, auroc, aps]),
        "subgroups_all": table("T2_all", [aps, auroc, aps + unused]),
    }
    sample = [("T2", aps.sum(), 0), ("T2_all", aps.sum(), unused.sum())]
    tables["metrics"] = pl.DataFrame(
        [
            (task, "all", "sample", metric, n - less, without + less)
            for task, n, without in sample
            for metric, less in (("APS", 0), ("AUROC", alone.sum()))
        ],
        ["task", "labels", "average", "metric", "patients", "undefined"],
        orient="row",
    )
    assert derived(tables, Rules(threshold)) == []
