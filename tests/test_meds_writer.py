import datetime
import runpy
from pathlib import Path

import polars as pl
import pyarrow.parquet as pq
from meds.schema import CodeMetadataSchema, DataSchema, DatasetMetadataSchema

from behrt.caliber.lists import describe_phenotypes
from behrt.files import read_json
from behrt.meds_writer import list_codes, write_codes, write_dataset, write_events


def _events(path: Path) -> None:
    events = pl.DataFrame(
        {
            "subject_id": [1, 1, 1],
            "time": [None, None, datetime.datetime(2000, 1, 1)],
            "code": ["PRACTICE//20001", "REGION//3", "CALIBER//Gout"],
        },
        schema={"subject_id": pl.Int64, "time": pl.Datetime("us"), "code": pl.String},
    )
    write_events(events, path)


def test_events_are_valid_meds(tmp_path: Path) -> None:
    path = tmp_path / "00.parquet"
    _events(path)
    table = pq.read_table(path)
    DataSchema.validate(table)
    assert table.schema.names[:4] == ["subject_id", "time", "code", "numeric_value"]


def test_values_and_units_are_written_as_meds_defines_them(tmp_path: Path) -> None:
    path = tmp_path / "00.parquet"
    day = datetime.datetime(2000, 1, 1)
    events = pl.DataFrame(
        {
            "subject_id": [1, 1],
            "time": [day, day],
            "code": ["CALIBER//Gout", "TEST//HbA1c//HIGH"],
            "numeric_value": [None, 61.5],
            "unit": [None, "mmol/mol"],
        },
        schema_overrides={"time": pl.Datetime("us")},
    )
    write_events(events, path)
    table = pq.read_table(path)
    DataSchema.validate(table)
    assert pl.read_parquet(path)["numeric_value"].to_list() == [None, 61.5]
    assert pl.read_parquet(path)["unit"].to_list() == [None, "mmol/mol"]
    write_dataset("simulated", tmp_path / "dataset.json", units=True)
    metadata = read_json(tmp_path / "dataset.json")
    DatasetMetadataSchema.validate(metadata)
    assert metadata["code_modifier_columns"] == ["unit"]


def test_every_phenotype_is_listed_with_its_chapter_and_every_code_seen(tmp_path: Path) -> None:
    _events(tmp_path / "00.parquet")
    phenotypes = pl.DataFrame(
        {
            "index": [0, 1],
            "phenotype": ["Asthma", "Gout"],
            "chapter": ["Lungs", "Joints"],
            "code": ["CALIBER//Asthma", "CALIBER//Gout"],
        }
    )
    phenotypes.write_parquet(tmp_path / "phenotypes.parquet")
    codes = list_codes(
        describe_phenotypes(tmp_path / "phenotypes.parquet"), [tmp_path / "00.parquet"]
    )
    write_codes(codes, tmp_path / "codes.parquet")
    CodeMetadataSchema.validate(pq.read_table(tmp_path / "codes.parquet"))
    read = pl.read_parquet(tmp_path / "codes.parquet")
    assert read["code"].to_list() == sorted(read["code"])
    assert read["code"].is_unique().all()
    listed = {row["code"]: row for row in read.to_dicts()}
    assert listed["CALIBER//Asthma"]["parent_codes"] == ["CHAPTER//Lungs"]
    assert listed["CALIBER//Gout"]["description"] == "Gout"
    assert listed["PRACTICE//20001"]["description"] == "Practice 20001"
    assert listed["REGION//3"]["parent_codes"] is None
    assert {"MEDS_BIRTH", "MEDS_DEATH", "SEX//female", "VISIT//GP"} < set(listed)


def test_the_dataset_is_described_without_a_time_of_its_making(tmp_path: Path) -> None:
    write_dataset("simulated", tmp_path / "dataset.json")
    metadata = read_json(tmp_path / "dataset.json")
    DatasetMetadataSchema.validate(metadata)
    assert metadata["dataset_name"] == "simulated"
    assert "created_at" not in metadata


def test_a_dataset_by_split_has_nothing_after_the_cut_off_to_train_on(tmp_path: Path) -> None:
    _events(tmp_path / "0.parquet")
    for name in ("splits", "codes"):
        frame = {"subject_id": [1], "split": ["train"]} if name == "splits" else {"code": ["A"]}
        none = pl.lit(None, pl.String)
        described = none.alias("description"), none.cast(pl.List(pl.String)).alias("parent_codes")
        columns = described if name == "codes" else ()
        pl.DataFrame(frame).with_columns(*columns).write_parquet(tmp_path / f"{name}.parquet")
    write_dataset("simulated", tmp_path / "dataset.json")
    main = runpy.run_path(str(Path(__file__).parents[1] / "scripts" / "meds_by_split.py"))["main"]
    given = {name: tmp_path / f"{name}.parquet" for name in ("splits", "codes")}
    given |= {"dataset": tmp_path / "dataset.json"}
    for cut_off, rows in (("2000-01-01", 2), ("2000-01-02", 3), (None, 3)):
        folder = tmp_path / str(cut_off)
        main([tmp_path / "0.parquet"], folder=folder, cut_off=cut_off, **given)
        assert pl.read_parquet(folder / "data" / "train" / "0.parquet").height == rows
