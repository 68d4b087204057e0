"""Look-ups of a simulated delivery: products, entity types, units and medical codes.

All of them are the project's own. They have the layout of CPRD's look-ups but none of their codes.
"""

from collections.abc import Callable, Collection, Mapping
from functools import cache, partial
from pathlib import Path

import numpy as np
import polars as pl

from behrt.files import atomic
from behrt.simulation.aurum import medcodeid, prodcodeid
from behrt.simulation.markers import CURRENT, EX, MEASUREMENTS, NEVER_SMOKED, TESTS, read_markers
from behrt.simulation.paths import look_up_files
from behrt.simulation.treatments import read_substances

BLOOD_PRESSURE, SMOKING, WEIGHT, HEIGHT = 1, 4, 13, 14
"""GOLD's entity types of measurements."""

FIRST_MEDCODE = 900_001
"""The medcode of the first marker. No code list has medcodes from here on."""

_CHAPTERS = (
    "Gastro-Intestinal System",
    "Cardiovascular System",
    "Respiratory System",
    "Central Nervous System",
    "Infections",
    "Endocrine System",
    "Obstetrics, Gynaecology and Urinary-Tract Disorders",
    "Malignant Disease and Immunosuppression",
    "Nutrition and Blood",
    "Musculoskeletal and Joint Diseases",
    "Eye",
    "Ear, Nose and Oropharynx",
    "Skin",
    "Immunological Products and Vaccines",
    "Anaesthesia",
)
_STEMS = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghjkmnpqrstuvwxyz"
_OTHER_TERMS = (
    ("weight", "O/E - weight"),
    ("height", "O/E - height"),
    ("blood pressure", "O/E - blood pressure reading"),
    (CURRENT, "Current smoker"),
    (EX, "Ex-smoker"),
    (NEVER_SMOKED, "Never smoked tobacco"),
)
_LISTED: dict[str | int, str] = {
    "Systolic blood pressure": "BLOOD_PRESSURE",
    "Body mass index": "BMI",
    CURRENT: "SMOKING//CURRENT",
    EX: "SMOKING//EX",
    NEVER_SMOKED: "SMOKING//NEVER",
}
_TEST_FIELDS = (
    ("Operator", "OPR"),
    ("Value", ""),
    ("Unit of measure", "SUM"),
    ("Qualifier", "TQU"),
    ("Normal range from", ""),
    ("Normal range to", ""),
    ("Normal range basis", "POP"),
)
_MEASUREMENT_ENTITIES = (
    (BLOOD_PRESSURE, "Blood pressure", (("Diastolic", ""), ("Systolic", ""))),
    (SMOKING, "Smoking", (("Status", "YND"), ("Cigarettes per day", ""))),
    (WEIGHT, "Weight", (("Weight in kilos", ""), ("Weight centile", ""), ("BMI", ""))),
    (HEIGHT, "Height", (("Height in metres", ""),)),
)
_FIELDS = 8

YES, NO, STOPPED = 1, 2, 3
LESS, EQUAL, MORE = 1, 3, 2
NORMAL, ABNORMAL = 9, 12

_MEANINGS = {
    "YND": {0: "Data Not Entered", YES: "Yes", NO: "No", STOPPED: "Ex"},
    "OPR": {0: "Data Not Entered", LESS: "<", MORE: ">", EQUAL: "="},
    "TQU": {0: "Data Not Entered", NORMAL: "Normal", ABNORMAL: "Abnormal"},
}


@cache
def products() -> pl.DataFrame:
    """Return one row per product, by substance: prodcode, `substance` (index), name, and so on.

    The columns after `substance` are those of the dictionary of GOLD's products.
    """
    rows = read_substances().with_row_index("substance_index")
    rows = rows.with_columns(pl.col("strengths").str.split("|")).explode("strengths")
    number = pl.int_range(pl.len())
    chapter = pl.col("bnf").str.head(2).cast(pl.Int64)
    return rows.select(
        prodcode=number * 7 + 11,
        substance=pl.col("substance_index").cast(pl.Int64),
        dmdcode=9_000_000_000_000 + number * 1_013,
        gemscriptcode=70_000_000 + number * 31,
        productname=pl.format("{} {} {}", "substance", "strengths", "formulation"),
        drugsubstance="substance",
        strength="strengths",
        formulation="formulation",
        route="route",
        bnfcode="bnf",
        bnfchapter=chapter.replace_strict(
            list(range(1, len(_CHAPTERS) + 1)), _CHAPTERS, default=None, return_dtype=pl.String
        ),
    )


@cache
def units() -> Mapping[str, int]:
    """Return the code of each unit, in GOLD's list SUM and in Aurum's NumUnit alike."""
    names = [*read_markers()["unit"].unique(maintain_order=True), "kg", "m"]
    return {name: 31 + 7 * number for number, name in enumerate(names)}


@cache
def medcodes() -> Mapping[str | int, int]:
    """Return the medcode of each marker, by its name, and of other measurements."""
    names: list[str | int] = [*read_markers()["name"], *(name for name, _ in _OTHER_TERMS)]
    return {name: FIRST_MEDCODE + number for number, name in enumerate(names)}


