"""Any MEDS dataset: public prefixes, own codes, follow-up, and what is refused."""

import datetime
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from behrt.errors import InputError
from behrt.files import read_json
from behrt.sources.codes import Codes, read_crosswalk
from behrt.sources.events import make_events
from behrt.sources.meds import Structure, find_parts, to_records
from behrt.sources.records import Tally, write_records
from behrt.sources.words import CodeWords

from .conftest import DEFAULT_SYSTEMS, STRUCTURE, bring_in, outcomes, steps

HYPERTENSION, DIABETES = "CALIBER//Hypertension", "CALIBER//Diabetes"


def write(
    folder: Path, rows: list[tuple[int | None, str | None, str | None]], **kinds: Any
) -> Path:
    """Write (subject, day or moment, code) as one data file of a MEDS dataset."""
    frame = pl.DataFrame(
        rows,
        schema={"subject_id": pl.Int64, "time": pl.String, "code": pl.String},
        orient="row",
    ).with_columns(pl.col("time").str.to_datetime(time_unit="us", strict=False))
    path = folder / "data" / "train" / "0.parquet"
    path.parent.mkdir(parents=True)
    frame.with_columns(pl.col(name).cast(kind) for name, kind in kinds.items()).write_parquet(path)
    return folder


def of(rows: pl.DataFrame, subject: int = 1) -> list[tuple[str | None, str]]:
    day = pl.col("time").dt.to_string("%Y-%m-%d")
    return rows.filter(pl.col("subject_id") == subject).select(day, "code").rows()


@pytest.mark.parametrize(
    ("code", "event"),
    [
        ("DIAGNOSIS//ICD//10//I10", HYPERTENSION),
        ("DIAGNOSIS//ICD//10//E1165", DIABETES),
        ("DIAGNOSIS//ICD//10CM//E11.65", DIABETES),
        ("ICD10CM/I10", HYPERTENSION),
        ("ICD10CM//i10", HYPERTENSION),
        ("ICD10/I22.1", "CALIBER//Infarction"),
        ("ICD10/I22.0", None),
        ("Read/G20..11", HYPERTENSION),
        ("READ//C10F.", DIABETES),
        ("Read/1434000", DIABETES),
        ("DIAGNOSIS//ICD//9//25000", DIABETES),
        ("ICD9CM/401.9", HYPERTENSION),
        ("ICD9CM/V10", None),
        ("DIAGNOSIS//ICD//10//", None),
        ("ICD10CM/Z3A.01", None),
        ("CALIBER//Hypertension", HYPERTENSION),
        ("CALIBER//Plague", None),
        ("PROCEDURE//ICD//10//I10", None),
        ("I10", None),
    ],
)
def test_codes_of_public_datasets_are_mapped(
    code: str, event: str | None, tmp_path: Path, lists: dict[str, Path]
) -> None:
    crosswalk = tmp_path / "crosswalk.csv"
    crosswalk.write_text("source,target\n250.00,E11.9\n4019,I10\n")
    folder = write(
        tmp_path / "meds",
        [(1, "1950-03-15", "MEDS_BIRTH"), (1, "2000-01-01", code), (1, "2000-01-02", "ICD10/E11")],
    )
    rows = bring_in("meds", folder, tmp_path / "out", lists, crosswalk=crosswalk, shards=1)
    on_the_day = [c for day, c in of(rows) if day == "2000-01-01" and c != "FOLLOW_UP//START"]
    assert on_the_day == ([event] if event else [])


