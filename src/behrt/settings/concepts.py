"""Settings of the inputs beyond diagnoses: medications, procedures, tests and measurements."""

from typing import Annotated, Literal

from pydantic import AfterValidator

from behrt.concepts import DIAGNOSES, in_order
from behrt.errors import InputError
from behrt.settings.base import Count, Distinct, Section

Input = Literal["diagnoses", "medications", "procedures", "tests", "measurements"]


def _with_diagnoses(inputs: tuple[Input, ...]) -> tuple[Input, ...]:
    if DIAGNOSES not in inputs:
        raise InputError("", "diagnoses are missing, which every run reads", "Add diagnoses")
    return tuple(in_order(inputs))  # type: ignore[arg-type]


Inputs = Annotated[Distinct[Input], AfterValidator(_with_diagnoses)]
"""Kinds of inputs, diagnoses among them. They are put in one order."""


class ConceptSettings(Section):
    """How inputs beyond diagnoses become words."""

    minimum_patients: Count = 10
    """Training patients who must have a code for it to be a word. Rarer codes are left out, and
    counted in vocabulary_concepts.json."""
