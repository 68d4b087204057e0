"""Join the linked tables of all parts of a simulated delivery."""

from pathlib import Path

from behrt import stage
from behrt.simulation.delivery import write_linked


def main(
    fragments: list[Path],
    linkage_eligibility: Path,
    hes_patient: Path,
    hes_hospital: Path,
    hes_episodes: Path,
    hes_diagnosis_epi: Path,
    hes_diagnosis_hosp: Path,
    hes_primary_diag_hosp: Path,
    death_patient: Path,
    hes_procedures_epi: Path | None = None,
) -> None:
    """Write the eligibility, HES and ONS files; `fragments` are folders in order of part."""
    others = {"hes_procedures_epi": hes_procedures_epi} if hes_procedures_epi else {}
    write_linked(
        fragments,
        {
            **others,
            "linkage_eligibility": linkage_eligibility,
            "hes_patient": hes_patient,
            "hes_hospital": hes_hospital,
            "hes_episodes": hes_episodes,
            "hes_diagnosis_epi": hes_diagnosis_epi,
            "hes_diagnosis_hosp": hes_diagnosis_hosp,
            "hes_primary_diag_hosp": hes_primary_diag_hosp,
            "death_patient": death_patient,
        },
    )


if __name__ == "__main__":
    stage.run(main, snakemake)