def test_follow_up_runs_from_first_to_last_event_or_as_given(
    tmp_path: Path, lists: dict[str, Path]
) -> None:
    birth, code = "1950-03-15 10:00:00", "ICD10CM/I10"
    folder = write(
        tmp_path / "meds",
        [
            *[(i, birth, "MEDS_BIRTH//x") for i in (1, 2, 3, 4)],
            (1, None, "GENDER//F"),
            (1, "1990-05-05 23:59:59", "LAB//1"),
            (1, "1991-01-01 08:00:00", code),
            (1, "1991-01-01 09:00:00", code),
            (1, "1999-01-01", "LAB//1"),
            (2, None, "SEX//male"),
            (2, "1980-01-01", code),
            (2, "1985-01-01", "FOLLOW_UP//START"),
            (2, "1986-01-01", code),
            (2, "1987-01-01", "FOLLOW_UP//END"),
            (2, "1988-01-01", code),
            (3, "1980-01-01", code),
            (3, "1981-01-01", "MEDS_DEATH"),
            (3, "1982-01-01", code),
            (3, None, code),
            (3, None, "REGION//4"),
            (4, "1990-01-01", "LAB//1"),
            (5, "1990-01-01", code),
            (6, "1950-01-01", "MEDS_BIRTH"),
            (6, "1950-02-01", "MEDS_BIRTH"),
            (6, "1990-01-01", code),
        ],
    )
    out = tmp_path / "out"
    rows = bring_in("meds", folder, out, lists, shards=3)
    assert of(rows, 1) == [
        (None, "SEX//female"),
        ("1950-03-01", "MEDS_BIRTH"),
        ("1990-05-05", "FOLLOW_UP//START"),
        ("1991-01-01", HYPERTENSION),
        ("1999-01-01", "FOLLOW_UP//END"),
    ]
    assert of(rows, 2)[2:] == [
        ("1985-01-01", "FOLLOW_UP//START"),
        ("1986-01-01", HYPERTENSION),
        ("1987-01-01", "FOLLOW_UP//END"),
    ]
    assert of(rows, 3) == [
        (None, "REGION//4"),
        (None, "SEX//unknown"),
        ("1950-03-01", "MEDS_BIRTH"),
        ("1980-01-01", HYPERTENSION),
        ("1980-01-01", "FOLLOW_UP//START"),
        ("1981-01-01", "FOLLOW_UP//END"),
        ("1981-01-01", "MEDS_DEATH"),
    ]
    assert steps(out) == [6, 4, 4, 3]
    assert outcomes(out) == {
        ("icd10", "mapped"): 4,
        ("icd10", "outside follow-up"): 3,
        ("icd10", "no date"): 1,
        ("icd10", "not in the cohort"): 2,
    }


def test_own_codes_are_words_if_enough_patients_have_them(tmp_path: Path) -> None:
    rows = [(i, "1950-01-01", "MEDS_BIRTH") for i in range(4)]
    rows += [(i, "1990-01-01", "DX//common") for i in range(4)]
    rows += [
        (0, "1990-01-02", "DX//rare"),
        (1, "1990-01-02", "LAB//x"),
        (2, "1990-01-02", "LAB//x"),
    ]
    folder = write(tmp_path / "meds", rows)  # type: ignore[arg-type]
    metadata = folder / "metadata" / "codes.parquet"
    metadata.parent.mkdir()
    pl.DataFrame(
        {
            "code": ["DX//common", "LAB//x"],
            "description": ["Something common", None],
            "parent_codes": [["CHAPTER//Common", "OMOP/1"], ["OMOP/2"]],
        }
    ).write_parquet(metadata)

    def words(name: str, **options: Any) -> pl.DataFrame:
        out = tmp_path / name
        bring_in("meds", folder, out, minimum_patients=2, metadata=metadata, **options)
        return pl.read_parquet(out / "meds/metadata/codes.parquet").filter(
            pl.col("code").str.starts_with("CODE//")
        )

    assert words("all", own=["DX//", "LAB//"]).rows() == [
        ("CODE//DX//common", "Something common", ["CHAPTER//Common"]),
        ("CODE//LAB//x", "LAB//x", None),
    ]
    assert words("some", own=["DX//"])["code"].to_list() == ["CODE//DX//common"]
    assert read_json(tmp_path / "all" / "words.json")["too_rare_to_be_words"] == 1


