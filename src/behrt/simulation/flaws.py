"""Flaws of a delivery, which the cohort's rules have to handle."""

from dataclasses import dataclass, fields

import numpy as np

from behrt.errors import InputError


@dataclass(frozen=True)
class Flaws:
    """How often each flaw occurs. Every value is a share in [0, 1]; 0 turns the flaw off.

    Practices outside England, and those that have not consented to linkage, are not flaws; see
    `behrt.simulation.world.World`.

    Attributes:
        unacceptable: patients whose record is not of acceptable quality (accept = 0).
        not_linkable: patients of linked practices without HES linkage (hes_e = 0).
        before_registration: diagnoses before registration that are entered from older notes.
        after_registration: diagnoses after a transfer that the old practice records.
        after_collection: clinical rows with a wrong date, after the practice's last collection.
        missing_date: clinical rows and consultations without a date of the event.
        no_medcode: clinical rows with medcode 0.
        duplicate: clinical rows and consultations delivered twice.
        no_icd: hospital spells with a missing diagnosis, `-.`.
        unfinished: hospital spells without a date of discharge.
        outside_coverage: spells outside HES's coverage that are delivered anyway.
        late_gp_death: deaths while registered whose date in the GP record is some days late.
        ons_death_shifted: deaths whose date at ONS is one to five days early or late.
        weak_match: linked deaths with a match rank of 3 or more.

    Raises:
        InputError: a value is not a share.
    """

    unacceptable: float = 0.05
    not_linkable: float = 0.03
    before_registration: float = 0.3
    after_registration: float = 0.03
    after_collection: float = 0.0005
    missing_date: float = 0.002
    no_medcode: float = 0.002
    duplicate: float = 0.005
    no_icd: float = 0.01
    unfinished: float = 0.004
    outside_coverage: float = 0.02
    late_gp_death: float = 0.15
    ons_death_shifted: float = 0.03
    weak_match: float = 0.02

    def __post_init__(self) -> None:
        for field in fields(self):
            share = getattr(self, field.name)
            if not 0 <= share <= 1:
                raise InputError(
                    f"flaws: {field.name}", f"{share} is not a share", "Use a number from 0 to 1"
                )


def random_mask(generator: np.random.Generator, rows: int, share: float) -> np.ndarray:
    """Return a bool per row, true for a random `share` of the rows."""
    return generator.random(rows, dtype=np.float32) < np.float32(share)


def with_duplicates(generator: np.random.Generator, rows: int, share: float) -> np.ndarray:
    """Return the row numbers from 0 in order, a random `share` of them twice."""
    return np.repeat(np.arange(rows), 1 + random_mask(generator, rows, share))
