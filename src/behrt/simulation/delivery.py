"""The files of a simulated delivery: shared by all parts, those of a part, and linked files."""

import shutil
from collections.abc import Collection, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl

from behrt.concepts import PREFIXES
from behrt.cprd.databases import DATABASES
from behrt.cprd.layout import LINKED
from behrt.errors import InputError
from behrt.files import atomic, write_parquet
from behrt.logs import logger, progress
from behrt.settings.simulation import ConceptProcess, Flaws, ProcessSettings
from behrt.simulation import aurum, linked_data, primary_care
from behrt.simulation.code_lists import (
    codes_to_write,
    read_medical,
    unmapped_medical,
    write_lists,
)
from behrt.simulation.concept_tables import with_concepts
from behrt.simulation.concepts import Concepts, ConceptTables, make_concepts
from behrt.simulation.days import day_number
from behrt.simulation.look_ups import medical_codes, write_look_ups
from behrt.simulation.paths import IN_PARTS
from behrt.simulation.patients import (
    HES_COVERAGE,
    ONS_COVERAGE,
    SUFFIX,
    generator,
    patients_of,
    practice_ids,
    staff_per_practice,
)
from behrt.simulation.procedures import opcs_codes, read_procedures
from behrt.simulation.process import Block, simulate_block
from behrt.simulation.recordings import DUE
from behrt.simulation.text import dates, whole_folder, write_header, write_rows, zipped
from behrt.simulation.world import World

PEOPLE_PER_BLOCK = 4_000
"""People simulated and written at a time: it bounds memory, and the results depend on it."""


def write_world(
    world: World,
    lists: Path,
    own_lists: bool,
    practice: Path,
    staff: Path,
    coverage: Path,
    medical: Path,
    codes: Path,
    graph: Path,
    diseases: Path,
    seed: int,
    database: str = "gold",
    inputs: Collection[str] = (),
    look_ups: Mapping[str, Path] | None = None,
) -> None:
    """Write the files that all parts share.

    Args:
        world: practices, diseases and risks.
        lists: folder of code lists, laid out as CALIBER's repository.
        own_lists: write the project's own lists to `lists`, rather than read it.
        practice, staff: zipped tables of the database.
        coverage: first and last days of the linked sources.
        medical: the look-up of all medical codes, GOLD's medical.txt or EMIS's dictionary.
        codes: Parquet, the codes of records (`behrt.simulation.code_lists.CodesToWrite`).
        graph, diseases: Parquet, `world.risks` and `world.diseases`.
        seed: of the simulation.
        database: a key of `behrt.cprd.databases.DATABASES`.
        inputs: of the run (`behrt.concepts.INPUTS`).
        look_ups: the files of `behrt.simulation.paths.look_up_files`.

    Raises:
        InputError: the phenotypes of the lists are not the simulated diseases.
    """
    tables = DATABASES[database].source_tables
    opcs = None
    if "procedures" in inputs:
        opcs = opcs_codes(read_procedures()).filter("listed")
    listed = write_lists(world.diseases, lists, opcs) if own_lists else read_medical(lists)
    unmapped = unmapped_medical(listed)
    written = codes_to_write(lists, world.diseases, unmapped)
    write_parquet(written, codes)
    write_parquet(world.risks, graph)
    write_parquet(world.diseases, diseases)
    every = pl.concat(
        [
            listed.with_columns(listed=True),
            unmapped.select(*listed.columns, listed=False),
        ]
    )
    measured = {"tests", "measurements"} & set(inputs)
    _write_look_up(every, medical, database, medical_codes() if measured else None)
    write_look_ups(look_ups or {}, database, inputs)
    with atomic(coverage) as temporary, temporary.open("wb") as stream:
        windows = np.array([[day_number(day) for day in w] for w in (HES_COVERAGE, ONS_COVERAGE)])
        table = LINKED["linkage_coverage"]
        write_header(table, stream)
        columns: dict[str, object] = {
            "data_source": pl.Series(["hes", "ons_death"]),
            "start": dates(windows[:, 0]),
            "end": dates(windows[:, 1]),
        }
        write_rows(table, columns, stream)
    with zipped({"practice": practice, "staff": staff}) as streams:
        for name, columns in _practice_tables(world.practices, seed, database).items():
            write_header(tables[name], streams[name])
            write_rows(tables[name], columns, streams[name])
    logger.info(
        "simulated world: %d practices, %d diseases, %d codes in code lists, %d in none",
        len(world.practices),
        len(world.diseases),
        len(listed),
        len(unmapped),
    )


