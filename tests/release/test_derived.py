"""Numbers that follow from several published tables are found, and no others."""

import polars as pl
import pytest

from behrt.catalogue import TABLE, products
from behrt.disclosure import Rules, disclose
from behrt.evaluation import population
from behrt.release.derived import covered, derived
from behrt.tables import cohort_flow
from behrt.tasks import Task


def flow(*patients: int | None) -> pl.DataFrame:
    return pl.DataFrame(
        {"step": range(len(patients)), "patients": patients, "excluded": [None] * len(patients)},
        schema_overrides={"excluded": pl.Int64},
    )


def people(**numbers: int | None) -> pl.DataFrame:
    """Return a published population table; names are task, split and what is counted."""
    rows = []
    for name, value in numbers.items():
        task, split, what = name.split("__")
        measure = "patients" if what == "patients" else f"{what} patients"
        rows.append((task, split, measure, "count", None if value is None else float(value)))
    columns = ["task", "split", "measure", "statistic", "value"]
    return pl.DataFrame(rows, schema=columns, orient="row")


def models(task: str, patients: int | None, undefined: int | None) -> pl.DataFrame:
    return pl.DataFrame(
        [(task, metric, patients, undefined) for metric in ("APS", "AUROC")],
        schema={
            "task": pl.String,
            "metric": pl.String,
            "patients": pl.Int64,
            "undefined": pl.Int64,
        },
        orient="row",
    )


def test_a_step_follows_from_the_population() -> None:
    tables = {"cohort_flow": flow(100, 80, None)}
    assert derived(tables, Rules(5)) == []
    tables["population"] = people(histories__all__eligible=77, histories__all__patients=60)
    assert derived(tables, Rules(5)) == ["flow 1 excluded"]
    assert derived({"cohort_flow": flow(100, 80, 78)}, Rules(5)) == ["flow 1 excluded"]
    assert derived({"cohort_flow": flow(100, 80, 80)}, Rules(8, 5)) == []


def test_the_eligible_of_two_tasks_are_nested() -> None:
    table = people(T2__all__eligible=50, T3__all__eligible=47)
    windowed = ["T2", "T3"]
    found = ["T2 not T3 all eligible"]
    assert derived({"population": table}, Rules(5), windowed) == found
    assert derived({"population": table}, Rules(3), windowed) == []


def test_the_undefined_follow_from_the_population() -> None:
    numbers = people(T1__held_out__patients=90, T1__held_out__eligible=90)
    tables = {"population": numbers, "table2": models("T1", 87, None)}
    assert derived({"table2": tables["table2"]}, Rules(5)) == []
    assert "T1 first_incidence APS undefined" in derived(tables, Rules(5))


def test_a_hidden_split_follows_from_the_others() -> None:
    numbers = people(
        T1__all__patients=100, T1__train__patients=80, T1__tuning__patients=17,
        T1__held_out__patients=None,
    )  # fmt: skip
    assert "T1 held_out patients" in derived({"population": numbers}, Rules(5))


def rows(**columns: object) -> pl.DataFrame:
    """Return a table; a column that is no list has the same value in every row."""
    length = max(len(values) for values in columns.values() if isinstance(values, list))
    return pl.DataFrame(
        {k: v if isinstance(v, list) else [v] * length for k, v in columns.items()}, strict=False
    )


