"""The stages from delivered text to MEDS, against plain SQL on the same text, in every layout."""

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

RULES: list[dict[str, Any]] = [
    {"minimum_visits": 8},
    {"minimum_visits": 4, "visits": "diagnosis", "study_start": "1998-02-28"},
]


def _random_delivery(folder: Path, seed: int, layout: Layout) -> None:
    draw = np.random.default_rng(seed)
    write = partial(write_layout, layout)
    practices = list(layout.practices)
    patids = [
        int(f"{number}{draw.choice(practices):0{layout.digits}d}") for number in range(1, 201)
    ]

    def date(start: str = "1996-01-01", days: int = 1500, missing: float = 0.05) -> str:
        if draw.random() < missing:
            return ""
        value = np.datetime64(start) + np.timedelta64(int(draw.integers(days)), "D")
        year, month, day = str(value).split("-")
        return f"{day}/{month}/{year}"

    def chosen(*values: Any) -> Any:
        return values[draw.integers(len(values))]

    gold = folder / "gold"
    surgeries = [
        {"pracid": pracid, "region": 1 + index, "uts": date(days=200), "lcd": "31/12/1999"}
        for index, pracid in enumerate(practices)
    ]
    # Every extract of a licence brings its own copy.
    for copy in (gold, gold / "second extract"):
        write(copy / "x_Extract_Practice_001.txt", "practice", surgeries)
    people = [
        {
            "patid": patid,
            "gender": chosen(0, 1, 2, 3),
            "yob": chosen(140, 150, 160, 196, ""),
            "mob": chosen(0, 0, 2, 12, 200),
            "crd": date("1990-01-01", 3000),
            "tod": date(missing=0.7),
            "deathdate": date(missing=0.9),
            "accept": chosen(1, 1, 1, 1, 1, 0),
        }
        for patid in patids
    ]
    for index, part in enumerate((people[:30], people[30:]), start=1):
        write(gold / f"x_Extract_Patient_{index:03d}.zip", "patient", part)
    write(
        folder / "x_linkage_eligibility_gold.txt",
        "linkage_eligibility",
        [{"patid": patid, "hes_e": chosen(0, 1, 1, 1, 1)} for patid in [*patids, 5]],
    )
    write(
        folder / "linkage_coverage.txt",
        "linkage_coverage",
        [
            {"data_source": "hes", "start": "01/06/1996", "end": "30/11/1999"},
            {"data_source": "ons_death", "start": "01/01/1990", "end": "30/11/2020"},
            {"data_source": "townsend"},
        ],
    )
    write(
        folder / "death_patient_x.txt",
        "death_patient",
        [{"patid": patid, "dod": date()} for patid in patids if draw.random() < 0.1],
    )
    for index in (1, 2, 3):
        write(
            gold / f"x_Extract_Clinical_{index:03d}.zip",
            "clinical",
            [
                {"patid": chosen(*patids), "eventdate": date(), "medcode": chosen(0, 7, 8, 9, 10)}
                for _ in range(750)
            ],
        )
    write(
        gold / "x_Extract_Consultation_001.zip",
        "consultation",
        [{"patid": chosen(*patids), "eventdate": date()} for _ in range(750)],
    )
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


def _text(folder: Path, layout: Layout, table: str) -> str:
    """Return SQL that reads all texts of a table: our names, dates as dates, the rest as text."""
    pattern = f"*{table}*.txt" if "_" in table else f"*Extract_{table.capitalize()}_*.txt"
    columns = [f"{layout.prefix}{name.lower()}" for name in layout.columns(table)]
    ours = {"hes_apc_e": "hes_e", "reg_date_of_death": "dod"}
    read = []
    for column in columns:
        name = column.removeprefix(layout.prefix)
        name = ours.get(name, name)
        date = name in ("eventdate", "admidate", "crd", "tod", "deathdate", "uts", "lcd", "dod")
        value = f"nullif({column}, '')"
        if date:
            value = f"strptime({value}, '{layout.format_of(table)}')::date"
        read.append(f'{value} as "{name}"')
    return (
        f"(select {', '.join(read)} from read_csv('{folder / pattern}', delim='\t', header=true, "
        "quote='', escape='', null_padding=true, auto_detect=false, encoding='latin-1', "
        f"columns={dict.fromkeys(columns, 'VARCHAR')}))"
    )


