import datetime
import random
import re
import zipfile
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from unittest.mock import patch

import polars as pl
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from behrt.cprd.databases import GOLD
from behrt.cprd.extraction import extract_part, extract_parts
from behrt.cprd.layout import SourceTable
from behrt.cprd.values import Options
from behrt.errors import InputError
from behrt.hashing import shard_of

CLINICAL = "patid\teventdate\tsysdate\tconstype\tconsid\tmedcode\tstaffid\tepisode\tenttype\tadid"


def read_by_default(source_table: str) -> SourceTable:
    """Return a source table as a run that reads only diagnoses does."""
    return GOLD.source_tables[source_table].without(GOLD.unread(source_table, None))


def _extract(
    text: str | bytes, folder: Path, source_table: str = "clinical", **settings: Any
) -> tuple[pl.DataFrame, dict[str, Any]]:
    source = folder / "source.txt"
    source.write_bytes(text if isinstance(text, bytes) else text.encode())
    arguments: dict[str, Any] = {"shards": 3, "maximum_refused": 1.0, **settings}
    manifest = extract_part(
        source, None, read_by_default(source_table), folder / "rows.parquet", **arguments
    )
    return pl.read_parquet(folder / "rows.parquet"), manifest


def test_parts_that_are_read_together_give_the_rows_of_each_sorted(tmp_path: Path) -> None:
    texts = [
        "patid\teventdate\tmedcode\n3001\t2000-03-01\t7\nx\t2000-03-01\t7\n",
        "medcode\tpatid\teventdate\n9\t1001\t02/03/2000\n",
        "patid\teventdate\tmedcode\n",
    ]
    sources = [tmp_path / f"{number}.txt" for number in range(len(texts))]
    for source, text in zip(sources, texts, strict=True):
        source.write_text(text)
    arguments: dict[str, Any] = {"shards": 1, "maximum_refused": 0.5}
    table, rows = read_by_default("clinical"), tmp_path / "rows.parquet"
    found = extract_parts([(source, None) for source in sources], table, rows, **arguments)
    assert pl.read_parquet(rows)["patid"].to_list() == [1001, 3001]
    apart = [extract_part(source, None, table, rows, **arguments) for source in sources]
    assert found == apart
    assert [part["rows_refused"] for part in found] == [{"unreadable patid": 1}, {}, {}]
    # The share of refused rows is that of each part.
    with pytest.raises(InputError, match=r"0.txt: 50.0% of the rows cannot be used"):
        extract_parts(
            [(source, None) for source in sources], table, rows, shards=1, maximum_refused=0.4
        )


def test_a_clinical_part_is_typed_and_sorted(tmp_path: Path) -> None:
    text = (
        f"{CLINICAL}\r\n"
        "2001\t29/02/2000\t01/03/2000\t1\t9\t15\t1001\t0\t1\t0\r\n"
        "1001\t\t01/03/2000\t1\t9\t0\t1001\t0\t1\t0\r\n"
        "1001\t01/03/2000\t01/03/2000\t1\t9\t7\t1001\t0\t1\t0\r\n"
    )
    rows, manifest = _extract(text, tmp_path, shards=1)
    assert rows.schema == {
        "patid": pl.Int64,
        "eventdate": pl.Date,
        "medcode": pl.Int64,
        "shard": pl.UInt16,
    }
    assert rows.rows() == [
        (1001, None, 0, 0),
        (1001, datetime.date(2000, 3, 1), 7, 0),
        (2001, datetime.date(2000, 2, 29), 15, 0),
    ]
    assert manifest == {
        "file": "source.txt",
        "table": "clinical",
        "generation": "A",
        "columns": {},
        "formats": {"eventdate": "DD/MM/YYYY"},
        "encoding": "utf-8",
        "unknown_columns": [],
        "absent_columns": [],
        "rows_read": 3,
        "rows_kept": 3,
        "rows_refused": {},
        "first_refused": {},
        "short_rows": 0,
    }


def test_columns_are_found_by_name_whatever_case_order_prefix_and_generation(
    tmp_path: Path,
) -> None:
    text = "\ufeffMedCode\tsctid\tE_patid\tEventDate\tfuture\n8\t123\t1001\t2000/01/02\tx\n"
    rows, manifest = _extract(text, tmp_path)
    assert rows.drop("shard").rows() == [(1001, datetime.date(2000, 1, 2), 8)]
    assert manifest["unknown_columns"] == ["future"]


