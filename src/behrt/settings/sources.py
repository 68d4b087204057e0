"""Settings of a MEDS dataset and of OMOP tables (sources `meds` and `omop`)."""

from typing import Annotated, Literal

from pydantic import Field

from behrt.settings.base import Count, Section, Text

System = Literal["icd10", "icd9cm", "read", "snomed"]
Systems = Annotated[tuple["CodeSystem", ...], Field(strict=False)]


class CodeSystem(Section):
    """How the codes of one system are recognised."""

    prefix: str
    """A regular expression for the text before the code itself; it may be empty."""

    system: System
    """The code system."""


class StructureSettings(Section):
    """How the dataset writes codes other than diagnoses, as regular expressions for whole codes."""

    birth: str = "MEDS_BIRTH(//.*)?"
    """Code of a subject's birth."""

    death: str = "MEDS_DEATH(//.*)?"
    """Code of a subject's death."""

    male: str = "(?i:(SEX|GENDER)//?(M|MALE|8507))"
    """Code of male subjects."""

    female: str = "(?i:(SEX|GENDER)//?(F|FEMALE|8532))"
    """Code of female subjects."""

    start: str = "FOLLOW_UP//START"
    """Code of the first day of follow-up. Without it, follow-up starts at the first event."""

    end: str = "FOLLOW_UP//END"
    """Code of the last day of follow-up. Without it, follow-up ends at the last event."""


class AdmissionCodes(Section):
    """How the dataset writes stays in hospital, as regular expressions for whole codes. Outcomes
    read them.
    """

    admission: str = "HOSPITAL_ADMISSION(//.*)?"
    """Code of an admission to hospital."""

    emergency: str = "HOSPITAL_ADMISSION//.*(?i:emer|urgent).*"
    """Those of the admissions that are emergencies."""

    discharge: str = "HOSPITAL_DISCHARGE(//.*)?"
    """Code of a discharge from hospital."""


class Meds(Section):
    """The MEDS dataset (source `meds`)."""

    folder: str | None = None
    """The folder of the dataset, which holds data/ and metadata/."""

    systems: Systems = (
        CodeSystem(prefix="DIAGNOSIS//ICD//10(CM)?//", system="icd10"),
        CodeSystem(prefix="DIAGNOSIS//ICD//9(CM)?//", system="icd9cm"),
        CodeSystem(prefix="ICD10(CM|GM|CN)?//?", system="icd10"),
        CodeSystem(prefix="ICD9(CM)?//?", system="icd9cm"),
        CodeSystem(prefix="(?i:Read)//?", system="read"),
    )
    """The systems of diagnosis codes: a list of a prefix (a regular expression for the text before
    the code itself) and a system each. The first entry is used whose prefix a code of its system
    follows. Codes without such a prefix, for example of laboratory tests, are not diagnoses."""

    structure: StructureSettings = StructureSettings()
    """How the dataset writes codes other than diagnoses, as regular expressions for whole codes."""

    admissions: AdmissionCodes = AdmissionCodes()
    """How the dataset writes stays in hospital, as regular expressions for whole codes."""


class Omop(Section):
    """The tables of an OMOP common data model (source `omop`)."""

    folder: str | None = None
    """The folder of person, condition_occurrence and, where they exist, visit_occurrence,
    observation_period, death and concept; each as Parquet or CSV (gzipped or not), or as a folder
    of such files."""

    condition: Literal["condition_source_value", "condition_concept_id"] = "condition_source_value"
    """The column of condition_occurrence that is read: the source's code, or the id of the standard
    concept. A concept is mapped through `codes.snomed` where the table concept is delivered;
    otherwise it becomes a word of its own."""

    systems: Systems = (
        CodeSystem(prefix="(?i:ICD-?10(-?(CM|GM))?)[:/| ]+", system="icd10"),
        CodeSystem(prefix="(?i:ICD-?9(-?CM)?)[:/| ]+", system="icd9cm"),
        CodeSystem(prefix="(?i:Read)[:/| ]+", system="read"),
        CodeSystem(prefix="(?i:SNOMED([ -]?CT)?)[:/| ]+", system="snomed"),
        CodeSystem(prefix="", system="icd10"),
        CodeSystem(prefix="", system="icd9cm"),
    )
    """The systems of the source's codes, as under meds.systems, where condition_source_concept_id
    and the table concept do not give them. A prefix may be empty. A code that fits several systems
    with an empty prefix belongs to the one that other codes of the data show; if they show several
    or none, `codes.ambiguous` decides."""


class CodeSettings(Section):
    """Which codes become words (sources `meds` and `omop`)."""

    own: Annotated[tuple[Text, ...], Field(strict=False)] | None = None
    """Regular expressions for the start of codes that become words unchanged where no list maps
    them. null selects no code if `caliber` is given, and every code of a diagnosis otherwise."""

    minimum_patients: Count = 10
    """Patients who must have a code for it to become a word unchanged."""

    crosswalk: str | None = None
    """A CSV file with a header and two columns, ICD-9-CM code and ICD-10 code, through which the
    lists map ICD-9-CM; null for none."""

    snomed: str | None = None
    """A CSV file with the columns phenotype (as in CALIBER's dictionary.csv) and snomedctconceptid,
    through which concepts of SNOMED CT are mapped; null for none."""

    ambiguous: System | None = None
    """The system of codes that fit several of `systems`, as E8490 fits ICD-10 and ICD-9-CM. null
    does not use such codes, and counts them."""
