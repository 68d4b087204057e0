"""A study that does without linked data: what its cohort and events lack, and that it says so."""

from pathlib import Path

import polars as pl
from faults import PATIDS, write_delivery
from stages import run_stages, write_lists

from behrt.files import read_json

LINKED = ("death_patient", "hes_hospital", "hes_diagnosis_hosp")


def run(folder: Path, without: tuple[str, ...]) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return the flow and the events of a delivery from which the source tables are removed."""
    delivery = write_delivery(folder / "delivery")
    text = delivery.path("patient").read_bytes()
    one = str(PATIDS[0]).encode()  # a patient whose death only the practice knows
    row = next(line for line in text.split(b"\r\n") if line.startswith(one))
    values = row.split(b"\t")
    values[18] = b"03/03/1998"
    delivery.path("patient").write_bytes(text.replace(row, b"\t".join(values)))
    for path in (delivery.folder / "linked").iterdir():
        if path.name.startswith(without) or without == LINKED:
            path.unlink()
    write_lists(folder / "lists")
    out = folder / "out"
    run_stages(delivery.folder, folder / "lists", out, 1, {"minimum_visits": 1}, without=without)
    assert read_json(out / "cohort" / "manifest.json")["without"]
    return (
        pl.read_parquet(out / "cohort" / "flow.parquet"),
        pl.read_parquet(out / "meds" / "data" / "00.parquet"),
    )


def counts(events: pl.DataFrame) -> dict[str, int]:
    return dict(events.group_by("code").len().iter_rows())


def test_deaths_of_general_practice_take_the_place_of_those_of_ons(tmp_path: Path) -> None:
    flow, events = run(tmp_path, ("death_patient",))
    assert flow["name"][0] == "Delivered, without ONS deaths"
    deaths = events.filter(code="MEDS_DEATH")
    assert deaths["subject_id"].to_list() == [PATIDS[0]]
    assert str(deaths["time"][0])[:10] == "1998-03-03"


def test_without_admissions_the_days_of_hospital_diagnoses_are_visits(tmp_path: Path) -> None:
    flow, events = run(tmp_path, ("hes_hospital",))
    assert flow["name"][0] == "Delivered, without admissions without a diagnosis"
    assert counts(events)["VISIT//HOSPITAL"] == len(PATIDS)


def test_without_linked_data_patients_need_not_be_eligible_for_linkage(tmp_path: Path) -> None:
    flow, events = run(tmp_path, LINKED)
    assert flow["name"].to_list() == [
        "Delivered, without ONS deaths and hospital records",
        "Acceptable record",
        "Year of birth known",
        "Registered at an up-to-standard practice",
        "At least 1 visits",
    ]
    found = counts(events)
    assert "VISIT//HOSPITAL" not in found
    # five visits each, but for the patient who dies on the third of them
    assert found["CALIBER//Gout"] == 5 * len(PATIDS) - 2