def test_only_dated_diagnoses_are_words_by_default(tmp_path: Path) -> None:
    rows: list[tuple[int | None, str | None, str | None]] = []
    for i in range(4):
        rows += [(i, "1950-01-01", "MEDS_BIRTH"), (i, "1990-01-01", "ICD10CM/I10")]
        rows += [(i, "1990-01-01", "LAB//x"), (i, None, "ICD10CM/E11"), (i, None, "LAB//y")]
    out = tmp_path / "out"
    bring_in("meds", write(tmp_path / "meds", rows), out, minimum_patients=2)
    words = pl.read_parquet(out / "words.parquet")
    assert words.select("code", "event").rows() == [
        ("ICD10CM/E11", None),
        ("ICD10CM/I10", "CODE//ICD10CM/I10"),
    ]
    assert outcomes(out) == {("own", "mapped"): 4, ("icd10", "no date"): 4}


def test_own_codes_fill_in_where_no_list_maps(tmp_path: Path, lists: dict[str, Path]) -> None:
    rows = [(1, "1950-01-01", "MEDS_BIRTH"), (1, "1990-01-01", "ICD10/I10")]
    rows += [(1, "1990-01-01", "ICD10/J45"), (1, "1990-01-01", "LAB//x")]
    folder = write(tmp_path / "meds", rows)  # type: ignore[arg-type]
    events = bring_in("meds", folder, tmp_path / "out", lists, own=["ICD10"])
    words = [code for _, code in of(events) if code.startswith(("CALIBER", "CODE"))]
    assert words == [HYPERTENSION, "CODE//ICD10/J45"]


def test_rows_that_are_no_meds_are_counted(tmp_path: Path, lists: dict[str, Path]) -> None:
    good = [(1, "1950-01-01", "MEDS_BIRTH"), (1, "1990-01-01", "ICD10/I10")]
    bad = [
        (None, "1990-01-01", "ICD10/I10"),
        (1, "1990-01-01", None),
        (1, "1990-01-01", ""),
        (1, "0001-01-01", "ICD10/I10"),
        (1, "9999-12-31", "ICD10/I10"),
        (1, None, "MEDS_DEATH"),
    ]
    folder = write(tmp_path / "meds", good + bad)
    bring_in("meds", folder, tmp_path / "out", lists, maximum_refused=0.8)
    (manifest,) = read_json(tmp_path / "out" / "imported" / "data" / "001.json")["parts"]
    assert manifest["rows_read"] == 8
    assert manifest["rows_kept"] == 2
    assert manifest["rows_refused"] == {
        "a date outside the years 1800 to 2299": 2,
        "birth or death without a time": 1,
        "blank code": 2,
        "blank subject_id": 1,
    }
    with pytest.raises(InputError, match=r"75\.0% of the rows cannot be used") as caught:
        bring_in("meds", folder, tmp_path / "again", lists, maximum_refused=0.5)
    assert "raise" not in caught.value.fix


@pytest.mark.parametrize(
    "kinds",
    [
        {"time": pl.Datetime("ns")},
        {"time": pl.Datetime("us", "UTC")},
        {"time": pl.Date},
        {"subject_id": pl.UInt32},
        {"code": pl.Categorical},
    ],
    ids=str,
)
def test_near_relations_of_the_schema_are_read(
    kinds: dict[str, Any], tmp_path: Path, lists: dict[str, Path]
) -> None:
    rows = [(1, "1950-01-01", "MEDS_BIRTH"), (1, "1990-01-01", "ICD10/I10")]
    folder = write(tmp_path / "meds", rows, **kinds)  # type: ignore[arg-type]
    assert ("1990-01-01", HYPERTENSION) in of(bring_in("meds", folder, tmp_path / "out", lists))


@pytest.mark.parametrize(
    ("kinds", "message"),
    [
        ({"subject_id": pl.String}, "column subject_id is of type .*string"),
        ({"time": pl.String}, "column time is of type .*string"),
    ],
)
def test_other_schemas_are_refused(
    kinds: dict[str, Any], message: str, tmp_path: Path, lists: dict[str, Path]
) -> None:
    folder = write(tmp_path / "meds", [(1, "1950-01-01", "MEDS_BIRTH")], **kinds)
    with pytest.raises(InputError, match=message):
        bring_in("meds", folder, tmp_path / "out", lists)


