"""An OMOP folder: rows worked out by hand, the same from Parquet and CSV, and plain SQL's."""

import datetime
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import polars as pl
import pytest

from behrt.errors import InputError
from behrt.files import read_json
from behrt.sources import omop, table_files
from behrt.sources.omop import find_parts
from behrt.sources.records import Tally

from .conftest import bring_in, outcomes, steps

SYSTEMS = [{"prefix": "", "system": "icd10"}, {"prefix": "", "system": "icd9cm"}]
READ = [{"prefix": "", "system": "read"}]

TABLES: dict[str, tuple[str, list[tuple[Any, ...]]]] = {
    "person": (
        "person_id,gender_concept_id,year_of_birth,month_of_birth,care_site_id",
        [
            (1, 8532, 1950, 3, 7),
            (2, 8507, 1960, None, None),
            (3, 0, 1970, 12, None),
            (4, 8507, 1940, 1, None),
            (4, 8507, 1941, 1, None),
            (5, 0, 1980, 6, None),
        ],
    ),
    "observation_period": (
        "person_id,observation_period_start_date,observation_period_end_date",
        [
            (1, "2010-01-01", "2012-01-01"),
            (1, "2000-01-01", "2005-12-31"),
            (2, "1999-01-01", "2001-01-01"),
            (3, "1999-01-01", "2001-01-01"),
        ],
    ),
    "condition_occurrence": (
        "person_id,condition_start_date,condition_source_value,condition_concept_id",
        [
            (1, "2001-02-03", "I10", 320128),
            (1, "2001-02-03", "I10", 320128),
            (1, "2001-02-03", "i21.9", 4329847),
            (1, "2011-05-05", "I10", 320128),
            (1, None, "I10", 320128),
            (1, "2002-01-01", None, 0),
            (1, "2003-03-03", "ZZZ", 0),
            (2, "1999-05-05", "E11.65", 201826),
            (2, "2000-06-06", "250.00", 201826),
            (4, "2000-01-01", "I10", 320128),
            (5, "1990-01-01", "I10", 320128),
            (5, "1995-01-01", "E119", 201826),
            (6, "1995-01-01", "E119", 201826),
            (None, "1995-01-01", "E119", 201826),
        ],
    ),
    "visit_occurrence": (
        "person_id,visit_concept_id,visit_start_date,visit_end_date",
        [
            (1, 9201, "2001-02-02", "2001-02-10"),
            (2, 9202, "2000-06-06", None),
            (2, 9202, None, None),
            (5, 9203, "1989-12-31", "1990-01-02"),
            (5, 99, "1994-12-31", "1996-01-01"),
        ],
    ),
    "death": ("person_id,death_date", [(5, "1994-12-31"), (1, "2013-01-01")]),
}

EXPECTED = [
    (1, None, "PRACTICE//7"),
    (1, None, "SEX//female"),
    (1, "1950-03-01", "MEDS_BIRTH"),
    (1, "2000-01-01", "FOLLOW_UP//START"),
    (1, "2001-02-02", "VISIT//HOSPITAL"),
    (1, "2001-02-03", "CALIBER//Hypertension"),
    (1, "2001-02-03", "CALIBER//Infarction"),
    (1, "2005-12-31", "FOLLOW_UP//END"),
    (2, None, "SEX//male"),
    (2, "1960-01-01", "MEDS_BIRTH"),
    (2, "1999-01-01", "FOLLOW_UP//START"),
    (2, "1999-05-05", "CALIBER//Diabetes"),
    (2, "2000-06-06", "CALIBER//Diabetes"),
    (2, "2000-06-06", "VISIT//OUTPATIENT"),
    (2, "2001-01-01", "FOLLOW_UP//END"),
    (5, None, "SEX//unknown"),
    (5, "1980-06-01", "MEDS_BIRTH"),
    (5, "1989-12-31", "FOLLOW_UP//START"),
    (5, "1989-12-31", "VISIT//EMERGENCY"),
    (5, "1990-01-01", "CALIBER//Hypertension"),
    (5, "1994-12-31", "FOLLOW_UP//END"),
    (5, "1994-12-31", "MEDS_DEATH"),
    (5, "1994-12-31", "VISIT//OTHER"),
]


def frame(header: str, rows: list[tuple[Any, ...]]) -> pl.DataFrame:
    names = header.split(",")
    dates = {name for name in names if name.endswith("_date")}
    typed = {name: pl.String if name in dates or "source" in name else pl.Int64 for name in names}
    made = pl.DataFrame(rows, schema=typed, orient="row")
    return made.with_columns(pl.col(name).str.to_date() for name in dates)