def medical_codes() -> pl.DataFrame:
    """Return medcode, readcode, desc of the codes of tests and measurements."""
    markers = read_markers()
    terms = [*markers["term"], *(term for _, term in _OTHER_TERMS)]
    chapters = ["4" if concept == TESTS else "2" for concept in markers["concept"]]
    chapters += ["2"] * 3 + ["1"] * 3
    codes = [f"{chapter}Z{_STEMS[n]}..00" for n, chapter in enumerate(chapters)]
    return pl.DataFrame({"medcode": list(medcodes().values()), "readcode": codes, "desc": terms})


def _code_list(concept: str) -> pl.DataFrame:
    """Return the list of Aurum's codes that a user gives for tests or measurements."""
    names: dict[str | int, str]
    if concept == TESTS:
        column, tests = "test", read_markers().filter(pl.col("concept") == TESTS)["name"]
        names = {name: name for name in tests}
    else:
        column, names = "measurement", _LISTED
    codes = [medcodes()[name] for name in names]
    return pl.DataFrame({"medcodeid": codes, column: list(names.values())}).with_columns(
        medcodeid=medcodeid(pl.col("medcodeid"))
    )


def _entities(concepts: Collection[str]) -> pl.DataFrame:
    rows: list[dict[str, object]] = []
    if TESTS in concepts:
        for name, entity in (
            read_markers().filter(pl.col("concept") == TESTS).select("name", "entity").iter_rows()
        ):
            rows.append(_entity(entity, name, "Test", "Test", _TEST_FIELDS))
    if MEASUREMENTS in concepts:
        for entity, name, fields in _MEASUREMENT_ENTITIES:
            rows.append(_entity(entity, name, "Clinical", "Examination Findings", fields))
    columns = ["enttype", "description", "filetype", "category", "data_fields"]
    for number in range(1, _FIELDS + 1):
        columns += [f"data{number}", f"data{number}_lkup"]
    return pl.DataFrame(rows).select(columns).sort("enttype")


def _entity(
    entity: int, name: str, file: str, category: str, fields: tuple[tuple[str, str], ...]
) -> dict[str, object]:
    padded = [*fields, *[("", "")] * (_FIELDS - len(fields))]
    row: dict[str, object] = {
        "enttype": entity,
        "description": name,
        "filetype": file,
        "category": category,
        "data_fields": len(fields),
    }
    for number, (meaning, look_up) in enumerate(padded, start=1):
        row[f"data{number}"] = meaning or None
        row[f"data{number}_lkup"] = look_up or None
    return row


def _aurum_products() -> pl.DataFrame:
    code = pl.col("bnfcode").str.split("/").list.eval(pl.element().str.strip_prefix("0"))
    return products().select(
        ProdCodeId=prodcodeid(pl.col("prodcode")),
        dmdid="dmdcode",
        Term="productname",
        ProductName="productname",
        Formulation="formulation",
        RouteOfAdministration="route",
        DrugSubstanceName="drugsubstance",
        SubstanceStrength="strength",
        BNFChapter=code.list.join("/"),
        Release=pl.lit(None, pl.String),
    )


def look_up_tables(database: str, inputs: Collection[str]) -> dict[str, pl.DataFrame]:
    """Return the look-ups that inputs need, by their names in `behrt.simulation.paths`.

    Args:
        database: a key of `behrt.cprd.databases.DATABASES`.
        inputs: some of `behrt.concepts.INPUTS`.
    """
    concepts = {TESTS, MEASUREMENTS} & set(inputs)
    named = {code: name for name, code in units().items()}
    made: dict[str, Callable[[], pl.DataFrame]] = {
        "product": _aurum_products if database == "aurum" else _gold_products,
        "entity": lambda: _entities(concepts),
        "NumUnit": lambda: _meanings("numunitid", named),
        "SUM": lambda: _meanings("SUM", {0: "No Data Entered", **named}),
        **{name: partial(_meanings, name, codes) for name, codes in _MEANINGS.items()},
        **{concept: partial(_code_list, concept) for concept in (TESTS, MEASUREMENTS)},
    }
    return {name: made[name]() for name in look_up_files(database, inputs)}


def _gold_products() -> pl.DataFrame:
    return products().drop("substance")


def _meanings(column: str, codes: Mapping[int, str]) -> pl.DataFrame:
    return pl.DataFrame({column: list(codes), "Description": list(codes.values())})


def write_look_ups(paths: Mapping[str, Path], database: str, inputs: Collection[str]) -> None:
    """Write the look-ups: those of CPRD as it delivers them, and code lists as CSV.

    Args:
        paths: the file of each of `behrt.simulation.paths.look_up_files`.
        database: a key of `behrt.cprd.databases.DATABASES`.
        inputs: some of `behrt.concepts.INPUTS`.
    """
    for name, table in look_up_tables(database, inputs).items():
        if paths[name].suffix == ".csv":
            text = table.write_csv()
        else:
            text = table.write_csv(separator="\t", line_terminator="\r\n", quote_style="never")
        with atomic(paths[name]) as temporary:
            temporary.write_bytes(text.encode("cp1252", errors="replace"))


def product_of(substance: np.ndarray, part: np.ndarray) -> np.ndarray:
    """Return a product (row of `products`) of each substance, drawn by a number in [0, 1)."""
    owner = products()["substance"].to_numpy()
    size = np.bincount(owner)
    start = np.cumsum(size) - size
    chosen: np.ndarray = start[substance] + (part * size[substance]).astype(np.int64)
    return chosen
