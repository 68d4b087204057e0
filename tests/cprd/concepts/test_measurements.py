import datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from behrt.cprd.concepts import measurements
from behrt.cprd.concepts.look_ups import LookUpFile
from behrt.errors import InputError
from behrt.settings.concepts import MeasurementSettings

DAY, LATER = datetime.date(2001, 5, 2), datetime.date(2001, 5, 3)
YND = {0: "Data Not Entered", 1: "Yes", 2: "No", 3: "Ex"}
ENTITIES = (
    "enttype\tdata1\tdata1_lkup\tdata2\tdata2_lkup\tdata3\tdata3_lkup\n"
    "1\tDiastolic\t\tSystolic \t\tKorotkoff\t\n"
    "4\tStatus\tYND\tCigarettes per day\t\t\t\n"
    "13\tWeight in kilos\t\tWeight centile\tCEN\tBMI \t\n"
)


def gold(
    folder: Path,
    rows: list[tuple[Any, ...]],
    clinical: list[tuple[int, int | None, datetime.date | None]],
    **settings: Any,
) -> list[dict[str, Any]]:
    """Return what rows of Additional (patid, enttype, adid, data1 to data3) say, in order."""
    schema = {"patid": pl.Int64, "enttype": pl.Int32, "adid": pl.Int64}
    texts = dict.fromkeys(("data1", "data2", "data3"), pl.String)
    shard = pl.lit(0, pl.UInt16)
    pl.DataFrame(rows, schema={**schema, **texts}, orient="row").with_columns(
        shard=shard
    ).write_parquet(folder / "additional")
    pl.DataFrame(
        clinical,
        schema={"patid": pl.Int64, "adid": pl.Int64, "eventdate": pl.Date},
        orient="row",
    ).with_columns(shard=shard).write_parquet(folder / "clinical")
    found = measurements.scan_gold(
        [folder / "additional"],
        [folder / "clinical"],
        0,
        measurements.smoking_status(YND),
        MeasurementSettings(**settings),
    )
    return found.collect().sort("subject_id").to_dicts()


@pytest.mark.parametrize(
    ("row", "event", "value", "outcome"),
    [
        ((1, "80", "140", ""), "BLOOD_PRESSURE//140-160", 140.0, "mapped"),
        ((1, "80", "139.9", ""), "BLOOD_PRESSURE//120-140", 139.9, "mapped"),
        ((1, "", "119", ""), "BLOOD_PRESSURE//BELOW_120", 119.0, "mapped"),
        ((1, "90", "180.000", ""), "BLOOD_PRESSURE//FROM_180", 180.0, "mapped"),
        ((1, "80", "50", ""), None, None, "implausible value"),
        ((1, "", "50", ""), "BLOOD_PRESSURE//BELOW_120", 50.0, "mapped"),
        ((1, "", "49", ""), None, None, "implausible value"),
        ((1, "", "301", ""), None, None, "implausible value"),
        ((1, "80", "", ""), None, None, "no value"),
        ((1, "120", "120", ""), None, None, "implausible value"),
        ((1, "80", "high", ""), None, None, "value cannot be read"),
        ((4, "1", "20", ""), "SMOKING//CURRENT", None, "mapped"),
        ((4, "2", "", ""), "SMOKING//NEVER", None, "mapped"),
        ((4, "3.0", "", ""), "SMOKING//EX", None, "mapped"),
        ((4, "0", "", ""), None, None, "no value"),
        ((4, "", "10", ""), None, None, "no value"),
        ((4, "7", "", ""), None, None, "value cannot be read"),
        ((13, "80", "", "30"), "BMI//30-35", 30.0, "mapped"),
        ((13, "80", "", "18.5"), "BMI//18.5-25", 18.5, "mapped"),
        ((13, "80", "", "18.4"), "BMI//BELOW_18.5", 18.4, "mapped"),
        ((13, "80", "", "40.1"), "BMI//FROM_40", 40.1, "mapped"),
        ((13, "80", "", "9.9"), None, None, "implausible value"),
        ((13, "80", "", ""), None, None, "no value"),
    ],
)
def test_each_record_is_a_band_or_is_refused(
    tmp_path: Path, row: tuple[Any, ...], event: str | None, value: float | None, outcome: str
) -> None:
    entity, *data = row
    (found,) = gold(
        tmp_path, [(1, entity, 5, *(text or None for text in data))], [(1, 5, DAY), (1, 5, DAY)]
    )
    assert found["day"] == DAY
    assert found["outcome"] == outcome
    assert found["events"] == (event and [f"MEASUREMENT//{event}"])
    assert found["value"] == (None if value is None else pytest.approx(value, rel=1e-6))
    unit = {1: "mmHg", 13: "kg/m2"}.get(entity)
    assert found["unit"] == (unit if value is not None else None)