def write(folder: Path, form: str, tables: dict[str, pl.DataFrame]) -> Path:
    """Write tables in one of the forms in which they are met."""
    folder.mkdir()
    for name, table in tables.items():
        upper = table.rename({column: column.upper() for column in table.columns})
        if form == "parquet":
            table.write_parquet(folder / f"{name}.parquet")
        elif form == "pandas parquet in parts":  # capitals, gaps as floats, times of day, two files
            floats = [c for c, kind in upper.schema.items() if kind == pl.Int64]
            loose = upper.with_columns(
                pl.col(floats).cast(pl.Float64), pl.col(pl.Date).cast(pl.Datetime("ns"))
            )
            (folder / name.upper()).mkdir()
            loose[:2].write_parquet(folder / name.upper() / "part-0.parquet")
            loose[2:].write_parquet(folder / name.upper() / "part-1.parquet")
        elif form == "csv":
            table.write_csv(folder / f"{name}.csv")
        else:  # capitals, TAB, a BOM, dates without dashes, NULL
            upper.write_csv(
                folder / f"{name.upper()}.CSV",
                separator="\t",
                include_bom=True,
                null_value="NULL",
                date_format="%Y%m%d",
                line_terminator="\r\n",
            )
    return folder


FORMS = ["parquet", "pandas parquet in parts", "csv", "tab-separated csv"]


@pytest.fixture
def crosswalk(tmp_path: Path) -> Path:
    path = tmp_path / "crosswalk.csv"
    path.write_text("icd9,icd10cm\n25000,E11.9\n4019,I10\n999X,I10\n")
    return path


def given(rows: pl.DataFrame) -> list[tuple[int, str | None, str]]:
    day = pl.col("time").dt.to_string("%Y-%m-%d")
    return rows.select("subject_id", day, "code").rows()


@pytest.mark.parametrize("form", FORMS)
def test_the_rows_are_those_worked_out_by_hand(
    form: str, tmp_path: Path, lists: dict[str, Path], crosswalk: Path
) -> None:
    tables = {name: frame(*table) for name, table in TABLES.items()}
    folder = write(tmp_path / "omop", form, tables)
    out = tmp_path / "out"
    rows = bring_in("omop", folder, out, lists, SYSTEMS, crosswalk=crosswalk)
    assert given(rows) == EXPECTED
    assert set(rows["time"].drop_nulls().dt.time()) == {datetime.time()}
    assert steps(out) == [6, 4, 4, 3]  # person 6 is in no person table, 4 has two births
    assert outcomes(out) == {
        ("icd10", "mapped"): 5,
        ("icd9cm", "mapped"): 1,
        ("icd10", "outside follow-up"): 2,
        ("icd10", "no date"): 1,
        ("none", "no code"): 1,
        ("none", "unmapped"): 1,
        ("icd10", "not in the cohort"): 2,
    }
    manifests = [
        part for path in (out / "imported").rglob("*.json") for part in read_json(path)["parts"]
    ]
    assert sum(m["rows_read"] for m in manifests) == sum(len(rows) for _, rows in TABLES.values())
    for manifest in manifests:
        refused = sum(manifest["rows_refused"].values())
        assert manifest["rows_read"] == manifest["rows_kept"] + refused
    reasons = [reason for m in manifests for reason in m["rows_refused"]]
    assert sorted(reasons) == ["blank person_id", "blank visit_start_date"]
    assert read_json(out / "words.json")["crosswalk"] == {
        "rows_read": 3,
        "pairs": 2,
        "rows_refused": {"not an ICD-9-CM code": 1, "not an ICD-10 code": 0},
    }


def test_read_codes_are_mapped_with_and_without_their_term(
    tmp_path: Path, lists: dict[str, Path]
) -> None:
    header = "person_id,condition_start_date,condition_source_value"
    codes = ["G20..00", "G20..", "G20", "G20..99", "C10F.", "1434.", "1434000", "g20..", "I10"]
    tables = {
        "person": frame(*TABLES["person"]),
        "condition_occurrence": frame(
            header, [(1, f"2001-01-{day:02d}", code) for day, code in enumerate(codes, start=1)]
        ),
    }
    rows = bring_in("omop", write(tmp_path / "omop", "csv", tables), tmp_path / "out", lists, READ)
    days = [
        (time.day, code)
        for _, time, code in rows.select("subject_id", "time", "code").iter_rows()
        if code.startswith("CALIBER")
    ]
    hypertension, diabetes = "CALIBER//Hypertension", "CALIBER//Diabetes"
    assert days == [
        (1, hypertension),
        (2, hypertension),
        (3, hypertension),
        (5, diabetes),
        (7, diabetes),
    ]


