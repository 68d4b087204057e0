"""CPRD Aurum from delivered text to MEDS, against plain SQL on the same text, in every layout.

The SQL uses Aurum's own names and rules, and reads its ids as text wherever a number is not needed.
"""

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import polars as pl
import pytest
from layouts import LAYOUTS, Layout, unpack
from layouts import write as write_layout
from stages import run_stages, write_lists

from behrt.files import read_json

# Of 18 digits, all alike when read as floats.
CODES = tuple(9 * 10**17 + number for number in range(1, 7))
GOUT, BOTH, OTHER, LOCAL, SHORT, NEW = CODES
CONCEPTS = {code: 7 * 10**17 + number for number, code in enumerate(CODES, start=1)}
DICTIONARY = [
    {"medcode": GOUT, "originalreadcode": "C34", "readcode": "C34..00"},
    {"medcode": BOTH, "originalreadcode": "C340", "readcode": "C340.00"},
    # Read codes that differ in case alone
    {"medcode": OTHER, "originalreadcode": "c340", "readcode": "c340.00"},
    {"medcode": LOCAL, "originalreadcode": "EMISNQ12"},
    {"medcode": SHORT, "originalreadcode": "C34"},
    {"medcode": NEW},
]
MERGED = (20002, 99999)


@dataclass(frozen=True)
class Case:
    """What config says."""

    rules: dict[str, Any]
    diagnoses: list[str] | None = None
    merged: bool = False
    snomed: bool = False


CASES = (
    Case({"minimum_visits": 8}, merged=True),
    Case({"minimum_visits": 3, "visits": "diagnosis", "study_start": "1998-02-28"}, snomed=True),
    Case({"minimum_visits": 2, "visits": "diagnosis"}, ["problem", "referral"], True, True),
)


def random_delivery(folder: Path, seed: int, layout: Layout) -> None:
    draw = np.random.default_rng(seed)
    write = partial(write_layout, layout)
    practices = (20001, 20002, 30007)
    # Of 17 digits, alike as floats where they differ in the last.
    patids = [
        int(f"9007199254{number:03d}{draw.choice(practices):05d}") for number in range(1, 201)
    ]

    def date(start: str = "1996-01-01", days: int = 1500, missing: float = 0.05) -> str:
        if draw.random() < missing:
            return ""
        value = np.datetime64(start) + np.timedelta64(int(draw.integers(days)), "D")
        year, month, day = str(value).split("-")
        return f"{day}/{month}/{year}"

    def chosen(*values: Any) -> Any:
        return values[draw.integers(len(values))]

    own = folder / "aurum"
    surgeries = [
        {"pracid": pracid, "region": 1 + index, "lcd": "31/12/1999"}
        for index, pracid in enumerate(practices)
    ]
    for copy in (own, own / "second set"):
        write(copy / "x_Extract_Practice_001.txt", "practice", surgeries)
    people = [
        {
            "patid": patid,
            "pracid": str(patid)[-5:],
            "gender": chosen(0, 1, 2, 3),
            "yob": chosen(140, 150, 160, 196, ""),
            "mob": chosen("", "", 2, 12),
            "crd": date("1990-01-01", 3000),
            "tod": date(missing=0.7),
            "deathdate": date(missing=0.9),
            "accept": chosen(1, 1, 1, 1, 1, 0),
        }
        for patid in patids
    ]
    for index, part in enumerate((people[:30], people[30:]), start=1):
        write(own / f"x_Extract_Patient_{index:03d}.zip", "patient", part)
    write(
        folder / "x_linkage_eligibility_aurum.txt",
        "linkage_eligibility",
        [{"patid": patid, "hes_e": chosen(0, 1, 1, 1, 1)} for patid in [*patids, 5]],
    )
    write(
        folder / "linkage_coverage.txt",
        "linkage_coverage",
        [
            {"data_source": "hes", "start": "01/06/1996", "end": "30/11/1999"},
            {"data_source": "ons_death", "start": "01/01/1990", "end": "30/11/2020"},
        ],
    )
    write(
        folder / "death_patient_x.txt",
        "death_patient",
        [{"patid": patid, "dod": date()} for patid in patids if draw.random() < 0.1],
    )
    observations = [
        {
            "patid": chosen(*patids),
            "eventdate": date(),
            "medcode": chosen("", *CONCEPTS),
            "obsid": 4 * 10**18 + number,
        }
        for number in range(2250)
    ]
    for index in range(3):
        rows = observations[750 * index : 750 * (index + 1)]
        write(own / f"x_Extract_Observation_{index + 1:03d}.zip", "observation", rows)
    for table in ("problem", "referral"):
        write(
            own / f"x_Extract_{table.capitalize()}_001.zip",
            table,
            # An id counts for its own patient alone.
            [
                {"patid": chosen(row["patid"], row["patid"], patids[0]), "obsid": row["obsid"]}
                for row in observations
                if draw.random() < 0.3
            ],
        )
    write(
        own / "x_Extract_DrugIssue_001.zip",
        "drugissue",
        [{"patid": chosen(*patids), "eventdate": date(), "prodcode": 7} for _ in range(50)],
    )
    write(
        own / "x_Extract_Consultation_001.zip",
        "consultation",
        [{"patid": chosen(*patids), "eventdate": date()} for _ in range(750)],
    )
    words = [{**row, "snomed": CONCEPTS[row["medcode"]]} for row in DICTIONARY]
    write(folder / "202205_EMISMedicalDictionary.txt", "emismedicaldictionary", words)
    for table in ("hes_hospital", "hes_diagnosis_hosp"):
        codes = ("M10", "M10.1", "K70.1", "K70.9", "I10", "I10X", "I10.1", "Z99.9", "-.")
        write(
            folder / f"{table}_x.txt",
            table,
            [
                {
                    "patid": chosen(*patids),
                    "admidate": date(),
                    **({"icd": chosen(*codes)} if table == "hes_diagnosis_hosp" else {}),
                }
                for _ in range(500)
            ],
        )


