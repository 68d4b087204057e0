"""The flaws of a delivery, each a named share: what the rules of the cohort exist for."""

from dataclasses import dataclass, fields

import numpy as np

from behrt.errors import InputError


@dataclass(frozen=True)
class Flaws:
    """How often each flaw occurs. Every value is a share in [0, 1]; 0 turns the flaw off.

    Practices that have not consented to linkage, and those outside England, belong to the world
    (`behrt.simulation.process.make_world`), not to this list.

    Attributes:
        unacceptable: patients whose record is not of acceptable quality (accept = 0).
        not_linkable: patients of linked practices without HES linkage (hes_e = 0).
        before_registration: of diagnoses before registration, those entered from older notes.
        after_registration: of diagnoses after a transfer, those that the old practice still has.
        after_collection: clinical rows dated, wrongly, after the practice's last collection.
        missing_date: clinical rows and consultations without a date of the event.
        no_medcode: clinical rows with medcode 0.
        duplicate: clinical rows and consultations delivered twice.
        no_icd: hospital spells that hold a missing diagnosis, `-.`.
        unfinished: hospital spells without a date of discharge.
        outside_coverage: of spells outside HES's coverage, those delivered none the less.
        late_gp_death: deaths in registration whose date in the GP record is days late.
        ons_death_shifted: deaths that ONS records one to five days off.
        weak_match: linked deaths of match rank 3 or more.
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
                raise InputError(f"flaws: {field.name}", f"{share} is no share", "Give 0 to 1")


def some(generator: np.random.Generator, rows: int, share: float) -> np.ndarray:
    """Return a mask (bool, one a row) that is true for `share` of the rows, drawn at random."""
    return generator.random(rows, dtype=np.float32) < np.float32(share)


def twice(generator: np.random.Generator, rows: int, share: float) -> np.ndarray:
    """Return row numbers 0 … rows − 1 in order, `share` of them repeated at once."""
    return np.repeat(np.arange(rows), 1 + some(generator, rows, share))