CASES = {
    "patients without a label": (
        {
            "calibration": rows(task="T2", patients=[90], positives=150),
            "calibration_all": rows(task="T2_all", patients=[93], positives=150),
        },
        ["T2 held_out unused"],
    ),
    "patients without a label, whatever the name of the task": (
        {
            "calibration": rows(task="Years5", patients=[90], positives=150),
            "calibration_all": rows(task="Years5_all", patients=[93], positives=150),
        },
        ["Years5 held_out unused"],
    ),
    "and nobody else": (
        {
            "calibration": rows(task="T2", patients=[90], positives=150),
            "calibration_all": rows(task="T2_all", patients=[95], positives=150),
        },
        [],
    ),
    "women without a label": (
        {
            "subgroups": rows(
                task="T2", subgroup="sex", group=["women", "men"],
                metric="observed / expected", patients=[40, 50],
            ),
            "subgroups_all": rows(
                task="T2_all", subgroup="sex", group=["women", "men"],
                metric="observed / expected", patients=[43, 60],
            ),
        },
        ["T2 sex women unused"],
    ),
    "a subgroup that is left of a whole": (
        {
            "subgroups": rows(
                task="T1", subgroup=["age"] * 3 + ["sex"] * 2,
                group=["0 to 17", "18 to 29", "30 to 39", "women", "men"],
                metric="observed / expected", patients=[None, 50, 30, 43, 40],
            ),
            "calibration": rows(task="T1", patients=[83], positives=100),
        },
        ["T1 age 0 to 17 patients"],
    ),
    "patients of unknown sex": (
        {
            "sex_specific": rows(
                task="T2", model="a", disease="Endometriosis", sex=["female"], patients_own=40,
                patients_other=47, recorded_own=None, recorded_other=0, predicted_own=10,
                predicted_other=0, ranked_own=None, ranked_other=None, ranked_other_recorded=None,
            ),
            "diseases": rows(task="T2", disease="Asthma", patients=[90], positives=20),
        },
        ["T2 sex unknown patients"],
    ),
    "all women but few": (
        {
            "sex_specific": rows(
                task="T2", model="a", disease="Endometriosis", sex=["female"], patients_own=40,
                patients_other=None, recorded_own=20, recorded_other=0, predicted_own=38,
                predicted_other=0, ranked_own=None, ranked_other=None, ranked_other_recorded=None,
            ),
        },
        ["T2 a Endometriosis predicted own not"],
    ),
    "all patients of a disease but few": (
        {
            "decision": rows(task="T2", disease=["Asthma"], patients=None, positives=88),
            "disease_differences": rows(task="T2", disease=["Gout"], patients=90, positives=30),
        },
        ["T2 Asthma negatives"],
    ),
    "a score that few lack": (
        {
            "metrics": rows(
                task="T1", labels="first_incidence", average=["sample", "micro"], metric="APS",
                patients=[87, 90], undefined=[None, 0],
            ),
        },
        ["T1 first_incidence APS undefined"],
    ),
    "combinations and protocols": (
        {
            "ablation": rows(
                task="T1", label_set="first_incidence", metric=["APS"], patients=80, undefined=10
            ),
            "protocols": rows(
                task="T1", label_set="first_incidence", metric=["AUROC"], patients=78,
                undefined=None,
            ),
        },
        ["T1 first_incidence AUROC without"],
    ),
    "a group of risks that has nearly everybody": (
        {
            "reliability": rows(
                task="T1", model="a", risks="as trained", kind=["group", "curve"],
                predicted=[0.1, 0.2], patients=[86, None], positives=[20, None],
            ),
            "table1": models("T1", 90, 0),
        },
        ["T1 a as trained 0.1 outside"],
    ),
    "a code that nearly all have": (
        {
            "sex_agnostic_codes": rows(
                disease="Endometriosis", system="medcode", code=["1"], patients_own=50,
                patients_other=30, disease_other=32,
            ),
        },
        ["events Endometriosis not medcode 1 other sex"],
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_numbers_that_follow_from_several_tables(case: str) -> None:
    tables, found = CASES[case]
    assert derived(tables, Rules(5)) == found
    assert derived(tables, Rules(2)) == []


def test_every_table_with_numbers_of_patients_is_covered() -> None:
    """A table of the workflow that is not covered must be added to the relations, or to these."""
    made = {product.name for product in products(searches=["1"]) if product.kind == TABLE}
    assert len(made) > 12
    without_patients = {"neighbours", "neighbour_overlap", "search_1", "training"}
    # It has shares of predictions, and no number of patients.
    without_patients.add("outcome_reliability")
    assert {name for name in made if not covered(name)} == without_patients


def test_tables_that_contradict_one_another_are_refused() -> None:
    tables = {
        "decision": rows(task="T2", disease=["Asthma"], patients=90, positives=20),
        "diseases": rows(task="T2", disease=["Asthma"], patients=90, positives=40),
    }
    with pytest.raises(ValueError, match="contradict"):
        derived(tables, Rules(5))


def test_no_number_follows_from_tables_of_the_workflow() -> None:
    """Small tallies of three tasks and a flow, as in a tiny cohort, at several thresholds."""
    left = [400, 312, 309, 250]
    eligible = {"histories": (180, 40, 30), "T2": (100, 20, 12), "T3": (97, 18, 11)}
    patients = {"histories": (176, 38, 28), "T2": (60, 9, 8), "T3": (70, 12, 3)}
    rows = [
        (task, split, tally, 1, count)
        for tally, counts in (("eligible", eligible), ("patients", patients))
        for task in counts
        for split, count in zip(("train", "tuning", "held_out"), counts[task], strict=True)
    ]
    rows += [
        (task, split, "women", 1, count // 2)
        for task, split, t, _, count in rows
        if t != "eligible"
    ]
    tallies = pl.DataFrame(rows, schema=["task", "split", "tally", "value", "count"], orient="row")
    steps = pl.DataFrame({"step": range(4), "patients": left})
    tasks = [Task("T2", 6), Task("T3", 12)]
    for rules in (Rules(5), Rules(8, 5), Rules(20), Rules(3, 10)):
        tables = {
            "cohort_flow": disclose(cohort_flow.tabulate(steps, rules), rules),
            "population": disclose(population.tabulate(tallies, tasks, rules, left), rules),
        }
        assert derived(tables, rules, ["T2", "T3"]) == []
        assert tables["population"]["value"].null_count() < tables["population"].height
