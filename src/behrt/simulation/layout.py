"""Where the files of a simulated delivery lie, known before they are written."""

from pathlib import Path

from behrt.cprd.delivery import Part

_IN_PARTS = ("patient", "consultation", "clinical", "additional", "referral", "test", "therapy")
_ONCE = ("practice", "staff")
_LINKED = {
    "linkage_eligibility": "linkage/simulated_linkage_eligibility_gold.txt",
    "linkage_coverage": "linkage/linkage_coverage.txt",
    "hes_patient": "hes/hes_patient_simulated.txt",
    "hes_hospital": "hes/hes_hospital_simulated.txt",
    "hes_episodes": "hes/hes_episodes_simulated.txt",
    "hes_diagnosis_epi": "hes/hes_diagnosis_epi_simulated.txt",
    "hes_diagnosis_hosp": "hes/hes_diagnosis_hosp_simulated.txt",
    "hes_primary_diag_hosp": "hes/hes_primary_diag_hosp_simulated.txt",
    "death_patient": "ons/death_patient_simulated.txt",
}


def simulated_parts(folder: Path, parts: int) -> list[Part]:
    """List what `behrt.cprd.delivery.find_parts` will find once the delivery is simulated.

    Args:
        folder: of the delivery.
        parts: how many parts each large table is written in.
    """
    numbered = [(table, part) for table in _IN_PARTS for part in range(1, parts + 1)]
    numbered += [(table, 1) for table in _ONCE]
    found = []
    for table, part in numbered:
        stem = f"simulated_Extract_{table.capitalize()}_{part:03d}"
        found.append(Part(table, f"{part:03d}", folder / "gold" / f"{stem}.zip", f"{stem}.txt"))
    found += [Part(table, "001", folder / name, None) for table, name in _LINKED.items()]
    return sorted(found)
