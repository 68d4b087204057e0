"""The scan finds each kind of leak in each kind of file, and nothing in other files."""

import base64
import json
import struct
import zlib
from datetime import date
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch
from plotly.offline import get_plotlyjs
from safetensors.torch import save_file

from behrt.disclosure import Rules
from behrt.errors import InputError
from behrt.figures.style import new_figure, save
from behrt.release import scan as scanning
from behrt.release.scan import Watch, files_of_run, scan

PATIENT = 3920054
WATCH = Watch(
    np.array([12, 9_999, 10_017, PATIENT, 71_220_017]), Rules(5), frozenset({date(1997, 4, 1)})
)
ID, DAY, SMALL = scanning.IDENTIFIER, scanning.DATE, scanning.SMALL


def kinds(text: str) -> set[str]:
    return set(WATCH.kinds(text))


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (f"patient {PATIENT} refused", {ID}),
        (f"[1,{PATIENT},2]", {ID}),
        (f"{PATIENT}.0", {ID}),
        (f"part_{PATIENT}", set()),  # within a word, as in a hash
        (f"{PATIENT}.5 seconds", set()),
        (f"0.{PATIENT}", set()),
        ("3,920,054 patients", set()),
        ("12 patients", set()),  # too short to be known as an id
        ("row 12, line 12", set()),
        ("row 9999", set()),
        ("row 10017", {ID}),  # five digits are known as an id
        ("patient 12 refused", {ID}),  # but for what says that it is one
        ("patient 13 refused", set()),
        ("patient id: 12", {ID}),
        ("the first patient, 12 of whose visits", set()),
        ("example patient: 7 visits", set()),
        ("subject_id=7", {ID}),
        ('{"person_id": "7"}', {ID}),
        ("subject_ids [7, 8]", {ID}),
        ("patid 7", {ID}),
        ("subject_id Int64, subject_id: 'x'", set()),
        ("born on 2003-02-11", {DAY}),
        ("11/02/2003", {DAY}),
        ("2003/02/11 00:00", {DAY}),
        ("20030211", {DAY}),
        ("11 Feb 2003", {DAY}),
        ("February 11, 2003", {DAY}),
        ("from 1997-04-01", set()),  # the study's own
        ("99/99/2003 or 2003-02-30", set()),
        ("Li et al. 2020, version 1.2.3", set()),
        ("12:30:45 INFO", set()),
        ("3 patients", {SMALL}),
        ("1 woman", {SMALL}),
        ("4 held-out patients", {SMALL}),
        ("n = 2", {SMALL}),
        ("patients: 4", {SMALL}),
        ("fewer than 5 patients; 5 patients; 0 patients; 12,345 patients", set()),
        ("T2 patients, 0.3 patients, the first 4 visits of a patient", set()),
    ],
)
def test_texts(text: str, found: set[str]) -> None:
    assert kinds(text) == found


def png(path: Path, text: str) -> None:
    """Write an image that also has a text chunk."""
    pixel = base64.b64decode(
        "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJg"
        "gg=="
    )
    body = b"zTXt" + b"note\0\0" + zlib.compress(text.encode())
    chunk = struct.pack(">I", len(body) - 4) + body + struct.pack(">I", zlib.crc32(body))
    path.write_bytes(pixel[:-12] + chunk + pixel[-12:])


def svg(path: Path, text: str) -> None:
    figure = new_figure(2, 2)
    figure.text(0.1, 0.5, text)
    save(figure, path.with_suffix(".png"), path, simulated=False)
    path.with_suffix(".png").unlink()


def table(path: Path, text: str) -> None:
    pl.DataFrame({"disease": [text], "aps": [0.5]}).write_csv(path)


WRITERS = {
    "run.log": lambda path, text: path.write_text(f"a line\n{text}\n"),
    "table.csv": table,
    "report.html": lambda path, text: path.write_text(f"<p>{text}</p>"),
    "library.html": lambda path, text: path.write_text(
        f"<script>{get_plotlyjs()}</script><script>x = '{text}';</script>"
    ),
    "longer.html": lambda path, text: path.write_text(
        f"<script>{'x = 1e3;' * 200_000}y = '{text}';</script>"
    ),
    "script.html": lambda path, text: path.write_text(f"<script>x = '{text}';</script>"),
    "figure.svg": svg,
    "figure.png": png,
    "config.json": lambda path, text: path.write_text(json.dumps({"facts": [text]})),
    "benchmark.jsonl": lambda path, text: path.write_text(json.dumps({"note": text}) + "\n"),
    "model.safetensors": lambda path, text: save_file(
        {"a": torch.zeros(1)}, path, metadata={"n": text}
    ),
    "checkpoint.pt": lambda path, text: torch.save({"progress": {"lines": [text]}}, path),
}


@pytest.mark.parametrize("name", WRITERS)
@pytest.mark.parametrize(
    ("text", "kind"),
    [(f"patient {PATIENT}", ID), ("died 2003-02-11", DAY), ("3 patients", SMALL), ("fine", None)],
)
def test_a_leak_is_found_in_every_kind_of_file(
    tmp_path: Path, name: str, text: str, kind: str | None
) -> None:
    WRITERS[name](tmp_path / name, text)
    found = scan(tmp_path, [tmp_path / name], WATCH)
    assert {finding.kind for finding in found} == ({kind} if kind else set())
    assert not any(str(PATIENT) in str(finding) for finding in found)