def test_the_day_is_that_of_the_clinical_row_with_the_same_patient_and_adid(
    tmp_path: Path,
) -> None:
    rows = [
        (number, 4, adid, "1", None, None) for number, adid in enumerate((5, 5, 0, None, 6, 7, 5))
    ]
    clinical = [
        (0, 5, DAY),
        (1, 6, DAY),  # another adid
        (2, 0, DAY),  # 0 is no adid
        (3, None, DAY),
        (4, 6, DAY),
        (4, 6, LATER),  # two days
        (5, 7, None),
        (5, 7, LATER),
        (8, 5, DAY),  # another patient
    ]
    found = gold(tmp_path, rows, clinical)
    assert [row["day"] for row in found] == [DAY, None, None, None, None, LATER, None]


def test_other_entity_types_are_no_measurements(tmp_path: Path) -> None:
    assert gold(tmp_path, [(1, 5, 5, "1", None, None), (1, 14, 5, "1.8", None, None)], []) == []


def test_bands_are_those_of_the_configuration(tmp_path: Path) -> None:
    row = [(1, 13, 5, "80", None, "24")]
    (found,) = gold(tmp_path, row, [(1, 5, DAY)], bmi=(20.0, 24.0))
    assert found["events"] == ["MEASUREMENT//BMI//FROM_24"]


def test_observations_are_measurements_by_the_code_list(tmp_path: Path) -> None:
    (tmp_path / "list.csv").write_text(
        "medcodeid,measurement\n1,BMI\n2,BLOOD_PRESSURE\n3,SMOKING//EX\n"
    )
    listed = measurements.listed_codes(tmp_path / "list.csv")
    units = measurements.certain_units({7: "kg/m\xb2", 8: "mm Hg", 9: "stone", 10: "kg/m2"})
    rows = [
        (0, 1, "30", "7"),
        (1, 1, "30", None),
        (2, 1, "30", "9"),
        (3, 1, "30", "8"),
        (4, 2, "150", "8"),
        (5, 2, "150", "0"),
        (6, 3, None, None),
        (7, 3, "20", "9"),
        (8, 2, None, "8"),
        (9, 4, "30", "7"),
        (10, 1, "30", "10"),
    ]
    pl.DataFrame(
        rows,
        schema={
            "patid": pl.Int64,
            "medcode": pl.Int64,
            "value": pl.String,
            "numunitid": pl.String,
        },
        orient="row",
    ).with_columns(eventdate=pl.lit(DAY), shard=pl.lit(0, pl.UInt16)).write_parquet(
        tmp_path / "rows"
    )
    found = measurements.scan_aurum(
        [tmp_path / "rows"], 0, listed, units, MeasurementSettings()
    ).collect()
    shown = found.sort("subject_id").select("subject_id", "events", "value", "outcome", "code")
    kept = {
        0: ("BMI//30-35", 30.0),
        1: ("BMI//30-35", 30.0),
        4: ("BLOOD_PRESSURE//140-160", 150.0),
        5: ("BLOOD_PRESSURE//140-160", 150.0),
        6: ("SMOKING//EX", None),
        7: ("SMOKING//EX", None),
        10: ("BMI//30-35", 30.0),
    }
    refused = {
        2: ("unit not certain", "BMI, unit 9"),
        3: ("unit not certain", "BMI, unit 8"),
        8: ("no value", "BLOOD_PRESSURE"),
    }
    for patient, events, value, outcome, code in shown.rows():
        if patient in kept:
            assert (events, value) == ([f"MEASUREMENT//{kept[patient][0]}"], kept[patient][1])
            assert outcome == "mapped"
        else:
            assert (events, value, outcome, code) == (None, None, *refused[patient])
    assert shown["subject_id"].to_list() == sorted([*kept, *refused])


def test_entity_types_that_are_not_what_is_read_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "entity.txt"
    file = LookUpFile(path, None, "entity")
    path.write_text(ENTITIES)
    measurements.check_entities(file)
    path.write_text(ENTITIES.replace("Systolic", "Pulse"))
    with pytest.raises(InputError, match=r"data2 of entity type 1 \(BLOOD_PRESSURE\) is 'Pulse'"):
        measurements.check_entities(file)
    path.write_text(ENTITIES.replace("13\tWeight", "12\tWeight"))
    with pytest.raises(InputError, match=r"entity\.txt: no entity type 13 \(BMI\)"):
        measurements.check_entities(file)
    with pytest.raises(InputError, match=r"YND\.txt: it has no Yes, No or Ex"):
        measurements.smoking_status({0: "Data Not Entered", 1: "Y"})