def test_renamed_columns_of_later_deliveries_are_known(tmp_path: Path) -> None:
    rows, _ = _extract("patid\thes_apc_e\n7\t1\n", tmp_path, "linkage_eligibility")
    assert rows.drop("shard").to_dicts() == [{"patid": 7, "hes_e": 1}]
    rows, _ = _extract("patid\treg_date_of_death\n7\t2000-01-02\n", tmp_path, "death_patient")
    assert rows["dod"].to_list() == [datetime.date(2000, 1, 2)]


def test_refused_rows_are_counted_by_reason(tmp_path: Path) -> None:
    good = "1001\t01/03/2000\t\t\t\t7\t\t\t\t"
    text = "\r\n".join(
        [
            CLINICAL,
            good,
            "1001\t01/03/2000",
            "",
            good + "\tsurplus",
            "\t01/03/2000\t\t\t\t7\t\t\t\t",
            "patient\t01/03/2000\t\t\t\t7\t\t\t\t",
            "1001\t30/02/2000\t\t\t\tx\t\t\t\t",
            "1001\t01/03/2000\t\t\t\t7.0\t\t\t\t",
        ]
    )
    rows, manifest = _extract(text, tmp_path)
    assert rows["medcode"].to_list() == [None, 7]
    assert manifest["rows_read"] == 7
    assert manifest["rows_kept"] == 2
    assert manifest["short_rows"] == 1
    assert manifest["rows_refused"] == {
        "too many fields": 1,
        "blank patid": 1,
        "unreadable patid": 1,
        "unreadable eventdate": 1,
        "unreadable medcode": 1,
    }


def test_a_file_cut_short_within_a_row_is_refused_and_one_without_a_last_line_end_is_not(
    tmp_path: Path,
) -> None:
    row = "1001\t01/03/2000\t\t\t\t{}\t\t\t\t"
    whole = f"{CLINICAL}\r\n{row.format(15)}\r\n{row.format(1234)}"
    rows, manifest = _extract(whole, tmp_path)
    assert (rows["medcode"].to_list(), manifest["short_rows"]) == ([15, 1234], 0)
    with pytest.raises(InputError, match=r"source.txt: it ends within a row, cut short"):
        _extract(whole[: whole.index("1234") + 2], tmp_path)


def test_too_many_refused_rows_stop_the_run_and_leave_nothing(tmp_path: Path) -> None:
    text = f"{CLINICAL}\r\n" + "1001\r\n" * 9 + "\t\r\n"
    _extract(text, tmp_path, maximum_refused=0.1)
    (tmp_path / "rows.parquet").unlink()
    with pytest.raises(
        InputError, match=r"source.txt: 10.0% .*\(blank patid 10.0%, first in line 11\)"
    ) as caught:
        _extract(text, tmp_path, maximum_refused=0.09)
    assert "1001" not in str(caught.value)
    assert "Dates are read as" not in str(caught.value)
    assert [path.name for path in tmp_path.iterdir()] == ["source.txt"]


@pytest.mark.parametrize(
    ("bad", "good", "advice", "raises_the_limit"),
    [
        ("1001\t03-MAR-2001\t1\n1001\t04-MAR-2001\t1\n", 0, "Dates are read as one of DD", False),
        ("1001\t03-MAR-2001\t1\n1001\t04-MAR-2001\t1\n", 40, "`extract.date_format`", True),
        ("1001\tNULL\t1\n" * 2, 40, "the same text ('NULL'): if .* `extract.blank`$", False),
        ("1001\t31/12/9999\t1\n" * 9, 9, r"the same text \('31/12/9999'\): if", False),
        ("1001\t03.04.2001\t1\n" * 9, 9, "hold the same text: if it stands for no", False),
        ("1.001E+03\t\t1\n1.002E+03\t\t1\n", 40, "has turned ids into decimals", True),
        ("1001\t\tx\n1001\t\ty\n", 3, "Look at the values of medcode", False),
        ("1001\t\t1\t\n" * 9, 9, "A value with a TAB in it", False),
        ("\t\t1\n", 40, "A row needs this value", True),
        ("1001\t\0\t1\n", 3, "The file is damaged: copy it again", False),
        ("patid\teventdate\tmedcode\n", 40, "Files were joined", True),
    ],
)
def test_the_advice_follows_from_the_reason(
    tmp_path: Path, bad: str, good: int, advice: str, raises_the_limit: bool
) -> None:
    text = "patid\teventdate\tmedcode\n" + bad + "1001\t\t1\n" * good
    with pytest.raises(InputError) as caught:
        _extract(text, tmp_path, maximum_refused=0.001)
    error = caught.value
    assert re.search(advice.replace("('NULL')", r"\('NULL'\)"), error.fix)
    assert ("raise `extract.maximum_refused`" in error.fix) == raises_the_limit
    assert "1001" not in str(error)
    assert "2001" not in str(error)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "it is empty"),
        ("\n", "its first line is blank"),
        ("1001\t01/01/2000\t7\n", "its first line is not a header line"),
        ("patid\tmedcode\n1\t2\n", "no column eventdate in the first line"),
        ("patid\tpatid\teventdate\tmedcode\n1\t1\t\t2\n", "two columns patid"),
        (
            "patid\teventdate\tmedcode\n1\t01/02/2000\t2\n1\t20000201\t2\n",
            r"eventdate mixes .*YYYYMMDD first in line 3",
        ),
    ],
)
def test_a_file_that_cannot_be_used_is_refused(tmp_path: Path, text: str, problem: str) -> None:
    with pytest.raises(InputError, match=problem) as caught:
        _extract(text, tmp_path)
    assert "1001" not in str(caught.value)
    assert not (tmp_path / "rows.parquet").exists()


