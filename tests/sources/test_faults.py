"""Every fault of an OMOP or MEDS source in the manual has the outcome that it names."""

import re
from collections import Counter
from pathlib import Path

import polars as pl
import pytest

from behrt.errors import InputError
from behrt.files import read_json

from .conftest import bring_in, outcomes
from .faults import GROUPS, ROWS, SourceFault, write_meds, write_omop

CASES = [
    pytest.param(title.split()[0].lower(), fault, id=fault.name)
    for title, faults in GROUPS.items()
    for fault in faults
]


@pytest.fixture(scope="module")
def sound(
    tmp_path_factory: pytest.TempPathFactory, listed: dict[str, Path]
) -> dict[str, pl.DataFrame]:
    events = {}
    for layout, write in (("omop", write_omop), ("meds", write_meds)):
        folder = tmp_path_factory.mktemp("sound")
        write(folder / layout)
        events[layout] = bring_in(layout, folder / layout, folder / "out", listed)
        assert outcomes(folder / "out") == {("icd10", "mapped"): ROWS}
    return events


@pytest.mark.parametrize(("layout", "fault"), CASES)
def test_every_fault_has_its_outcome(
    layout: str,
    fault: SourceFault,
    sound: dict[str, pl.DataFrame],
    listed: dict[str, Path],
    tmp_path: Path,
) -> None:
    folder, out = tmp_path / layout, tmp_path / "out"
    {"omop": write_omop, "meds": write_meds}[layout](folder)
    fault.change(folder)
    if fault.error:
        with pytest.raises(InputError) as caught:
            bring_in(layout, folder, out, listed, **fault.config)  # type: ignore[arg-type]
        text = str(caught.value).replace(str(tmp_path), "")
        assert fault.error in text
        assert fault.where in text
        assert not re.search(r"70[0-9]|[0-9]{4}-[0-9]{2}-[0-9]{2}|Apr", text)
        return
    rows = bring_in(layout, folder, out, listed, **fault.config)  # type: ignore[arg-type]
    refused: Counter[str] = Counter()
    for path in (out / "imported").rglob("*.json"):
        for part in read_json(path)["parts"]:
            refused.update(part["rows_refused"])
    assert dict(refused) == dict(fault.refused)
    left_out: Counter[str] = Counter()
    for (_, outcome), count in outcomes(out).items():
        left_out[outcome] += count
    if not fault.refused:
        assert left_out == Counter({"mapped": ROWS}) - Counter(
            {"mapped": sum(fault.outcomes.values())}
        ) + Counter(fault.outcomes)
    if not (fault.refused or fault.outcomes):
        assert rows.equals(sound[layout])


def test_negative_ids_are_read(listed: dict[str, Path], tmp_path: Path) -> None:
    write_omop(tmp_path / "omop")
    for path in (tmp_path / "omop").glob("*.csv"):
        pl.read_csv(path, infer_schema=False).with_columns(
            person_id=pl.lit("-89232938471233") + pl.col("person_id")
        ).write_csv(path)
    rows = bring_in("omop", tmp_path / "omop", tmp_path / "out", listed, shards=3)
    assert rows["subject_id"].n_unique() == ROWS
    assert (rows["subject_id"] < -(2**32)).all()