def _write_look_up(
    every: pl.DataFrame, path: Path, database: str, more: pl.DataFrame | None
) -> None:
    """Write all medical codes as the database's look-up; `listed` marks those in code lists.

    `more` are those of tests and measurements.
    """
    if database == "aurum":
        rows = aurum.medical_dictionary(every)
        if more is not None:
            rows = pl.concat([rows, aurum.marker_dictionary(more)])
    else:
        rows = every.drop("listed").sort("medcode")
        if more is not None:
            rows = pl.concat([rows, more])
    text = rows.write_csv(separator="\t", line_terminator="\r\n", quote_style="never")
    with atomic(path) as temporary:
        # Delivered look-ups are Windows text.
        temporary.write_bytes(text.encode("cp1252", errors="replace"))


def _practice_tables(
    practices: pl.DataFrame, seed: int, database: str
) -> dict[str, dict[str, object]]:
    number = practices["practice"].to_numpy()
    pracid = practice_ids(number)
    members = staff_per_practice(number)
    at = np.repeat(np.arange(len(number)), members)
    member = np.arange(len(at)) - (np.cumsum(members) - members)[at] + 1
    draws = generator(seed, 0, "staff")
    gender = draws.integers(1, 3, len(at))
    role = draws.choice(np.array([1, 1, 2, 11, 26, 33]), len(at))
    staffid = member * SUFFIX + pracid[at]
    practice: dict[str, object] = {
        "pracid": pracid,
        "region": practices["region"],
        "lcd": dates(practices["lcd"].to_numpy()),
    }
    if database == "aurum":
        return {
            "practice": {**practice, "uts": None},
            "staff": {"staffid": staffid, "pracid": pracid[at], "jobcatid": role},
        }
    return {
        "practice": {**practice, "uts": dates(practices["uts"].to_numpy())},
        "staff": {"staffid": staffid, "gender": gender, "role": role},
    }


@dataclass(frozen=True)
class PersonRange:
    """Consecutive people: `count` of them, from number `first` on."""

    first: int
    count: int