def test_concepts_are_words_of_their_own(tmp_path: Path) -> None:
    tables = {name: frame(*table) for name, table in TABLES.items()}
    folder = write(tmp_path / "omop", "parquet", tables)
    out = tmp_path / "out"
    rows = bring_in("omop", folder, out, condition="condition_concept_id", minimum_patients=2)
    words = {code for code in rows["code"] if code.startswith("CODE//")}
    assert words == {"CODE//OMOP//320128", "CODE//OMOP//201826"}
    codes = pl.read_parquet(out / "meds/metadata/codes.parquet")
    listed = codes.filter(pl.col("code").str.starts_with("CODE//"))
    assert set(listed["code"]) == words
    assert listed["parent_codes"].null_count() == 2
    assert outcomes(out)["none", "unmapped"] == 1  # 4329847, which one person has
    assert outcomes(out)["none", "no code"] == 2


PLAIN = """
create table births as select person_id id, min(make_date(y, m, 1)) birth from (
  select person_id::bigint person_id, year_of_birth::int y, coalesce(month_of_birth::int, 1) m
  from person) group by id having count(distinct (y, m)) = 1;
create table dx as select person_id::bigint id, condition_start_date::date as day,
  upper(replace(condition_source_value, '.', '')) code from condition_occurrence;
create table seen as
  select id, day as first, day as last from dx
  union all select person_id::bigint, visit_start_date::date, greatest(visit_start_date::date,
    coalesce(visit_end_date::date, visit_start_date::date)) from visit_occurrence
  union all select person_id::bigint, death_date::date, death_date::date from death;
create table span as select id, min(first) first, max(last) last from seen group by id;
create table longest as select person_id::bigint id,
  arg_min((observation_period_start_date::date, observation_period_end_date::date),
    ((observation_period_start_date::date - observation_period_end_date::date)::bigint,
     observation_period_start_date::date)) period
  from observation_period
  where observation_period_end_date::date >= observation_period_start_date::date group by id;
create table died as
  select person_id::bigint id, min(death_date::date) as day from death group by id;
create table follow as select id, birth, died.day death,
  greatest(coalesce(period[1], first), birth) s, least(coalesce(period[2], last), died.day) e
  from births left join span using (id) left join longest using (id) left join died using (id)
  where greatest(coalesce(period[1], first), birth) <= least(coalesce(period[2], last), died.day);
create table word as select distinct id, day, w from dx join follow using (id) join (values
  ('I10', 'Hypertension'), ('I21', 'Infarction'), ('I221', 'Infarction'), ('E11', 'Diabetes'))
  l(entry, w) on left(code, 4) = entry or (length(entry) = 3 and left(code, 3) = entry)
  where day between s and e;
create table cohort as select * from follow where id in (select id from word);
select id, day, 'CALIBER//' || w code from word
union select id, birth, 'MEDS_BIRTH' from cohort union select id, s, 'FOLLOW_UP//START' from cohort
union select id, e, 'FOLLOW_UP//END' from cohort
union select id, death, 'MEDS_DEATH' from cohort where death between s and e
union select person_id::bigint, visit_start_date::date, 'VISIT//' || case visit_concept_id::int
  when 9201 then 'HOSPITAL' when 262 then 'HOSPITAL' when 9203 then 'EMERGENCY'
  when 9202 then 'OUTPATIENT' else 'OTHER' end
  from visit_occurrence join cohort on id = person_id::bigint
  where visit_start_date::date between s and e
union select id, null, 'SEX//' || case when count(distinct g) filter (g in (8507, 8532)) <> 1
  then 'unknown' when max(g) filter (g in (8507, 8532)) = 8507 then 'male' else 'female' end
  from cohort join (select person_id::bigint id, gender_concept_id::int g from person) using (id)
  group by id
union select person_id::bigint, null, 'PRACTICE//' || care_site_id from person
  join cohort on id = person_id::bigint where care_site_id is not null
order by all nulls first
"""