def test_small_counts_are_known_by_the_names_of_columns_and_keys(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("rank,patients,statistic,value\n3,40,mean,3.0\n4,3,count,2.0\n")
    (tmp_path / "b.json").write_text('{"epoch": 3, "patients": 4, "rank": 2}')
    (tmp_path / "c.csv").write_text("number\n3\n")
    (tmp_path / "d.csv").write_text("subject_id\n3\n")
    found = [str(finding) for finding in scan(tmp_path, sorted(tmp_path.iterdir()), WATCH)]
    assert found == [
        f"a.csv, line 3, column 'patients': {SMALL}",
        f"a.csv, line 3, column 'value': {SMALL}",
        f"b.json, key 'patients': {SMALL}",
        f"c.csv, column 'number': {scanning.UNKNOWN}",
        f"d.csv, column 'subject_id': {ID}",
    ]
    rounded = Watch(np.array([]), Rules(8, 5))
    (tmp_path / "a.csv").write_text("patients\n41\n40\n")
    (finding,) = scan(tmp_path, [tmp_path / "a.csv"], rounded)
    assert finding.kind == scanning.ROUNDED


def test_short_ids_are_found_by_their_names(tmp_path: Path) -> None:
    """A MEDS dataset may number its subjects from 1: each small number is then an id."""
    watch = Watch(np.arange(1, 400), Rules(5))
    leaks = {
        "a.csv": "Subject_ID,aps\n12,0.5\n",
        "b.csv": "reference_person_id,aps\n12.0,0.5\n",
        "c.json": '{"subject_ids": [12, 13]}',
        "d.json": '{"kept": {"subject_id": "12"}}',
        "e.log": "refused: subject_id=12",
        "f.log": "subject 12 has no birth",
        "g.html": "<table><tr><th>subject_id</th></tr><tr><td>12</td></tr></table>",
        "h.jsonl": '{"subject_id": 12}',
        "i.svg": "<svg><text>patient 12</text></svg>",
    }
    others = {
        "u.csv": "rank,epoch,patients,aps\n1,12,120,0.5\n",
        "v.json": '{"epoch": 12, "seed": 7, "patients": 120, "codes": {"12": "Asthma"}}',
        "w.log": "epoch 12 of 40: loss 1.2, 120 patients, 13 subjects refused",
        "x.html": "<th>Patients</th><td>120</td><p>figure 12</p>",
        "y.svg": "<svg><text>12</text></svg>",
    }
    for name, text in (leaks | others).items():
        (tmp_path / name).write_text(text)
    found = scan(tmp_path, sorted(tmp_path.iterdir()), watch)
    assert {(finding.file, finding.kind) for finding in found} == {(name, ID) for name in leaks}


def test_a_share_of_other_counts_than_those_shown_is_found(tmp_path: Path) -> None:
    """A share of 133 and 1,002 beside 135 and 1,000 reveals both."""
    rounded = Watch(np.array([]), Rules(8, 5))
    header = "positives,patients,prevalence\n"
    for name, row in (("a", "135,1000,0.135"), ("b", "135,1000,0.1327"), ("c", ",1000,0.13")):
        (tmp_path / f"{name}.csv").write_text(header + row + "\n")
    (tmp_path / "d.csv").write_text(header + ",1000,\n")
    found = [str(finding) for finding in scan(tmp_path, sorted(tmp_path.iterdir()), rounded)]
    assert found == [
        f"{name}.csv, line 2, column 'prevalence': {scanning.EXACT}" for name in ("b", "c")
    ]


def test_an_exact_share_in_a_page_is_found(tmp_path: Path) -> None:
    """1.23 % of 10,012 training patients are 123; coarse shares are of a band of counts."""
    patients = 10_012
    page = '<p>among 10,012 training patients</p><script>[{"prevalence": "%s %%"}]</script>'
    explorer = '<script>{"average": %s, "tuning_patients": 10012}</script>'
    shares = {"exact": 123 / patients, "coarse": Rules(5).coarse_share(123, patients) or 0}
    for name, share in shares.items():
        (tmp_path / f"map_{name}.html").write_text(page % f"{100 * share:.3g}")
        (tmp_path / f"explorer_{name}.html").write_text(explorer % f"{share:.6g}")
    found = scan(tmp_path, sorted(tmp_path.iterdir()), WATCH)
    assert [(finding.file, finding.kind) for finding in found] == [
        (f"{name}_exact.html", scanning.EXACT_PART) for name in ("explorer", "map")
    ]


def test_files_that_cannot_be_scanned_are_findings(tmp_path: Path) -> None:
    (tmp_path / "cohort").mkdir()
    (tmp_path / "tables").mkdir()
    for folder in ("cohort", "tables"):
        pl.DataFrame({"subject_id": [PATIENT]}).write_parquet(tmp_path / folder / "a.parquet")
    (tmp_path / "model.bin").write_bytes(b"?")
    found = scan(tmp_path, files_of_run(tmp_path), WATCH)
    assert [(finding.file, finding.kind) for finding in found] == [
        ("model.bin", scanning.OPAQUE),
        ("tables/a.parquet", scanning.ROWS),
    ]


def test_a_damaged_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text("{")
    with pytest.raises(InputError, match=r"a\.json: it is not a valid file"):
        scan(tmp_path, [tmp_path / "a.json"], WATCH)


def test_negative_ids_are_found_with_and_without_their_sign() -> None:
    watch = Watch(np.array([-2624989531201712629, -12, -(2**63)]), Rules(5))
    for text in ("-2624989531201712629", "x=2624989531201712629", "subject_id: -12", "patient -12"):
        assert set(watch.kinds(text)) == {ID}, text
    assert watch.knows(-2624989531201712629)
    assert set(watch.kinds("part -12 of 9")) == set()
