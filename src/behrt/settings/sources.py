"""Settings of a MEDS dataset and of OMOP tables (sources `meds` and `omop`)."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from behrt.errors import InputError
from behrt.settings.base import Count, Distinct, DistinctOrNone, Section, Text

System = Literal["icd10", "icd9cm", "read", "snomed"]
InputKind = Literal["medications", "procedures", "tests", "smoking", "bmi", "blood_pressure"]
SmokingStatus = Literal["CURRENT", "EX", "NEVER"]
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


class InputCode(Section):
    """Codes of a MEDS dataset that are inputs beyond diagnoses."""

    kind: InputKind
    """What the codes are of. `smoking`, `bmi` and `blood_pressure` are measurements."""

    pattern: Text
    """A regular expression for the whole code. Its group `name`, written `(?P<name>...)`, is the
    name of the medication, procedure or test, or CURRENT, EX or NEVER for smoking. Its group `unit`
    is the unit of the value."""

    name: Text | None = None
    """The name, for a pattern without a group `name`."""

    unit: Text | None = None
    """The unit of a value where neither the code nor the column of units states it."""

    @model_validator(mode="after")
    def _has_a_name(self) -> "InputCode":
        named = self.name is not None or "(?P<name>" in self.pattern or "(?<name>" in self.pattern
        if not named and self.kind not in ("bmi", "blood_pressure"):
            raise InputError(
                "pattern",
                "it has no group `name`, and there is no `name`",
                "Put (?P<name>...) around the name, or give `name`",
            )
        return self


class ValueColumns(Section):
    """Columns of the data files beyond those that MEDS defines, read where a file has them."""

    unit: Text | None = "unit"
    """Unit of the value."""

    low: Text | None = "range_low"
    """Lower bound of the range of reference, in the unit of the value."""

    high: Text | None = "range_high"
    """Upper bound of the range of reference."""


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

    input_codes: Annotated[tuple[InputCode, ...], Field(strict=False)] = (
        InputCode(kind="medications", pattern="MEDICATION//START//(?P<name>.+)"),
        InputCode(kind="medications", pattern="MEDICATION//(?P<name>.+)//Administered"),
        InputCode(kind="procedures", pattern="PROCEDURE//START//(?P<name>.+)"),
        InputCode(kind="procedures", pattern="PROCEDURE//(?P<name>ICD//.+)"),
        InputCode(kind="tests", pattern="LAB//(?:RESULT//)?(?P<name>[0-9]+)//(?P<unit>.+)"),
        InputCode(kind="bmi", pattern="(?i:BMI)(?:(?://| \\()(?P<unit>[^)]+)\\)?)?"),
        InputCode(
            kind="blood_pressure",
            pattern="(?i:Blood[ _]Pressure)(?:(?://| )(?i:Systolic|Sitting|Standing|Lying).*)?",
            unit="mmHg",
        ),
        InputCode(
            kind="smoking", pattern="(?i:SMOKING(?:_STATUS)?)//(?P<name>(?i:CURRENT|EX|NEVER))"
        ),
    )
    """Codes of `inputs` beyond diagnoses: a list of a kind and a pattern each; the first that fits
    counts. The defaults are those of MIMIC-IV. What this workflow wrote as MEDS is known without
    them. A blood pressure is a systolic value, or the text `systolic/diastolic`."""

    columns: ValueColumns = ValueColumns()
    """Columns of the data files beyond those that MEDS defines, read where a file has them."""


class MeasurementConcepts(Section):
    """Concepts of one measurement."""

    kind: Literal["smoking", "bmi", "blood_pressure"]
    """What the concepts are of; blood pressure is systolic."""

    concepts: Distinct[Count]
    """Ids in measurement_concept_id; of smoking, in value_as_concept_id of the tables observation
    and measurement or, where that is blank or 0, in the concept of the row."""

    units: DistinctOrNone[Count] = ()
    """Ids in unit_concept_id of kg/m2, or of mmHg. Values with other units are not used."""

    status: SmokingStatus | None = None
    """Of smoking: what the concepts mean."""

    @model_validator(mode="after")
    def _is_complete(self) -> "MeasurementConcepts":
        if self.kind == "smoking" and self.status is None:
            raise InputError("status", "it is missing", "Give CURRENT, EX or NEVER")
        if self.kind != "smoking" and not self.units:
            raise InputError("units", "there are none", "Give the ids of the unit")
        return self


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

    measurements: Annotated[tuple[MeasurementConcepts, ...], Field(strict=False)] = (
        MeasurementConcepts(kind="bmi", concepts=(3038553,), units=(9531,)),
        MeasurementConcepts(
            kind="blood_pressure", concepts=(3004249, 4152194, 21490853), units=(8876,)
        ),
        MeasurementConcepts(
            kind="smoking",
            status="CURRENT",
            concepts=(4298794, 4276526, 45881517, 45884037),
        ),
        MeasurementConcepts(kind="smoking", status="EX", concepts=(4310250, 45883458)),
        MeasurementConcepts(kind="smoking", status="NEVER", concepts=(4144272, 45879404, 45883537)),
    )
    """Concepts of body mass index, systolic blood pressure and smoking (`inputs`, measurements).
    Other rows of the table measurement are tests."""


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

    tests: str | None = None
    """A CSV file with the columns code, test, unit, low and high, for `inputs` with tests; null for
    none. `code` is the name of a test in a MEDS dataset (meds.input_codes) or a
    measurement_concept_id, and `test` its name as a word. A value in `unit` (text, or a
    unit_concept_id) is low, normal or high by `low` and `high` where the data has no range of its
    own. unit, low and high may be blank."""
