"""Settings of a CPRD delivery: its files, how they are read, and who is studied."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from behrt.errors import InputError
from behrt.settings.base import (
    Count,
    Day,
    Distinct,
    DistinctOrNone,
    NotNegative,
    Positive,
    Section,
    Share,
    Text,
)

Database = Literal["gold", "aurum"]

Table = Literal[
    "patient",
    "practice",
    "staff",
    "consultation",
    "clinical",
    "additional",
    "referral",
    "immunisation",
    "test",
    "therapy",
    "linkage_eligibility",
    "linkage_coverage",
    "hes_patient",
    "hes_hospital",
    "hes_episodes",
    "hes_diagnosis_epi",
    "hes_diagnosis_hosp",
    "hes_primary_diag_hosp",
    "hes_procedures_epi",
    "hes_acp",
    "death_patient",
    "observation",
    "problem",
    "drugissue",
    "emismedicaldictionary",
]
"""A table of a delivery, as `behrt.cprd.databases` names it."""

DateFormat = Literal["DD/MM/YYYY", "YYYYMMDD", "YYYY-MM-DD", "YYYY/MM/DD"]
YearFormat = Literal["four digits", "less 1800"]
Encoding = Literal["utf-8", "cp1252"]


class CaliberRelease(Section):
    """Where `snakemake caliber` takes the public code lists from, and where it puts them."""

    folder: str = "resources/caliber"
    """The folder that the lists are put in. Set `caliber` to it."""

    address: str | None = None
    """The web address that the paths of the files are added to, for example of a mirror; `{commit}`
    in it stands for the pinned commit. null uses the public repository."""

    copy_of: Annotated[str | None, Field(alias="copy")] = None
    """A folder, .zip or .tar.gz with a copy of the repository, used in place of the network."""


class Delivery(Section):
    """Where a licensed delivery is (source `cprd`)."""

    folder: str | None = None
    """The folder that holds the delivered files, zipped or not, at any depth. They are recognised
    by their names, as CPRD gives them."""

    files: dict[Table, Text | Distinct[Text]] = {}
    """For a table whose files have other names than CPRD's, the pattern of their paths below
    delivery.folder ("p123_Patient*.txt"), or a list of patterns."""

    without: DistinctOrNone[Literal["death_patient", "hes_hospital", "hes_diagnosis_hosp"]] = ()
    """Source tables that the study does without, delivered or not: death_patient (deaths are those
    of general practice), hes_hospital (admissions without a diagnosis are not visits),
    hes_diagnosis_hosp (diagnoses are those of general practice). Without both tables of HES,
    patients need not be linked to HES. The first step of the cohort flow states the loss."""


class Extract(Section):
    """How delivered text is read."""

    maximum_refused: Share = 0.01
    """The share of a part's rows that may be refused before the run stops."""

    date_format: DateFormat | dict[Table, DateFormat | dict[str, DateFormat]] | None = None
    """How dates are written, or null to detect it in each column of each part. Tables may differ
    ({hes_hospital: YYYY/MM/DD}), and columns ({hes_hospital: {admidate: YYYY/MM/DD}}); the formats
    of the others are then detected."""

    year_format: YearFormat | None = None
    """How years of birth are written, or null to detect it in each part."""

    encoding: Encoding | None = None
    """How letters beyond ASCII are written. With null, text that is not UTF-8 is read as cp1252
    (Windows' Latin-1)."""

    columns: dict[Table, dict[str, str]] = {}
    """For a table, delivered names of columns that no known layout has, and the names that they
    stand for ({linkage_eligibility: {hes_flag: hes_e}})."""

    blank: DistinctOrNone[Text] = ()
    """Texts that stand for no value, in addition to the empty one ("NULL", "31/12/9999")."""

    megabytes_per_job: NotNegative = 256.0
    """One job reads about this much delivered text of a table, in as many files as it takes. A
    table has about 64 such jobs at most. 0 reads each file in its own job."""


class Check(Section):
    """How much `snakemake check_delivery` reads."""

    megabytes: Positive = 16.0
    """Text read from the start of each large file. Small tables are read whole."""


class CohortRules(Section):
    """Who is studied. Each key is a rule, or a rule's parameter."""

    minimum_visits: Count = 5
    """Visits that a patient needs within follow-up."""

    visits: Literal["all", "diagnosis"] = "all"
    """Which visits count towards minimum_visits: `all` (which fits the paper's numbers) or only
    visits with a `diagnosis`."""

    study_start: Day | None = None
    """The first day of the study (YYYY-MM-DD), or null for no limit."""

    study_end: Day | None = None
    """The last day of the study (YYYY-MM-DD), or null for no limit."""

    hes_start: Day | None = None
    """The first day that HES covers (YYYY-MM-DD), or null to read
    linkage_coverage.txt."""

    hes_end: Day | None = None
    """The last day that HES covers (YYYY-MM-DD), or null to read
    linkage_coverage.txt."""

    practice_digits: Annotated[int, Field(ge=1, le=9)] | None = None
    """The number of last digits of a patient id that identify the practice, or null to detect it.
    CPRD Aurum has a column for the practice."""

    @property
    def state_coverage(self) -> bool:
        """Whether both the first and the last day that HES covers are given."""
        return self.hes_start is not None and self.hes_end is not None

    @model_validator(mode="after")
    def _days_in_order(self) -> "CohortRules":
        for period in ("study", "hes"):
            start, end = getattr(self, f"{period}_start"), getattr(self, f"{period}_end")
            if start is not None and end is not None and start > end:
                raise InputError(
                    f"{period}_start", f"it is after {period}_end", "Swap or correct the two days"
                )
        return self


class Events(Section):
    """Which records become events."""

    tables: Distinct[Literal["clinical", "referral", "test", "observation", "problem"]] | None = (
        None
    )
    """General practice tables whose medical codes are read as diagnoses. Of CPRD GOLD: clinical,
    referral and test. Of CPRD Aurum: observation, or only the observations that `problem` or
    `referral` refers to. null reads clinical, or observation."""


class Aurum(Section):
    """What a run on CPRD Aurum needs in addition to the delivery."""

    merged_practices: str | None = None
    """A text file with one pracid per line: the practices that were merged into others, whose
    patients are excluded. CPRD lists them with each release. null excludes no practice."""

    snomed: str | None = None
    """A CSV file with the columns phenotype and snomedctconceptid. A phenotype in this file is
    defined by these SNOMED CT concepts, the others by CALIBER's Read codes; null for none."""