def test_a_file_without_rows_is_an_empty_table(tmp_path: Path) -> None:
    rows, manifest = _extract(f"{CLINICAL}\r\n", tmp_path)
    assert rows.columns == ["patid", "eventdate", "medcode", "shard"]
    assert (rows.height, manifest["rows_read"]) == (0, 0)


def test_a_table_without_patients_has_no_shard(tmp_path: Path) -> None:
    text = "pracid\tregion\tlcd\tuts\r\n20002\t9\t01/01/2010\t\r\n20001\t1\t01/01/2010\t01/01/1990"
    rows, _ = _extract(text, tmp_path, "practice")
    assert rows.columns == ["pracid", "region", "lcd", "uts"]
    assert rows["pracid"].to_list() == [20001, 20002]
    assert rows["uts"].to_list()[1] is None


@pytest.mark.parametrize("years", [("1984", "2001", "0"), ("184", "201", "0")])
def test_years_of_birth_come_as_years_and_unknown_ones_as_null(
    tmp_path: Path, years: tuple[str, ...]
) -> None:
    head = "patid\tgender\tyob\tmob\tcrd\ttod\tdeathdate\taccept"
    lines = [f"{index}\t1\t{year}\t0\t\t\t\t1" for index, year in enumerate((*years, ""))]
    rows, manifest = _extract("\n".join([head, *lines]), tmp_path, "patient", shards=1)
    assert rows.sort("patid")["yob"].to_list() == [1984, 2001, None, None]
    assert manifest["rows_kept"] == 4


def test_a_stated_format_refuses_the_rows_of_another(tmp_path: Path) -> None:
    text = "patid\teventdate\tmedcode\n1\t01/02/2000\t2\n1\t20000201\t2\n"
    _, manifest = _extract(text, tmp_path, options=Options(date_format="YYYYMMDD"))
    assert manifest["rows_refused"] == {"unreadable eventdate": 1}


def test_a_row_group_holds_one_shard(tmp_path: Path) -> None:
    text = "patid\teventdate\tmedcode\n" + "".join(f"{i}\t\t1\n" for i in range(1, 200))
    rows, _ = _extract(text, tmp_path, shards=5)
    assert rows.height == 199
    assert rows.equals(rows.with_columns(shard=shard_of(pl.col("patid"), 5)))
    metadata = pq.read_metadata(tmp_path / "rows.parquet")
    shards = []
    for group in range(metadata.num_row_groups):
        statistics = metadata.row_group(group).column(3).statistics
        assert statistics.min == statistics.max
        shards.append(statistics.min)
    assert shards == sorted(set(shards)) == [0, 1, 2, 3, 4]


_value = st.sampled_from(["1001", "2001", "", "x", " 7 "])
_date = st.sampled_from(["01/02/2000", "29/02/2001", "", "31/12/1999"])
_line = st.one_of(
    st.tuples(_value, _date, _value).map("\t".join),
    st.sampled_from(["", "1001", "1001\t01/02/2000", "1\t\t2\t3", "\t\t", "\t\t\t\t"]),
)