@pytest.mark.parametrize("seed", [1, 2])
def test_the_rows_equal_those_of_plain_sql(
    seed: int, tmp_path: Path, lists: dict[str, Path]
) -> None:
    draw = np.random.default_rng(seed)

    def day(missing: float = 0.0) -> str | None:
        if draw.random() < missing:
            return None
        return str(np.datetime64("1930-01-01") + np.timedelta64(int(draw.integers(30_000)), "D"))

    def pick(*values: Any) -> Any:
        return values[draw.integers(len(values))]

    people = range(1, 301)
    codes = ("I10", "i10.9", "I21.4", "I22.0", "I22.11", "E11", "E119", "J45", "M54.5")
    numbers: dict[str, list[tuple[Any, ...]]] = {
        "person": [
            (i, pick(8507, 8532, 0), pick(1930, 1950, 1990), pick(1, 7, None), pick(3, None))
            for i in [*people, *range(1, 20)]
        ],
        "observation_period": [(pick(*people), day(), day()) for _ in range(300)],
        "condition_occurrence": [(pick(*people), day(0.05), pick(*codes), 0) for _ in range(3000)],
        "visit_occurrence": [
            (pick(*people), pick(9201, 262, 9202, 9203, 5), day(), day(0.5)) for _ in range(900)
        ],
        "death": [(i, day()) for i in people if draw.random() < 0.2],
    }
    tables = {name: frame(TABLES[name][0], rows) for name, rows in numbers.items()}
    folder = write(tmp_path / "omop", "csv", tables)
    rows = bring_in("omop", folder, tmp_path / "out", lists, SYSTEMS[:1], shards=3)
    connection = duckdb.connect()
    for name in tables:
        connection.execute(
            f"create view {name} as from read_csv('{folder}/{name}.csv', all_varchar=true)"
        )
    expected = connection.execute(PLAIN).fetchall()
    ours = rows.select("subject_id", pl.col("time").dt.date(), "code").rows()
    assert len(ours) > 1000
    assert ours == expected


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("condition_occurrence.csv", "person_id,condition_start_date\n", "no column condition_so"),
        ("condition_occurrence.csv", "a,A\n1,2\n", "no column person_id"),
        ("person.csv", "person_id,PERSON_ID,gender_concept_id,year_of_birth\n", "two columns"),
        (
            "person.csv",
            'person_id,gender_concept_id,year_of_birth\n1,2,"3\n2,2,1950\n3,2,1960\n4,"2",1970\n',
            "rows are 1 where lines are 4",
        ),
        ("person.parquet", "person_id\n1\n", "cannot be read as Parquet"),
        (
            "person.csv",
            "person_id,gender_concept_id,year_of_birth\n1,8507\nx,1,1950\n-5,1,1950\n"
            "9223372036854775808,1,1950\n",
            r"75\.0% of the rows cannot be used \(unreadable person_id 50",
        ),
    ],
)
def test_what_cannot_be_read_is_named(
    name: str, text: str, message: str, tmp_path: Path, lists: dict[str, Path]
) -> None:
    tables = {key: frame(*TABLES[key]) for key in ("person", "condition_occurrence")}
    folder = write(tmp_path / "omop", "csv", tables)
    folder.joinpath(name).with_suffix(".csv").unlink()
    folder.joinpath(name).write_text(text)
    with pytest.raises(InputError, match=message) as caught:
        bring_in("omop", folder, tmp_path / "out", lists, SYSTEMS)
    assert "-5" not in caught.value.problem + caught.value.fix
    assert not list((tmp_path / "out" / "imported" / Path(name).stem).glob("*.parquet"))


@pytest.mark.parametrize(
    ("line", "message"),
    [(b"1,2," + b"9" * 300, "a line is longer than 200 bytes"), (b"1,\xff,1950", "cannot be read")],
)
def test_a_line_without_end_or_in_another_encoding_is_named(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    line: bytes,
    message: str,
) -> None:
    monkeypatch.setattr(table_files, "_BLOCK_BYTES", 200)
    path = tmp_path / "person.csv"
    path.write_bytes(b"person_id,gender_concept_id,year_of_birth\n1,8507,1950,5\n" + line + b"\n")
    with pytest.raises(InputError, match=message):
        list(omop.read_batches(path, "person", "condition_source_value", Tally("person.csv")))
    assert capfd.readouterr().err == ""


