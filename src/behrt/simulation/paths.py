"""Paths of the files of a simulated delivery, known before they are written."""

from collections.abc import Collection
from pathlib import Path

from behrt.cprd.delivery import DeliveredPart

IN_PARTS = {
    "gold": ("patient", "consultation", "clinical", "additional", "referral", "test", "therapy"),
    "aurum": ("patient", "consultation", "observation", "problem", "referral", "drugissue"),
}
"""The tables of each database that are delivered in parts."""

ONCE = ("practice", "staff")
_LINKED = {
    "linkage_eligibility": "linkage/simulated_linkage_eligibility_{database}.txt",
    "linkage_coverage": "linkage/linkage_coverage.txt",
    "hes_patient": "hes/hes_patient_simulated.txt",
    "hes_hospital": "hes/hes_hospital_simulated.txt",
    "hes_episodes": "hes/hes_episodes_simulated.txt",
    "hes_diagnosis_epi": "hes/hes_diagnosis_epi_simulated.txt",
    "hes_diagnosis_hosp": "hes/hes_diagnosis_hosp_simulated.txt",
    "hes_primary_diag_hosp": "hes/hes_primary_diag_hosp_simulated.txt",
    "death_patient": "ons/death_patient_simulated.txt",
}
_LINKED_OF = {
    "procedures": {"hes_procedures_epi": "hes/hes_procedures_epi_simulated.txt"},
}
_NEEDED_LOOK_UPS = {
    "medications": ("product",),
    "tests": ("entity", "OPR", "SUM", "TQU", "NumUnit", "tests"),
    "measurements": ("entity", "YND", "NumUnit", "measurements"),
}
_LOOK_UPS = {
    "gold": "lookups/medical.txt",
    "aurum": "lookups/simulated_EMISMedicalDictionary.txt",
}

_CONCEPT_LOOK_UPS = {
    "gold": {
        "product": "lookups/product.txt",
        "entity": "lookups/entity.txt",
        "OPR": "lookups/TXTFILES/OPR.txt",
        "SUM": "lookups/TXTFILES/SUM.txt",
        "TQU": "lookups/TXTFILES/TQU.txt",
        "YND": "lookups/TXTFILES/YND.txt",
    },
    "aurum": {
        "product": "lookups/simulated_EMISProductDictionary.txt",
        "NumUnit": "lookups/NumUnit.txt",
        "tests": "lookups/tests.csv",
        "measurements": "lookups/measurements.csv",
    },
}


def numbered_file(database: str, table: str, part: str) -> str:
    """Return the path, relative to the delivery, of one part of a table of the database."""
    return f"{database}/simulated_Extract_{table.capitalize()}_{part}.zip"


def linked_file(database: str, table: str) -> str:
    """Return the path, relative to the delivery, of a linked table."""
    return _LINKED[table].format(database=database)


def linked_files(database: str, inputs: Collection[str] = ()) -> dict[str, str]:
    """Return the path, relative to the delivery, of each linked table that the inputs need."""
    files = {table: linked_file(database, table) for table in _LINKED}
    for name in inputs:
        files |= _LINKED_OF.get(name, {})
    return files


def look_up_files(database: str, inputs: Collection[str]) -> dict[str, str]:
    """Return the path, relative to the delivery, of each look-up that inputs beyond diagnoses need.

    The keys are those of `behrt.cprd.concepts.look_ups`. `tests` and `measurements` are the code
    lists of CPRD Aurum's observations.
    """
    needed = {look_up for name in inputs for look_up in _NEEDED_LOOK_UPS.get(name, ())}
    return {name: path for name, path in _CONCEPT_LOOK_UPS[database].items() if name in needed}


def look_up_file(database: str) -> str:
    """Return the path, relative to the delivery, of the look-up of medical codes."""
    return _LOOK_UPS[database]


_BYTES_PER_PERSON = 4_000
"""Approximately, of the largest table."""


def simulated_parts(
    folder: Path,
    parts: int,
    database: str = "gold",
    inputs: Collection[str] = (),
    people: int = 0,
) -> list[DeliveredPart]:
    """List the files that `behrt.cprd.delivery.find_parts` finds in a simulated delivery.

    Args:
        folder: of the delivery.
        parts: the number of parts of each table that is delivered in parts.
        database: a key of `behrt.cprd.databases.DATABASES`.
        inputs: of the run.
        people: in the delivery.
    """
    size = people * _BYTES_PER_PERSON // parts
    numbered = [(table, part) for table in IN_PARTS[database] for part in range(1, parts + 1)]
    numbered += [(table, 1) for table in ONCE]
    found = []
    for table, number in numbered:
        path = folder / numbered_file(database, table, f"{number:03d}")
        member = path.with_suffix(".txt").name
        found.append(DeliveredPart(table, f"{number:03d}", path, member, size))
    found += [
        DeliveredPart(table, "001", folder / path, None)
        for table, path in linked_files(database, inputs).items()
    ]
    if database == "aurum":
        found.append(
            DeliveredPart("emismedicaldictionary", "001", folder / look_up_file(database), None)
        )
    return sorted(found)