@settings(max_examples=40)
@given(
    lines=st.lists(_line, max_size=30),
    size=st.integers(1, 60),
    cut=st.integers(0, 30),
    end=st.sampled_from(["\n", "\r\n"]),
)
def test_nothing_is_lost_and_batches_and_parts_do_not_matter(
    lines: list[str], size: int, cut: int, end: str
) -> None:
    def text(part: list[str]) -> str:
        return "".join(line + end for line in ["patid\teventdate\tmedcode", *part])

    with TemporaryDirectory() as name:
        folder = Path(name)
        whole, manifest = _extract(text(lines), folder)
        read = sum(1 for line in lines if line)
        assert manifest["rows_read"] == read
        assert manifest["rows_kept"] + sum(manifest["rows_refused"].values()) == read
        assert manifest["rows_kept"] == whole.height
        content = (folder / "rows.parquet").read_bytes()

        batched, manifest_batched = _extract(text(lines), folder, batch_bytes=size)
        assert manifest_batched == manifest
        assert (folder / "rows.parquet").read_bytes() == content
        assert batched.equals(whole)

        parts = [_extract(text(part), folder)[0] for part in (lines[:cut], lines[cut:])]
        columns = ["shard", "patid", "eventdate", "medcode"]
        assert pl.concat(parts).sort(columns).equals(whole.sort(columns))


_PATID = st.sampled_from(["1001", "2001", "007", "9" * 18])
_DAY = st.sampled_from(["01/02/2000", "29/02/2000", "", "31/12/1999"])
_CODE = st.sampled_from(["7", "0", "", "123456789012345678"])
_regular = st.tuples(_PATID, _DAY, st.just("1"), _CODE, st.sampled_from(["", "x", "9"]))
_ODD = [
    *("", "\t", "1001", "1001\t01/02/2000\t1\t7\t\t", "1001\t01/02/2000\t1\t7", "\t\t\t\t"),
    *(
        f"{value}\t\t1\t7\t"
        for value in ("", "x", "+5", "-5", " 7 ", "1.0", "9" * 19, "1\r", '"1"')
    ),
    *(f"1001\t{value}\t1\t7\t" for value in ("1/2/2000", "2000-02-01", "30/02/2000", "1\0")),
    *(f"1001\t01/02/2000\t{value}\t7\t" for value in ("", "a b", "é", "\0", "\r", '"')),
    *(f"1001\t01/02/2000\t1\t7\t{value}" for value in ("\r", "M10.1 ", "é", "'", '"')),
    "patid\teventdate\tsysdate\tmedcode\tadid",
]


@settings(max_examples=150)
@given(
    rows=st.lists(_regular.map("\t".join), max_size=8),
    odd=st.lists(st.tuples(st.integers(0, 8), st.sampled_from(_ODD)), max_size=3),
    end=st.sampled_from(["\n", "\r\n"]),
    size=st.sampled_from([10, 60, 10_000]),
    last=st.booleans(),
)
def test_well_formed_batches_are_read_as_any_other_batch(
    rows: list[str], odd: list[tuple[int, str]], end: str, size: int, last: bool
) -> None:
    for place, line in odd:
        rows.insert(place, line)
    text = end.join(["patid\teventdate\tsysdate\tmedcode\tadid", *rows])
    text += end if last or not rows else ""

    def outcome(folder: Path) -> tuple[dict[str, Any], bytes] | str:
        (folder / "source.txt").write_bytes(text.encode())
        try:
            manifest = extract_part(
                folder / "source.txt",
                None,
                GOLD.source_tables["clinical"],
                folder / "rows.parquet",
                shards=2,
                maximum_refused=0.5,
                batch_bytes=size,
            )
        except InputError as error:
            return str(error)
        return manifest, (folder / "rows.parquet").read_bytes()

    with TemporaryDirectory() as folder:
        found = outcome(Path(folder))
        with patch("behrt.cprd.extraction.can_be_read", lambda types: False):
            assert outcome(Path(folder)) == found


def test_a_zipped_part_gives_the_bytes_of_a_loose_one(tmp_path: Path) -> None:
    draw = random.Random(1)
    text = "patid\teventdate\tmedcode\r\n" + "".join(
        f"{draw.randrange(1, 99)}\t{draw.randrange(1, 28):02d}/03/2001\t{draw.randrange(9)}\r\n"
        for _ in range(500)
    )
    _extract(text, tmp_path)
    with zipfile.ZipFile(tmp_path / "source.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("source.txt", text)
    extract_part(
        tmp_path / "source.zip",
        "source.txt",
        read_by_default("clinical"),
        tmp_path / "zipped.parquet",
        shards=3,
        maximum_refused=0,
    )
    assert (tmp_path / "zipped.parquet").read_bytes() == (tmp_path / "rows.parquet").read_bytes()