def text_of(folder: Path, layout: Layout, table: str) -> str:
    """Return SQL that reads all texts of a table as text, under the names delivered."""
    pattern = f"*{table}*.txt" if "_" in table else f"*Extract_{table}_*.txt"
    columns = dict.fromkeys((name.lower() for name in layout.columns(table.lower())), "VARCHAR")
    return (
        f"read_csv('{folder / pattern}', delim='\t', header=true, quote='', escape='', "
        f"null_padding=true, auto_detect=false, encoding='latin-1', columns={columns})"
    )


def state(texts: Path, layout: Layout, case: Case) -> duckdb.DuckDBPyConnection:
    """State the cohort and its events once more, as SQL on the unpacked text."""
    read = partial(text_of, texts, layout)

    def day(column: str, table: str) -> str:
        return f"strptime(nullif({column}, ''), '{layout.format_of(table)}')::date"

    hes_e = "hes_e" if "hes_e" in layout.columns("linkage_eligibility") else "hes_apc_e"
    dod = "dod" if "dod" in layout.columns("death_patient") else "reg_date_of_death"
    visits = (
        "select id, day from gp union select id, day from hes_hospital"
        if case.rules.get("visits", "all") == "all"
        else "select id, day from diagnoses"
    )
    pointed = "true"
    if case.diagnoses:
        pointed = " or ".join(f"(patid, obsid) in (from {name})" for name in case.diagnoses)
    gout = f"code in ('{GOUT}', '{BOTH}', '{SHORT}')"
    if case.snomed:
        gout = f"code in ('{BOTH}', '{NEW}')"
    merged = f"p.pracid in {tuple(map(str, MERGED))}" if case.merged else "false"
    start = case.rules.get("study_start", "1900-01-01")
    connection = duckdb.connect(config={"threads": 1})
    connection.execute(
        f"""
        create table problem as select patid, obsid from {read("Problem")};
        create table referral as select patid, obsid from {read("Referral")};
        create table gp as
            select patid::bigint as id, {day("consdate", "consultation")} as day, null as code,
                false as diagnosis
            from {read("Consultation")}
            union all
            select patid::bigint, {day("obsdate", "observation")}, nullif(medcodeid, ''), {pointed}
            from {read("Observation")};
        create table hes_hospital as
            select patid::bigint as id, {day("admidate", "hes_hospital")} as day
            from {read("hes_hospital")};
        create table hes_diagnosis as
            select patid::bigint as id, {day("admidate", "hes_hospital")} as day,
                replace(rtrim(icd, 'X'), '.', '') as icd
            from {read("hes_diagnosis_hosp")};
        create table diagnoses as
            select id, day, 'Gout' as disease from gp where diagnosis and {gout}
            union select id, day, 'Liver' from gp where diagnosis and code = '{BOTH}'
            union select id, day, 'Gout' from hes_diagnosis where icd like 'M10%'
            union select id, day, 'Liver' from hes_diagnosis where icd like 'K70%'
            union select id, day, 'Blood pressure' from hes_diagnosis
                where icd like 'I10%' or icd = 'K701';
        create table people as
            select p.patid::bigint as id, acceptable = '1' as accepted, not ({merged}) as kept,
                nullif(yob, '')::int as birth_year,
                case when nullif(mob, '')::int between 1 and 12 then mob::int end as birth_month,
                case when gender in ('1', '2') then gender::int else 0 end as sex,
                p.pracid::bigint as practice, region::int as region,
                exists (
                    from {read("linkage_eligibility")} e
                    where e.patid = p.patid and {hes_e} = '1'
                ) as linked,
                coalesce(
                    (
                        select min({day(dod, "death_patient")})
                        from {read("death_patient")} d where d.patid = p.patid
                    ),
                    {day("cprd_ddate", "patient")}
                ) as death,
                {day("regstartdate", "patient")} as registered,
                {day("regenddate", "patient")} as left_on,
                {day("lcd", "practice")} as lcd
            from {read("Patient")} p
            left join (select distinct pracid, lcd, region from {read("Practice")}) r
                on p.pracid = r.pracid;
        create table followed as
            select *,
                greatest(registered, make_date(birth_year, coalesce(birth_month, 1), 1)) as first,
                least(left_on, lcd, death) as last
            from people where registered is not null and lcd is not null;
        create table covered as
            select * replace (
                greatest(first, date '1996-06-01', date '{start}') as first,
                least(last, date '1999-11-30') as last)
            from followed;
        create table cohort as
            select * from covered c
            where kept and accepted and birth_year is not null and linked and first <= last and (
                select count(distinct day) from ({visits}) v
                where v.id = c.id and day between first and last
            ) >= {case.rules["minimum_visits"]};
        create table events as
            select id, null as day, 'SEX//' || ['unknown', 'male', 'female'][sex + 1] as code
                from cohort
            union select id, null, 'REGION//' || region from cohort
            union select id, null, 'PRACTICE//' || practice from cohort
            union select id, make_date(birth_year, coalesce(birth_month, 1), 1), 'MEDS_BIRTH'
                from cohort
            union select id, first, 'FOLLOW_UP//START' from cohort
            union select id, last, 'FOLLOW_UP//END' from cohort
            union select id, death, 'MEDS_DEATH' from cohort where death between first and last
            union select id, day, 'VISIT//GP' from gp join cohort using (id)
                where day between first and last
            union select id, day, 'VISIT//HOSPITAL'
                from (select id, day from hes_hospital union select id, day from hes_diagnosis)
                join cohort using (id) where day between first and last
            union select id, day, 'CALIBER//' || disease from diagnoses join cohort using (id)
                where day between first and last;
        """
    )
    return connection


