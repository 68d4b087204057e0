"""What jobs requested is compared with what they needed, and with what larger ones will need."""

import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from behrt import benchmark_files
from behrt.advice import REQUESTS, Line, advise, as_text, line_through, resources_for_profile
from behrt.resources import LONGEST

# rule, job, seconds, MB, MiB of input, asked MB, asked minutes, least MB, least minutes
JOBS = [
    ("extract", "patient/001", 6.0, 100.0, 1.0, 1020, 15.2, 1000, 15),
    ("extract", "clinical/001", 60.0, 190.0, 10.0, 1200, 17.0, 1000, 15),
    ("finetune", "T1/behrt", 600.0, 900.0, 5.0, 1800, 600.0, 1500, 60),
    ("page", "", 1.2, 60.0, 0.0, 4000, 15.0, 4000, 15),
    ("table", "metrics", 30.0, 2000.0, 4.0, 1000, 30.0, 1000, 30),
    ("removed", "", 3.0, 80.0, None, None, None, None, None),
]


def frames(jobs: list[tuple[object, ...]] = JOBS) -> tuple[pl.DataFrame, pl.DataFrame]:
    named = ("rule", "job", "seconds", "max_rss_mb", "input_mb", "asked_mb", "asked_minutes")
    frame = pl.DataFrame(jobs, schema=[*named, "least_mb", "least_minutes"], orient="row")
    frame = frame.with_columns(
        variant=pl.lit(""),
        cpu_seconds=pl.col("seconds") / 2,
        read_mb=pl.lit(0.0),
        written_mb=pl.lit(0.0),
    )
    measured = frame.select(set(benchmark_files.SCHEMA.names()) - {"path", "end"})
    requested = frame.drop_nulls("asked_mb").select(REQUESTS.names()).cast(dict(REQUESTS))
    return measured, requested


def test_advice_for_the_run_itself() -> None:
    advised = advise(*frames())
    assert advised["rule"].to_list() == ["extract", "finetune", "page", "removed", "table"]
    of = {row["rule"]: row for row in advised.iter_rows(named=True)}
    # The line through both jobs, 90 + 10 per MiB, at 10 MiB, and half as much again.
    assert of["extract"] == {
        "rule": "extract",
        "jobs": 2,
        "largest_input_mb": 10.0,
        "measured_gb": 0.19,
        "measured_minutes": 1.0,
        "cpu_minutes": 0.55,
        "asked_gb": 1.2,
        "asked_minutes": 17.0,
        "advised_gb": 0.3,
        "advised_minutes": 5.0,
        "advice": "enough",
    }
    assert (of["page"]["advised_gb"], of["page"]["advice"]) == (0.1, "less memory")
    assert (of["table"]["advised_gb"], of["table"]["advice"]) == (3.0, "more memory")
    assert of["removed"]["measured_gb"] == 0.08
    assert of["removed"]["advice"] is None
    assert resources_for_profile(advised) == {"table": {"mem_mb": 3000, "runtime": 5}}


def test_advice_for_ten_times_the_patients() -> None:
    advised = advise(*frames(), growth=10)
    of = {row["rule"]: row for row in advised.iter_rows(named=True)}
    # 90 + 10 × 100 MiB, and half as much again; asked is 1000 + 20 × 100 MiB.
    assert (of["extract"]["advised_gb"], of["extract"]["asked_gb"]) == (1.7, 3.0)
    # One size: as the request, 1500 + 300 × 10, of which half was measured.
    assert (of["finetune"]["advised_gb"], of["finetune"]["asked_gb"]) == (3.4, 4.5)
    assert of["finetune"]["asked_minutes"] == LONGEST
    # A request that does not depend on the input: it does not grow.
    assert (of["table"]["advised_gb"], of["table"]["advice"]) == (3.0, "more memory")


def test_the_text_has_the_changes_first() -> None:
    text = as_text(advise(*frames()), ["Measured: 6 jobs."])
    lines = text.splitlines()
    assert lines[0] == "Measured: 6 jobs."
    assert " ".join(lines[4].split()) == "table 1 4.0 2.0 1.0 3.0 0.5 30.0 5.0 more memory"
    assert [line.split()[0] for line in lines[5:]] == ["extract", "finetune", "page", "removed"]
    assert lines[-1].endswith("not compared")


def test_a_job_without_measures_counts_but_is_not_compared() -> None:
    measured, requested = frames(JOBS[:2])
    unmeasured = measured.with_columns(max_rss_mb=pl.lit(None, pl.Float64))
    row = advise(unmeasured, requested).row(0, named=True)
    assert (row["jobs"], row["measured_gb"], row["advice"]) == (2, None, None)
    assert as_text(advise(unmeasured, requested), []).count("not compared") == 1


sizes = st.lists(st.floats(0.01, 1e4), min_size=2, max_size=20, unique=True)


@given(sizes, st.data())
def test_no_measure_is_above_its_line(inputs: list[float], data: st.DataObject) -> None:
    count = len(inputs)
    measures = data.draw(st.lists(st.floats(1, 1e5), min_size=count, max_size=count))
    line = line_through(inputs, measures)
    assert line.slope >= 0
    for read, measured in zip(inputs, measures, strict=True):
        assert line.at(read) >= measured * (1 - 1e-6) - 1e-3 * (1 + read * 1e-3)


def test_measures_on_a_line_give_that_line() -> None:
    assert line_through([1.0, 4.0, 9.0], [12.0, 18.0, 28.0]) == Line(10.0, 2.0)
    assert line_through([1.0, 9.0], [50.0, 1.0]).slope == 0