def people_of_part(part: int, parts: int, people: int) -> PersonRange:
    """Return the people of a part. Parts and people are numbered from 1.

    The sizes of the parts differ by at most one.

    >>> people_of_part(2, parts=3, people=100)
    PersonRange(first=34, count=33)

    Raises:
        InputError: there are more parts than people.
    """
    if not 1 <= part <= parts <= people:
        raise InputError(
            "simulation", f"part {part} of {parts} for {people} patients", "Use fewer parts"
        )
    start, end = (people * done // parts for done in (part - 1, part))
    return PersonRange(start + 1, end - start)


def write_part(
    world: World,
    codes: pl.DataFrame,
    chosen: PersonRange,
    tables: Mapping[str, Path],
    fragments: Path,
    people: Path,
    onsets: Path,
    settings: ProcessSettings,
    flaws: Flaws,
    seed: int,
    database: str = "gold",
    inputs: Collection[str] = (),
    concepts: ConceptProcess | None = None,
) -> None:
    """Simulate the people of one part and write its files.

    People are simulated in blocks of `PEOPLE_PER_BLOCK`, each seeded by `seed` and its first
    person. So memory does not grow with people, and the bytes do not depend on other parts.

    Args:
        world: practices, diseases and risks.
        codes: of records (`behrt.simulation.code_lists.CodesToWrite`).
        chosen: the people of the part.
        tables: the zip file of each of the database's `behrt.simulation.paths.IN_PARTS`.
        fragments: folder for the part's rows of each linked table: `<table>.txt`, no header.
        people: Parquet, `Block.people` with `patid`, `acceptable` and `linked`.
        onsets: Parquet, `Block.onsets` with `recorded` List(Int32): the days, ascending, on which
            the disease was recorded for itself (`DUE`), delivered or not.
        settings: of the process.
        flaws: of the delivery.
        seed: of the simulation.
        database: a key of `behrt.cprd.databases.DATABASES`.
        inputs: of the run (`behrt.concepts.INPUTS`).
        concepts: settings of the inputs other than diagnoses.
    """
    layouts = DATABASES[database].source_tables
    others = set(inputs) & set(PREFIXES)
    tables_of_concepts = ConceptTables.of(world.diseases) if others else None
    gp = primary_care.gp_codes(codes, len(world.diseases))
    hospital = linked_data.hospital_codes(codes, len(world.diseases))
    truth_people, truth_onsets = [], []
    rows = 0
    with ExitStack() as stack:
        folder = stack.enter_context(whole_folder(fragments))
        streams = stack.enter_context(zipped(tables))
        for name in IN_PARTS[database]:
            write_header(layouts[name], streams[name])
        for name in linked_data.tables_of(inputs):
            streams[name] = stack.enter_context((folder / f"{name}.txt").open("wb"))
        bar = stack.enter_context(progress(total=chosen.count, label="simulate", unit="patients"))
        for first in range(chosen.first, chosen.first + chosen.count, PEOPLE_PER_BLOCK):
            count = min(PEOPLE_PER_BLOCK, chosen.first + chosen.count - first)
            block = simulate_block(world, first, count, seed, settings)
            patients = patients_of(block.people, world.practices, flaws, seed)
            in_practice = block.diagnoses.filter(pl.col("setting") == 0)
            given = patients, in_practice, block.contacts
            recorded = primary_care.gp_tables(*given, gp, flaws, seed, without=others)
            made: Concepts | None = None
            if tables_of_concepts and concepts:
                made = make_concepts(world, block, tables_of_concepts, others, seed, concepts)
                recorded = with_concepts(
                    recorded,
                    patients,
                    primary_care.visits_of(*given, flaws, seed),
                    made,
                    tables_of_concepts.markers,
                    flaws,
                    concepts,
                    seed,
                    database,
                )
            if database == "aurum":
                recorded = aurum.aurum_tables(recorded)
            written = {
                **recorded,
                **linked_data.linked_tables(
                    patients, block.diagnoses, block.admissions, hospital, flaws, seed
                ),
            }
            if tables_of_concepts and concepts and made and made.operations:
                written[linked_data.PROCEDURES] = linked_data.procedure_table(
                    patients,
                    block.admissions,
                    made.operations,
                    tables_of_concepts.procedures.codes,
                    flaws,
                    concepts.no_procedure,
                    seed,
                )
            for name, columns in written.items():
                rows += write_rows(layouts[name], columns, streams[name])
            truth_people.append(
                block.people.with_columns(
                    patid=pl.Series(patients.patid),
                    acceptable=pl.Series(patients.acceptable),
                    linked=pl.Series(patients.linked),
                )
            )
            truth_onsets.append(_onsets_with_recordings(block))
            bar.update(count)
    write_parquet(pl.concat(truth_people), people)
    write_parquet(pl.concat(truth_onsets), onsets)
    logger.info("simulated part: %d patients, %d rows of text", chosen.count, rows)


def _onsets_with_recordings(block: Block) -> pl.DataFrame:
    due = block.diagnoses.filter(pl.col("reason") == DUE).sort("person", "disease", "day")
    recorded = due.group_by("person", "disease", maintain_order=True).agg(recorded="day")
    return block.onsets.join(
        recorded, on=["person", "disease"], how="left", maintain_order="left"
    ).with_columns(pl.col("recorded").fill_null([]))


def write_linked(fragments: Sequence[Path], tables: Mapping[str, Path]) -> None:
    """Join the fragments of all parts, in the given order, into one file per linked table.

    Args:
        fragments: folders that `write_part` wrote.
        tables: the file of each of `behrt.simulation.linked_data.tables_of` the run's inputs.
    """
    size = 0
    for name, path in tables.items():
        with atomic(path) as temporary, temporary.open("wb") as stream:
            write_header(LINKED[name], stream)
            for folder in progress(fragments, label=name, unit="parts"):
                with (folder / f"{name}.txt").open("rb") as part:
                    shutil.copyfileobj(part, stream, 1 << 20)
            size += stream.tell()
    logger.info("simulated linkage: %d parts, %d bytes of text", len(fragments), size)