AURUM_LAYOUTS = [layout for layout in LAYOUTS if layout.database == "aurum"]


@pytest.mark.parametrize(
    ("layout", "case", "shards"),
    [
        pytest.param(layout, CASES[index], 1 + index, id=layout.name)
        for index, layout in enumerate(AURUM_LAYOUTS)
    ],
)
def test_cohort_and_events_equal_plain_sql(
    tmp_path: Path, layout: Layout, case: Case, shards: int
) -> None:
    delivery, lists, out = tmp_path / "delivery", tmp_path / "lists", tmp_path / "out"
    random_delivery(delivery, shards, layout)
    write_lists(lists)
    merged, snomed = tmp_path / "merged.txt", tmp_path / "snomed.csv"
    merged.write_text("pracid\r\n" + "".join(f"{pracid}\r\n" for pracid in MERGED))
    snomed.write_text(
        "Term,phenotype,SnomedCTConceptId\n"
        f"one,Gout,{CONCEPTS[BOTH]}\nanother,Gout,{CONCEPTS[NEW]}\nrounded,Gout,7.0E+17\n"
    )
    run_stages(
        delivery,
        lists,
        out,
        shards,
        case.rules,
        database="aurum",
        diagnoses=case.diagnoses,
        merged=merged if case.merged else None,
        snomed=snomed if case.snomed else None,
    )
    connection = state(unpack(delivery, tmp_path / "texts"), layout, case)
    assert read_json(out / "cohort/manifest.json") == {
        "database": "aurum",
        "practice_digits": None,
        "hes_start": "1996-06-01",
        "hes_end": "1999-11-30",
        "without": [],
        "merged_practices_listed": len(MERGED) if case.merged else None,
    }
    mapped = read_json(out / "phenotypes/aurum_medcodes.json")
    if case.snomed:
        assert mapped["snomed"]["rows_refused"]["not a SNOMED CT concept"] == 1

    cohort = pl.read_parquet(out / "cohort/cohort.parquet")
    expected = connection.execute(
        "select id, sex, birth_year, birth_month, first, last, death, practice, region "
        "from cohort order by id"
    ).fetchall()
    assert cohort.height > 10
    assert cohort.drop("shard").sort("subject_id").rows() == expected

    flow = dict(pl.read_parquet(out / "cohort/flow.parquet").select("name", "patients").iter_rows())
    steps = {
        "Delivered": "true",
        "Practice not merged into another": "kept",
        "Acceptable record": "accepted",
        "Year of birth known": "birth_year is not null",
        "Eligible for linkage to HES": "linked",
        "Registered at a practice": "id in (select id from followed where first <= last)",
    }
    conditions: list[str] = []
    for name, condition in steps.items():
        conditions.append(condition)
        asked = f"select count(*) from people where {' and '.join(conditions)}"
        left = connection.execute(asked).fetchall()[0][0]
        if name in flow:
            assert flow[name] == left, name
    assert ("Practice not merged into another" in flow) == case.merged
    assert "Registered at an up-to-standard practice" not in flow
    numbers = list(flow.values())
    assert numbers == sorted(numbers, reverse=True)
    assert numbers[0] > numbers[1]

    events = pl.concat(pl.read_parquet(path) for path in sorted((out / "meds/data").iterdir()))
    found = {
        (subject_id, None if time is None else time.date(), code)
        for subject_id, time, code in events.select("subject_id", "time", "code").iter_rows()
    }
    assert len(found) == events.height
    assert found == set(connection.execute("from events").fetchall())
    assert {"CALIBER//Gout", "CALIBER//Liver"} <= set(events["code"])

    outcomes = pl.read_parquet(out / "unmapped.parquet")
    known = [BOTH, NEW] if case.snomed else [GOUT, BOTH, SHORT]
    unmapped = connection.execute(
        "select code, count(*) from gp join cohort using (id) where diagnosis and "
        f"code not in {tuple(map(str, known))} and day between first and last group by all"
    ).fetchall()
    listed = outcomes.filter(outcome="unmapped", system="medcode").select("code", "rows")
    assert sorted(listed.rows()) == sorted(unmapped)
    if not case.diagnoses:
        read = sum(
            part["rows_read"]
            for table in ("observation", "hes_diagnosis_hosp")
            for path in (out / "extracted" / table).glob("*.json")
            for part in read_json(path)["parts"]
        )
        assert outcomes["rows"].sum() == read
