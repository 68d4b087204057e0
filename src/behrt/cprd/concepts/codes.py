"""What the codes of records mean, read once for all shards, and the scan of the records with it."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import polars as pl

from behrt.concepts import concepts_in
from behrt.cprd.concepts import measurements, prescriptions, procedures, products, tests
from behrt.cprd.concepts.look_ups import LookUpFile, read_codes
from behrt.logs import logger
from behrt.settings.concepts import ConceptSettings, MeasurementSettings

Frames = dict[str, pl.DataFrame]
Read = tuple[Frames, dict[str, Any]]


def names_of(database: str, inputs: Sequence[str], level: int | str) -> list[str]:
    """Return the names of the frames that `read` returns.

    >>> names_of("gold", ["diagnoses", "medications", "procedures"], "caliber")
    ['products', 'procedures']
    """
    frames = {
        "medications": ["products"],
        "procedures": ["procedures"] if level == "caliber" else [],
        "tests": ["tests", "test_units", *(["operators", "qualifiers"] * (database == "gold"))],
        "measurements": ["smoking"]
        if database == "gold"
        else ["measurements", "measurement_units"],
    }
    return [name for concept in concepts_in(inputs) for name in frames[concept]]


def read(
    database: str,
    inputs: Sequence[str],
    settings: ConceptSettings,
    look_ups: Mapping[str, LookUpFile],
    lists: Path | None = None,
    test_codes: Path | None = None,
    measurement_codes: Path | None = None,
) -> Read:
    """Read the codes of the inputs of a run.

    Args:
        database: a key of `behrt.cprd.databases.DATABASES`.
        inputs: the configuration's `inputs`.
        settings: its `concepts`.
        look_ups: what `behrt.cprd.concepts.look_ups.find_look_ups` returns.
        lists: the folder of code lists, for procedures by phenotype.
        test_codes, measurement_codes: the code lists of CPRD Aurum.

    Returns:
        The frames of `names_of` by name, and a manifest by concept.

    Raises:
        InputError: a look-up or a list cannot be read, or does not fit the configuration.
    """
    frames: Frames = {}
    manifest: dict[str, Any] = {}
    for concept in concepts_in(inputs):
        if concept == "medications":
            frames["products"], manifest[concept] = products.read_products(
                look_ups["product"], settings.medications.level
            )
        elif concept == "procedures":
            manifest[concept] = {"level": settings.procedures.level}
            if settings.procedures.level == "caliber" and lists is not None:
                frames["procedures"], listed = procedures.read_listed(lists)
                manifest[concept] |= listed
        elif concept == "tests":
            more, manifest[concept] = _tests(database, settings, look_ups, test_codes)
            frames |= more
        else:
            more, manifest[concept] = _measurements(database, look_ups, measurement_codes)
            frames |= more
    return frames, manifest


def _tests(
    database: str,
    settings: ConceptSettings,
    look_ups: Mapping[str, LookUpFile],
    listed: Path | None,
) -> Read:
    own = {
        name: None if test is None else test.model_dump(mode="json")
        for name, test in settings.tests.definitions.items()
    }
    defined = tests.definitions(own)
    left_out: dict[str, str] = {}
    frames: Frames = {}
    if database == "gold":
        frames["tests"], left_out = tests.entity_types(look_ups["entity"], defined, own)
        for name, reason in left_out.items():
            logger.info("the standard test %s is left out: %s", name, reason)
        units = read_codes(look_ups["SUM"])
        frames["operators"] = _meanings(tests.operators(read_codes(look_ups["OPR"])))
        frames["qualifiers"] = _meanings(tests.qualifiers(read_codes(look_ups["TQU"])))
    else:
        assert listed is not None
        frames["tests"] = tests.listed_codes(listed, defined)
        units = read_codes(look_ups["NumUnit"])
    used = {name: defined[name] for name in frames["tests"]["test"].unique().sort()}
    frames["test_units"] = tests.certain_units(used, units)
    counted = frames["test_units"].group_by("test").len().sort("test")
    return frames, {
        "tests": sorted(used),
        "codes": frames["tests"].height,
        "units": dict(counted.iter_rows()),
        "without_a_unit": sorted(used.keys() - set(counted["test"])),
        "standard_tests_left_out": left_out,
    }


def _measurements(database: str, look_ups: Mapping[str, LookUpFile], listed: Path | None) -> Read:
    if database == "gold":
        measurements.check_entities(look_ups["entity"])
        status = measurements.smoking_status(read_codes(look_ups["YND"]))
        return {"smoking": _meanings(status)}, {"smoking_codes": len(status)}
    assert listed is not None
    codes = measurements.listed_codes(listed)
    units = measurements.certain_units(read_codes(look_ups["NumUnit"]))
    manifest = {
        "codes": codes.height,
        "units": dict(units.group_by("measurement").len().sort("measurement").iter_rows()),
    }
    return {"measurements": codes, "measurement_units": units}, manifest


def _meanings(known: Mapping[int, str]) -> pl.DataFrame:
    schema = {"code": pl.Int64, "meaning": pl.String}
    return pl.DataFrame(sorted(known.items()), schema=schema, orient="row")


def scan(
    database: str,
    inputs: Sequence[str],
    level: procedures.Level,
    bands: MeasurementSettings,
    parts: Mapping[str, Sequence[Path]],
    frames: Mapping[str, pl.DataFrame],
    shard: int,
) -> dict[str, pl.LazyFrame]:
    """Scan one shard's records of each concept, as `make_concept_events` takes them.

    Args:
        database: a key of `behrt.cprd.databases.DATABASES`.
        inputs: the configuration's `inputs`.
        level: its `concepts.procedures.level`.
        bands: its `concepts.measurements`.
        parts: the extracted parts of each source table.
        frames: what `read` returns.
        shard: number of the shard.
    """
    gold = database == "gold"
    meanings = {
        name: dict(frames[name].iter_rows())
        for name in ("operators", "qualifiers", "smoking")
        if name in frames
    }
    rows = {}
    for concept in concepts_in(inputs):
        if concept == "medications":
            issued = parts["therapy" if gold else "drugissue"]
            rows[concept] = prescriptions.scan_prescriptions(issued, shard, frames["products"])
        elif concept == "procedures":
            rows[concept] = procedures.scan_procedures(
                parts["hes_procedures_epi"], shard, level, frames.get("procedures")
            )
        elif concept == "tests" and gold:
            rows[concept] = tests.scan_gold(
                parts["test"],
                shard,
                frames["tests"],
                frames["test_units"],
                meanings["operators"],
                meanings["qualifiers"],
            )
        elif concept == "tests":
            rows[concept] = tests.scan_aurum(
                parts["observation"], shard, frames["tests"], frames["test_units"]
            )
        elif gold:
            rows[concept] = measurements.scan_gold(
                parts["additional"], parts["clinical"], shard, meanings["smoking"], bands
            )
        else:
            rows[concept] = measurements.scan_aurum(
                parts["observation"],
                shard,
                frames["measurements"],
                frames["measurement_units"],
                bands,
            )
    return rows