def test_a_table_is_delivered_once_and_the_needed_ones_are(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such folder"):
        find_parts(tmp_path / "nowhere")
    tables = {key: frame(*TABLES[key]) for key in ("person", "condition_occurrence")}
    folder = write(tmp_path / "omop", "csv", tables)
    assert [part.table for part in find_parts(folder)] == ["condition_occurrence", "person"]
    tables["person"].write_parquet(folder / "PERSON.parquet")
    with pytest.raises(InputError, match="the table person is there twice"):
        find_parts(folder)
    (folder / "person.csv").unlink()
    (folder / "PERSON.parquet").unlink()
    with pytest.raises(InputError, match=r"no person\.parquet or person\.csv"):
        find_parts(folder)


def test_nobody_left_and_no_code_mapped_are_said(tmp_path: Path, lists: dict[str, Path]) -> None:
    tables = {key: frame(*TABLES[key]) for key in ("person", "condition_occurrence")}
    folder = write(tmp_path / "omop", "csv", tables)
    with pytest.raises(InputError, match="none of 6 codes of diagnoses becomes a word"):
        bring_in("omop", folder, tmp_path / "out", lists, READ)
    for path in folder.glob("person.csv"):
        path.write_text("person_id,gender_concept_id,year_of_birth\n99,0,1950\n")
    with pytest.raises(InputError, match="no subject is left after the step 'With follow-up"):
        bring_in("omop", folder, tmp_path / "out", lists, SYSTEMS)


CONCEPTS = (
    "concept_id,concept_name,vocabulary_id,concept_code\n"
    "44833365,Place,ICD9CM,E849.0\n"
    "45542411,Fibrosis,ICD10CM,E84.9\n"
    "35206882,Hypertension,ICD10CM,I10\n"
    '320128,"Essential, hypertension",SNOMED,59621000\n'
    "201826,Type 2 diabetes mellitus,SNOMED,44054006\n"
    "2000000001,Local code,MySite,E84.9\n"
)


def test_the_vocabulary_of_the_source_concept_decides_what_a_code_is(
    tmp_path: Path, lists: dict[str, Path]
) -> None:
    header = "person_id,condition_start_date,condition_source_value,condition_source_concept_id"
    days = [f"2001-01-{day:02d}" for day in range(1, 7)]
    codes = [
        ("E8490", 44833365),
        ("E8490", 45542411),
        ("x", 35206882),
        ("I10", 0),
        ("4019", 0),
        ("I10", 2000000001),
    ]
    rows = [(1, day, *code) for day, code in zip(days, codes, strict=True)]
    tables = {"person": frame(*TABLES["person"]), "condition_occurrence": frame(header, rows)}
    folder = write(tmp_path / "omop", "csv", tables)
    (folder / "CONCEPT.csv").write_text(CONCEPTS)
    out = tmp_path / "out"
    bring_in("omop", folder, out, lists)
    words = pl.read_parquet(out / "words.parquet").select("code", "concept", "system", "event")
    assert sorted(words.rows(), key=str) == sorted(
        [
            ("4019", None, "icd9cm", None),
            ("E8490", 44833365, "icd9cm", None),
            ("E8490", 45542411, "icd10", None),
            ("I10", 2000000001, "icd10", "CALIBER//Hypertension"),
            ("I10", None, "icd10", "CALIBER//Hypertension"),
            ("x", 35206882, "icd10", "CALIBER//Hypertension"),
        ],
        key=str,
    )


def test_standard_concepts_are_mapped_through_the_snomed_list_or_named(
    tmp_path: Path, lists: dict[str, Path]
) -> None:
    tables = {name: frame(*table) for name, table in TABLES.items()}
    folder = write(tmp_path / "omop", "csv", tables)
    (folder / "concept.csv").write_text(CONCEPTS)
    snomed = tmp_path / "snomed.csv"
    snomed.write_text("phenotype,snomedctconceptid\nHypertension,59621000\n")
    common = {"condition": "condition_concept_id", "snomed": snomed}
    bring_in("omop", folder, tmp_path / "mapped", lists, own=["OMOP//"], **common)  # type: ignore[arg-type]
    codes = pl.read_parquet(tmp_path / "mapped" / "words.parquet")
    assert set(codes.select("code", "system", "event").rows()) == {
        ("OMOP//320128", "snomed", "CALIBER//Hypertension"),
        ("OMOP//201826", "own", "CODE//OMOP//201826"),
        ("OMOP//4329847", "own", "CODE//OMOP//4329847"),
    }
    described = pl.read_parquet(tmp_path / "mapped" / "meds/metadata/codes.parquet")
    names = dict(described.select("code", "description").iter_rows())
    assert names["CODE//OMOP//201826"] == "Type 2 diabetes mellitus"
    assert names["CODE//OMOP//4329847"] == "OMOP//4329847"
