"""CPRD's two databases: the source tables of each, and the rules in which they differ."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from behrt.concepts import concepts_in
from behrt.cprd import layout
from behrt.cprd.layout import SourceTable
from behrt.errors import InputError

_HOSPITAL = ("hes_hospital", "hes_diagnosis_hosp")
OPTIONAL = {
    "death_patient": "ONS deaths",
    "hes_hospital": "admissions without a diagnosis",
    "hes_diagnosis_hosp": "hospital diagnoses",
}
"""What a run can go without (`delivery.without`), and what is lost with it."""


@dataclass(frozen=True)
class Database:
    """One of CPRD's databases.

    Attributes:
        name: as in the configuration.
        title: CPRD's name.
        numbered: its own source tables, in files named `…_Extract_<Table>_<NNN>`.
        others: source tables in files named `…_<table>_…`: linked ones and look-ups.
        records: source tables in which each row with a date is a visit to the practice.
        coded: source tables whose rows have a medical code.
        pointing: source tables that point at rows of a coded one, by obsid.
        usual: the source table of `coded` whose codes are diagnoses by default.
        look_ups: look-ups that every run needs.
        concepts: source tables that hold the inputs beyond diagnoses, by input.
        follow_up_from: dates from which follow-up can start; the latest counts, none may be blank.
        registered: the name of the cohort's step that requires them.
        practice_in_patid: whether only the last digits of patid identify the patient's practice.
    """

    name: str
    title: str
    numbered: Mapping[str, SourceTable]
    others: Mapping[str, SourceTable]
    records: tuple[str, ...]
    coded: tuple[str, ...]
    pointing: tuple[str, ...]
    usual: str
    look_ups: tuple[str, ...]
    concepts: Mapping[str, tuple[str, ...]]
    follow_up_from: tuple[str, ...]
    registered: str
    practice_in_patid: bool

    @property
    def source_tables(self) -> dict[str, SourceTable]:
        """Every source table that a delivery can hold, by name."""
        return {**self.numbered, **self.others}

    def needed(
        self,
        diagnoses: Sequence[str] | None,
        without: Collection[str] = (),
        coverage_stated: bool = False,
        inputs: Sequence[str] = (),
    ) -> list[str]:
        """Return the source tables that a run reads.

        Args:
            diagnoses: the configuration's `events.tables`.
            without: its `delivery.without`. Without both tables of HES, linkage is not needed.
            coverage_stated: whether it states the first and the last day of HES.
            inputs: its `inputs` (`behrt.concepts`).

        >>> "hes_hospital" in GOLD.needed(None)
        True
        >>> GOLD.needed(None, without=["hes_hospital", "hes_diagnosis_hosp"])
        ['patient', 'practice', 'consultation', 'clinical', 'death_patient']
        >>> set(GOLD.needed(None, inputs=["diagnoses", "tests"])) - set(GOLD.needed(None))
        {'test'}
        """
        coded, pointing = self.diagnoses(diagnoses)
        linkage = ["linkage_eligibility", *([] if coverage_stated else ["linkage_coverage"])]
        linked = [*(linkage if uses_hospital(without) else []), *_HOSPITAL, "death_patient"]
        read = [name for name in linked if name not in without]
        always = ("patient", "practice", *self.records, *read, *self.look_ups)
        others = [name for concept in concepts_in(inputs) for name in self.concepts[concept]]
        return list(dict.fromkeys((*always, *coded, *pointing, *others)))

    def diagnoses(self, chosen: Sequence[str] | None) -> tuple[list[str], list[str]]:
        """Return the coded source tables of diagnoses, and those that point at their rows.

        Where a source table points at rows, the other rows of the coded one are not diagnoses,
        unless the coded one is chosen too.

        Args:
            chosen: the configuration's `events.tables`; None for the usual one.

        Raises:
            InputError: the database has no such source table.
        """
        names = list(chosen) if chosen else [self.usual]
        known = (*self.coded, *self.pointing)
        for name in names:
            if name not in known:
                raise InputError(
                    "config, events.tables",
                    f"{self.title} has no diagnoses in {name!r}",
                    f"Use {', '.join(known)}, or null",
                )
        coded = [name for name in names if name in self.coded]
        return (coded, []) if coded else ([self.usual], names)

    def unread(
        self, source_table: str, chosen: Sequence[str] | None, inputs: Collection[str] = ()
    ) -> list[str]:
        """Return the columns of a source table that a run does not use.

        An obsid takes more space than all other columns of an observation.

        Args:
            source_table: its name.
            chosen: the configuration's `events.tables`.
            inputs: its `inputs` (`behrt.concepts`).
        """
        coded, pointing = self.diagnoses(chosen)
        own = ["obsid"] if self.pointing and not pointing and source_table in coded else []
        return [*own, *self.source_tables[source_table].unread(inputs)]


def uses_hospital(without: Collection[str]) -> bool:
    """Return whether a run reads hospital records, and so needs patients linked to HES."""
    return not set(_HOSPITAL) <= set(without)


def losses(without: Collection[str]) -> list[str]:
    """Return what a run lacks for each entry of `delivery.without`, in words.

    >>> losses(["hes_hospital", "hes_diagnosis_hosp"])
    ['hospital records']
    >>> losses(["death_patient"])
    ['ONS deaths']
    """
    if not uses_hospital(without):
        others = [name for name in without if name not in _HOSPITAL]
        return [*losses(others), "hospital records"]
    return [loss for name, loss in OPTIONAL.items() if name in without]


GOLD = Database(
    name="gold",
    title="CPRD GOLD",
    numbered=MappingProxyType(layout.GOLD),
    others=MappingProxyType(layout.LINKED),
    records=("consultation", "clinical"),
    coded=("clinical", "referral", "test"),
    pointing=(),
    usual="clinical",
    look_ups=(),
    concepts=MappingProxyType(
        {
            "medications": ("therapy",),
            "procedures": ("hes_procedures_epi",),
            "tests": ("test",),
            "measurements": ("additional", "clinical"),
        }
    ),
    follow_up_from=("crd", "uts"),
    registered="Registered at an up-to-standard practice",
    practice_in_patid=True,
)
AURUM = Database(
    name="aurum",
    title="CPRD Aurum",
    numbered=MappingProxyType(layout.AURUM),
    others=MappingProxyType({**layout.LINKED, **layout.LOOK_UPS}),
    records=("consultation", "observation"),
    coded=("observation",),
    pointing=("problem", "referral"),
    usual="observation",
    look_ups=("emismedicaldictionary",),
    concepts=MappingProxyType(
        {
            "medications": ("drugissue",),
            "procedures": ("hes_procedures_epi",),
            "tests": ("observation",),
            "measurements": ("observation",),
        }
    ),
    follow_up_from=("crd",),
    registered="Registered at a practice",
    practice_in_patid=False,
)
DATABASES = {database.name: database for database in (GOLD, AURUM)}
