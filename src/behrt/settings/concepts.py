"""Settings of the inputs beyond diagnoses: medications, procedures, tests and measurements."""

from itertools import pairwise
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from behrt.concepts import DIAGNOSES, in_order
from behrt.errors import InputError
from behrt.settings.base import (
    Count,
    Distinct,
    DistinctOrNone,
    Positive,
    Section,
    Text,
)

Input = Literal["diagnoses", "medications", "procedures", "tests", "measurements"]


def _with_diagnoses(inputs: tuple[Input, ...]) -> tuple[Input, ...]:
    if DIAGNOSES not in inputs:
        raise InputError("", "diagnoses are missing, which every run reads", "Add diagnoses")
    return tuple(in_order(inputs))  # type: ignore[arg-type]


Inputs = Annotated[Distinct[Input], AfterValidator(_with_diagnoses)]
"""Kinds of inputs, diagnoses among them. They are put in one order."""


LookUp = Literal["medical", "product", "entity", "OPR", "SUM", "TQU", "YND", "NumUnit"]
"""A look-up of CPRD: of GOLD medical.txt (only for `meds_by_split`), product.txt, entity.txt and
TXTFILES/<name>.txt, of Aurum EMISProductDictionary.txt (`product`) and NumUnit.txt."""

Name = Annotated[str, Field(pattern="^[^/\\s]([^/]*[^/\\s])?$", examples=["HbA1c"])]
"""A name that is a part of a code: without a slash, and without spaces around it."""


def _ascending(edges: tuple[float, ...]) -> tuple[float, ...]:
    if any(low >= high for low, high in pairwise(edges)):
        raise ValueError("the numbers do not ascend")
    return edges


Edges = Annotated[
    tuple[Positive, ...], Field(strict=False, min_length=1), AfterValidator(_ascending)
]
"""The lower edges of bands, ascending."""


class Conversion(Section):
    """A unit in which a test is recorded: value in the test's unit = factor × value + offset."""

    factor: Positive = 1.0
    """What a value is multiplied by."""

    offset: float = 0.0
    """What is then added."""


class LaboratoryTest(Section):
    """A test: which records are of it, and which of its values are certain."""

    entities: DistinctOrNone[Count] = ()
    """The entity types (enttype) of CPRD GOLD's Test that record it."""

    described_as: DistinctOrNone[Text] = ()
    """Words, one of which the description of these entity types in entity.txt must have. Without
    words, any description will do."""

    unit: str
    """The unit of its values. A value without a unit counts where this is "" or `units` has ""."""

    units: dict[str, Conversion] = {}
    """Other spellings and other units. Upper and lower case and spaces make no difference."""

    lowest: float
    """The lowest value, in `unit`, that is plausible."""

    highest: float
    """The highest value, in `unit`, that is plausible."""

    @model_validator(mode="after")
    def _in_order(self) -> "LaboratoryTest":
        if self.lowest >= self.highest:
            raise InputError("lowest", "it is not below highest", "Swap or correct the two values")
        return self


class MedicationSettings(Section):
    """How prescriptions become words."""

    level: Literal["chapter", "section", "substance"] = "section"
    """What a word is: a chapter (06) or a section (0601) of the British National Formulary (BNF),
    or a drug substance. A product with several is recorded as each of them."""


class ProcedureSettings(Section):
    """How procedures in hospital become words."""

    level: Literal[3, 4, "caliber"] = 3
    """What a word is: an OPCS-4 code of three or four characters, or a phenotype with an OPCS list
    in `caliber`."""


class LaboratoryTests(Section):
    """How tests become words: done, low, normal or high, by the range recorded with the value."""

    definitions: dict[Name, LaboratoryTest | None] = {}
    """Tests by name, in addition to those of src/behrt/cprd/concepts/tests.toml or in their place.
    null excludes a test."""

    codes: str | None = None
    """CPRD Aurum: a CSV file with the columns medcodeid and test (a name). A simulated delivery has
    one of its own."""


class MeasurementSettings(Section):
    """How smoking, body mass index and blood pressure become words."""

    bmi: Edges = (18.5, 25.0, 30.0, 35.0, 40.0)
    """Lower edges of the bands of the body mass index (kg/m2). A band holds its lower edge. There
    is one more band, below the first edge."""

    blood_pressure: Edges = (120.0, 140.0, 160.0, 180.0)
    """Lower edges of the bands of the systolic blood pressure (mmHg)."""

    codes: str | None = None
    """CPRD Aurum: a CSV file with the columns medcodeid and measurement: SMOKING//CURRENT,
    SMOKING//EX, SMOKING//NEVER, BMI or BLOOD_PRESSURE (systolic). A simulated delivery has one of
    its own."""


class ConceptSettings(Section):
    """How inputs beyond diagnoses become words."""

    minimum_patients: Count = 10
    """Training patients who must have a code for it to be a word. Rarer codes are left out, and
    counted in vocabulary_concepts.json."""

    look_ups: dict[LookUp, Text] = {}
    """Paths of CPRD's look-ups that are not in the delivery, or have other names there
    ({product: lookups/product_2023.txt})."""

    medications: MedicationSettings = MedicationSettings()
    """How prescriptions become words."""

    procedures: ProcedureSettings = ProcedureSettings()
    """How procedures in hospital become words."""

    tests: LaboratoryTests = LaboratoryTests()
    """How tests become words."""

    measurements: MeasurementSettings = MeasurementSettings()
    """How smoking, body mass index and blood pressure become words."""