def _sql(texts: Path, layout: Layout, rules: dict[str, Any]) -> duckdb.DuckDBPyConnection:
    """State the cohort and its events once more, as SQL on the unpacked text."""
    read = partial(_text, texts, layout)
    visits = (
        "select id, day from gp union select id, day from hes_hospital"
        if rules.get("visits", "all") == "all"
        else "select id, day from diagnoses"
    )
    connection = duckdb.connect(config={"threads": 1})
    connection.execute(
        f"""
        create table gp as
            select patid::bigint as id, eventdate as day, null as medcode
            from {read("consultation")}
            union all
            select patid::bigint, eventdate, medcode::bigint from {read("clinical")};
        create table hes_hospital as
            select patid::bigint as id, admidate as day from {read("hes_hospital")};
        create table hes_diagnosis as
            select patid::bigint as id, admidate as day,
                replace(rtrim(icd, 'X'), '.', '') as icd
            from {read("hes_diagnosis_hosp")};
        create table diagnoses as
            select id, day, 'Gout' as disease from gp where medcode in (7, 8)
            union select id, day, 'Liver' from gp where medcode = 8
            union select id, day, 'Gout' from hes_diagnosis where icd like 'M10%'
            union select id, day, 'Liver' from hes_diagnosis where icd like 'K70%'
            union select id, day, 'Blood pressure' from hes_diagnosis
                where icd like 'I10%' or icd = 'K701';
        create table people as
            select p.patid::bigint as id, accept = '1' as accepted,
                {layout.years} + nullif(yob, '')::int as birth_year,
                case when mob::int between 1 and 12 then mob::int end as birth_month,
                case when gender in ('1', '2') then gender::int else 0 end as sex,
                r.pracid::bigint as practice, region::int as region,
                exists (
                    from {read("linkage_eligibility")} e
                    where e.patid = p.patid and hes_e = '1'
                ) as linked,
                coalesce(
                    (select min(dod) from {read("death_patient")} d where d.patid = p.patid),
                    deathdate
                ) as death,
                crd, uts, tod, lcd
            from {read("patient")} p
            left join (select distinct * from {read("practice")}) r
                on right(p.patid, {layout.digits}) = lpad(r.pracid, {layout.digits}, '0');
        create table followed as
            select *,
                greatest(crd, uts, make_date(birth_year, coalesce(birth_month, 1), 1)) as first,
                least(tod, lcd, death) as last
            from people where crd is not null and uts is not null and lcd is not null;
        create table covered as
            select * replace (
                greatest(first, date '1996-06-01', date '{rules.get("study_start", "1900-01-01")}')
                as first, least(last, date '1999-11-30') as last)
            from followed;
        create table cohort as
            select * from covered c
            where accepted and birth_year is not null and linked and first <= last and (
                select count(distinct day) from ({visits}) v
                where v.id = c.id and day between first and last
            ) >= {rules["minimum_visits"]};
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


CASES = [
    pytest.param(layout, RULES[index % 2], 1 + index % 3, id=layout.name)
    for index, layout in enumerate(LAYOUTS)
    if layout.database == "gold"
]


@pytest.mark.parametrize(("layout", "rules", "shards"), CASES)
def test_cohort_and_events_equal_plain_sql(
    tmp_path: Path, layout: Layout, rules: dict[str, Any], shards: int
) -> None:
    delivery, lists, out = tmp_path / "delivery", tmp_path / "lists", tmp_path / "out"
    _random_delivery(delivery, shards, layout)
    write_lists(lists)
    run_stages(delivery, lists, out, shards, rules)
    connection = _sql(unpack(delivery, tmp_path / "texts"), layout, rules)
    assert read_json(out / "cohort/manifest.json") == {
        "database": "gold",
        "merged_practices_listed": None,
        "practice_digits": layout.digits,
        "hes_start": "1996-06-01",
        "hes_end": "1999-11-30",
        "without": [],
    }

    cohort = pl.read_parquet(out / "cohort/cohort.parquet")
    expected = connection.execute(
        "select id, sex, birth_year, birth_month, first, last, death, practice, region "
        "from cohort order by id"
    ).fetchall()
    assert cohort.height > 10
    assert cohort.drop("shard").sort("subject_id").rows() == expected

    left = dict(pl.read_parquet(out / "cohort/flow.parquet").select("name", "patients").iter_rows())
    conditions = [
        "true",
        "accepted",
        "birth_year is not null",
        "linked",
        "id in (select id from followed where first <= last)",
        "id in (select id from covered where first <= last)",
        "id in (select id from cohort)",
    ]
    counts = [
        connection.execute(
            f"select count(*) from people where {' and '.join(conditions[: index + 1])}"
        ).fetchall()[0][0]
        for index in range(len(conditions))
    ]
    numbers = list(left.values())
    if "study_start" in rules:
        # SQL cuts to both windows at once
        assert numbers[5] >= numbers[6]
        del numbers[5]
    assert numbers == counts
    assert counts[0] > counts[1] > counts[2] > counts[3] > counts[4] > counts[6]

    events = pl.concat(pl.read_parquet(path) for path in sorted((out / "meds/data").iterdir()))
    found = {
        (subject_id, None if time is None else time.date(), code)
        for subject_id, time, code in events.select("subject_id", "time", "code").iter_rows()
    }
    assert len(found) == events.height
    assert found == set(connection.execute("from events").fetchall())

    read = sum(
        part["rows_read"]
        for table in ("clinical", "hes_diagnosis_hosp")
        for path in (out / "extracted" / table).glob("*.json")
        for part in read_json(path)["parts"]
    )
    outcomes = pl.read_parquet(out / "unmapped.parquet")
    assert outcomes["rows"].sum() == read
    unmapped = connection.execute(
        "select 'medcode', medcode::varchar, count(*) from gp join cohort using (id) "
        "where medcode in (9, 10) and day between first and last group by all union all "
        "select 'icd10', icd, count(*) from hes_diagnosis join cohort using (id) "
        "where icd = 'Z999' and day between first and last group by all"
    ).fetchall()
    listed = outcomes.filter(outcome="unmapped").select("system", "code", "rows")
    assert sorted(listed.rows()) == sorted(unmapped)


def test_the_number_of_shards_changes_no_row(tmp_path: Path) -> None:
    _random_delivery(tmp_path / "delivery", 3, LAYOUTS[0])
    write_lists(tmp_path / "lists")
    results = []
    for shards in (1, 2):
        out = tmp_path / str(shards)
        run_stages(tmp_path / "delivery", tmp_path / "lists", out, shards, RULES[0])
        data = pl.concat(pl.read_parquet(path) for path in sorted((out / "meds/data").iterdir()))
        results.append(
            (
                pl.read_parquet(out / "cohort/flow.parquet").rows(),
                data.sort("subject_id", "time", "code").rows(),
                (out / "unmapped.parquet").read_bytes(),
                (out / "meds/metadata/codes.parquet").read_bytes(),
            )
        )
    assert results[0] == results[1]
