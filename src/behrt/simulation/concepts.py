"""The inputs of a block of people other than diagnoses: prescriptions, procedures, and values."""

from collections.abc import Collection
from dataclasses import dataclass

import polars as pl

from behrt.settings.simulation import ConceptProcess
from behrt.simulation.histories import histories_of
from behrt.simulation.markers import (
    MEASUREMENTS,
    TESTS,
    Markers,
    Smoking,
    Values,
    make_smoking,
    make_values,
)
from behrt.simulation.procedures import Operations, Procedures, make_operations
from behrt.simulation.process import Block
from behrt.simulation.treatments import Prescriptions, Treatments, make_prescriptions
from behrt.simulation.world import World


@dataclass(frozen=True)
class ConceptTables:
    """The tables of treatments, procedures and markers."""

    treatments: Treatments
    procedures: Procedures
    markers: Markers

    @classmethod
    def of(cls, diseases: pl.DataFrame) -> "ConceptTables":
        """Read the tables; `diseases` are the world's.

        Raises:
            InputError: a table is not valid, or names an unknown disease.
        """
        return cls(Treatments.of(diseases), Procedures.of(diseases), Markers.of(diseases))


@dataclass(frozen=True)
class Concepts:
    """What a block's people have of the inputs that a run names; None for the others.

    Rows of people are in order of person.
    """

    prescriptions: Prescriptions | None
    operations: Operations | None
    tests: Values | None
    measurements: Values | None
    smoking: Smoking | None


def make_concepts(
    world: World,
    block: Block,
    tables: ConceptTables,
    inputs: Collection[str],
    seed: int,
    settings: ConceptProcess,
) -> Concepts:
    """Draw the inputs of a block. What is drawn does not depend on which inputs are named.

    Args:
        world: that the block was simulated in.
        block: the people and their diseases.
        tables: of treatments, procedures and markers.
        inputs: some of `behrt.concepts.INPUTS`.
        seed: of the simulation.
        settings: of the inputs.
    """
    histories = histories_of(world, block, seed)
    measured = MEASUREMENTS in inputs
    return Concepts(
        make_prescriptions(histories, tables.treatments, settings)
        if "medications" in inputs
        else None,
        make_operations(histories, tables.procedures, block) if "procedures" in inputs else None,
        make_values(histories, tables.markers, TESTS, settings) if TESTS in inputs else None,
        make_values(histories, tables.markers, MEASUREMENTS, settings) if measured else None,
        make_smoking(histories, settings) if measured else None,
    )
