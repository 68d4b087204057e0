"""CPRD's two databases: the tables that each delivers, and the rules in which they differ."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from behrt.cprd import layout
from behrt.cprd.layout import SourceTable
from behrt.errors import InputError

_LINKED_THAT_A_RUN_READS = (
    "linkage_eligibility",
    "linkage_coverage",
    "hes_hospital",
    "hes_diagnosis_hosp",
    "death_patient",
)


@dataclass(frozen=True)
class Database:
    """One of CPRD's databases.

    Attributes:
        name: as config calls it.
        title: as CPRD calls it.
        numbered: its own tables, in files named `…_Extract_<Table>_<NNN>`.
        others: tables in files named `…_<table>_…`: what is linked, and look-ups.
        records: tables whose every dated row is a visit to the practice.
        coded: tables with a medical code a row.
        pointing: tables that point at rows of a coded one, by obsid.
        usual: the table of `coded` whose codes are diagnoses unless config says otherwise.
        look_ups: look-ups that a run cannot do without.
        follow_up_from: dates from which follow-up may start; the latest counts, all must be there.
        registered: the name of the cohort's step that asks for them.
        practice_in_patid: whether only the last digits of patid tell the patient's practice.
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
    follow_up_from: tuple[str, ...]
    registered: str
    practice_in_patid: bool

    @property
    def source_tables(self) -> dict[str, SourceTable]:
        """Every table that a delivery may hold, by name."""
        return {**self.numbered, **self.others}

    def needed(self, diagnoses: Sequence[str] | None) -> list[str]:
        """Return the tables that a run reads, given config's events.tables."""
        coded, pointing = self.diagnoses(diagnoses)
        always = ("patient", "practice", *self.records, *_LINKED_THAT_A_RUN_READS, *self.look_ups)
        return list(dict.fromkeys((*always, *coded, *pointing)))

    def diagnoses(self, chosen: Sequence[str] | None) -> tuple[list[str], list[str]]:
        """Return the coded tables that diagnoses come from, and those that point at their rows.

        Where a table points at rows, the others of the coded table are no diagnoses, unless the
        coded table is chosen too.

        Args:
            chosen: config's events.tables; None for the usual one.

        Raises:
            InputError: the database has no such table.
        """
        source_tables = list(chosen) if chosen else [self.usual]
        known = (*self.coded, *self.pointing)
        for source_table in source_tables:
            if source_table not in known:
                raise InputError(
                    "config, events.tables",
                    f"{self.title} has no diagnoses in {source_table!r}",
                    f"Use {', '.join(known)}, or null",
                )
        coded = [source_table for source_table in source_tables if source_table in self.coded]
        return (coded, []) if coded else ([self.usual], source_tables)

    def unread(self, source_table: str, chosen: Sequence[str] | None) -> list[str]:
        """Return the columns of a table that a run has no use for, given config's events.tables.

        An obsid costs more to keep than all else of an observation.
        """
        coded, pointing = self.diagnoses(chosen)
        return ["obsid"] if self.pointing and not pointing and source_table in coded else []


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
    follow_up_from=("crd",),
    registered="Registered at a practice",
    practice_in_patid=False,
)
DATABASES = {database.name: database for database in (GOLD, AURUM)}
