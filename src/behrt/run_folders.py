"""What the folders of a run hold: rows of patients, public code lists, or neither."""

PATIENT_DATA = (
    "admissions",
    "assessment",
    "checksums.csv",
    "cohort",
    "concepts",
    "delivery",
    "evaluation",
    "extracted",
    "fragments",
    "imported",
    "listed.parquet",
    "meds",
    "meds_by_split",
    "outcomes",
    "predictions",
    "sequences",
    "source_events",
    "tasks",
    "trajectories",
    "truth",
    "unmapped",
    "unmapped.parquet",
    "vectors",
    "words.parquet",
)
"""Folders and files of a run that hold rows of patients, or hashes of such files.

They are never released, nor scanned.
"""

CODE_LISTS = ("caliber", "phenotypes", "source_codes.parquet")
"""Folders and files that hold public code lists, not patients."""
