"""What follows from several published tables is recognised, and what does not is not."""

import polars as pl

from behrt.disclosure import Rules, disclose
from behrt.evaluation import cohort_flow, population
from behrt.release.derived import derived


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
    assert derived({"population": table}, Rules(5)) == ["T2 not T3 all eligible"]
    assert derived({"population": table}, Rules(3)) == []


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


def test_tables_that_the_run_writes_give_nothing_away() -> None:
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
    for rules in (Rules(5), Rules(8, 5), Rules(20), Rules(3, 10)):
        tables = {
            "cohort_flow": disclose(cohort_flow.tabulate(steps, rules), rules),
            "population": disclose(population.tabulate(tallies, rules, "cprd", left), rules),
        }
        assert derived(tables, rules) == []
        assert tables["population"]["value"].null_count() < tables["population"].height