def test_what_is_no_dataset_is_named(tmp_path: Path, lists: dict[str, Path]) -> None:
    with pytest.raises(InputError, match="no Parquet file in data/"):
        find_parts(tmp_path)
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "0.parquet").write_bytes(b"PAR1 no")
    with pytest.raises(InputError, match="cannot be read as Parquet"):
        bring_in("meds", tmp_path, tmp_path / "out", lists)
    pq.write_table(pa.table({"subject_id": [1]}), tmp_path / "data" / "0.parquet")
    with pytest.raises(InputError, match="no column time, code"):
        bring_in("meds", tmp_path, tmp_path / "out", lists)


def test_what_is_no_expression_and_no_crosswalk_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"'I10\(' is not a regular expression"):
        Codes.read([{"prefix": "I10(", "system": "icd10"}], None, True)
    path = tmp_path / "crosswalk.csv"
    for text, message in (
        ("icd9,icd10,flags\n4019,I10,0\n", "has 3 columns, not two"),
        ("icd9,icd10\nI10,4019\n", "no row has an ICD-9-CM and an ICD-10 code"),
        ("", "cannot be read as CSV"),
    ):
        path.write_text(text)
        with pytest.raises(InputError, match=message):
            read_crosswalk(path)


@settings(max_examples=40)
@given(
    st.lists(
        st.tuples(
            st.integers(-5, 5),
            st.one_of(st.none(), st.dates(datetime.date(1940, 1, 1), datetime.date(2020, 1, 1))),
            st.sampled_from(["MEDS_BIRTH", "MEDS_DEATH", "ICD10/I10", "LAB", "FOLLOW_UP//START"]),
        ),
        max_size=60,
    )
)
def test_nothing_is_lost_and_nobody_has_events_outside_follow_up(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[int, datetime.date | None, str]]
) -> None:
    folder = tmp_path_factory.mktemp("property")
    tally = Tally("x")
    codes = Codes.read(DEFAULT_SYSTEMS["meds"], None, True)
    schema = {"subject_id": pl.Int64, "time": pl.Date, "code": pl.String}
    records = to_records(
        pl.DataFrame(rows, schema=schema, orient="row"), codes, Structure.read(STRUCTURE), tally
    )
    assert tally.rows_read == len(rows) == tally.rows_kept + sum(tally.refused.values())
    write_records([records], folder / "r.parquet", 1)
    words = {"code": "ICD10/I10", "concept": None, "system": "icd10", "event": HYPERTENSION}
    CodeWords.validate(pl.DataFrame([words]), cast=True).write_parquet(folder / "w.parquet")
    made = make_events([folder / "r.parquet"], folder / "w.parquet", 0)
    events, judged, flow = made.events, made.outcomes, made.flow
    assert judged["rows"].sum() == sum(code == "ICD10/I10" for _, _, code in rows)
    assert flow["patients"].to_list() == sorted(flow["patients"], reverse=True)
    subjects = {subject for subject, time, code in rows if time or not code.startswith("MEDS_")}
    assert flow["patients"][0] == len(subjects)
    assert events["subject_id"].n_unique() == flow["patients"][-1]
    bounds = events.group_by("subject_id").agg(
        start=pl.col("time").filter(pl.col("code") == "FOLLOW_UP//START").first(),
        end=pl.col("time").filter(pl.col("code") == "FOLLOW_UP//END").first(),
        birth=pl.col("time").filter(pl.col("code") == "MEDS_BIRTH").first(),
    )
    assert (bounds["birth"] <= bounds["start"]).all()
    within = events.join(bounds, on="subject_id").filter(
        ~pl.col("code").is_in(["MEDS_BIRTH"]) & pl.col("time").is_not_null()
    )
    assert within["time"].is_between(within["start"], within["end"]).all()
