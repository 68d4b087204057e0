"""The generative process of the simulated patients.

A person's diseases begin in one pass through the diseases in topological order
(`behrt.simulation.onsets`). Each onset is the earliest of competing causes: a spontaneous one
(age- and sex-specific), and one for each parent disease that the person already has, at a
gamma-distributed lag. A person's susceptibility raises or lowers the spontaneous risks. An onset
may be fatal. So risks are pairwise and additive, unless a mechanism is on
(`behrt.simulation.mechanisms`).

An onset is recorded on its day (`behrt.simulation.recordings`). What follows depends on the
disease's pattern:

* `once` and `recurrent`: with probability `continues` another recording follows, after the
  refractory time and an exponential wait; and so on.
* `chronic`: the person has regular review visits. After the refractory time, each review records
  the disease with a fixed probability, so that the diseases of one person share visits. With
  probability 1 - `continues` a recording is the last. Further admissions occur at a constant rate.

An admission codes each chronic disease that the person has with a fixed probability.

Everything is vectorised over people. Days are counted from 1970-01-01.
"""

from dataclasses import dataclass

import numpy as np
import polars as pl

from behrt.settings.simulation import ProcessSettings
from behrt.simulation.onsets import make_onsets, onsets_frame
from behrt.simulation.people import make_people, people_frame
from behrt.simulation.recordings import make_recordings
from behrt.simulation.visits import arrange_visits, make_contacts
from behrt.simulation.world import World


@dataclass(frozen=True)
class Block:
    """Consecutive people and everything that happens to them. Days are Int32, from 1970-01-01.

    Attributes:
        people: person Int64, sex Int8 (1 male, 2 female), birth_day, death_day (null: alive at the
            last collection), practice Int32, registration_start, registration_end (null: still
            registered), transferred_out Bool, review_phase Int16 (offset of the person's review
            visits in days), susceptibility Float32 (multiplies the person's spontaneous risks).
            Sorted by person.
        diagnoses: person, day, disease Int16, setting Int8 (0 GP, 1 hospital), spell Int32 (the
            person's admissions in order from 1; -1 for GP), rank Int8 (order within the spell,
            1 is primary; 0 for GP), first Bool (the disease's first recording), reason Int8
            (`DUE`, `ADMISSION` or `COMORBIDITY` of `behrt.simulation.recordings`). Sorted by
            person, day, setting, rank, disease. The day of a hospital diagnosis is that of the
            admission.
        contacts: person, day: GP contacts without a diagnosis, while registered; sorted.
        admissions: person, spell, admitted_day, discharged_day, emergency Bool; sorted. A person's
            stays do not overlap.
        onsets: person, disease, day, cause Int16 (-1 spontaneous, else the parent disease): the
            truth. Sorted by person, day, disease.
    """

    people: pl.DataFrame
    diagnoses: pl.DataFrame
    contacts: pl.DataFrame
    admissions: pl.DataFrame
    onsets: pl.DataFrame


def simulate_block(
    world: World, first_person: int, count: int, seed: int, settings: ProcessSettings
) -> Block:
    """Simulate people `first_person` to `first_person + count - 1`.

    The same arguments give the same block, whatever other blocks are simulated.

    >>> from behrt.simulation.world import make_world
    >>> world = make_world(practices=5, seed=1)
    >>> block = simulate_block(world, 1, 3, seed=1, settings=ProcessSettings())
    >>> print(block.people.select("person", "sex", pl.col("birth_day").cast(pl.Date)))
    shape: (3, 3)
    ┌────────┬─────┬────────────┐
    │ person ┆ sex ┆ birth_day  │
    │ ---    ┆ --- ┆ ---        │
    │ i64    ┆ i8  ┆ date       │
    ╞════════╪═════╪════════════╡
    │ 1      ┆ 1   ┆ 1929-12-19 │
    │ 2      ┆ 2   ┆ 1945-11-18 │
    │ 3      ┆ 2   ┆ 1951-03-11 │
    └────────┴─────┴────────────┘
    """
    random = np.random.default_rng([seed, 2, first_person])
    people = make_people(world, first_person, count, random, settings)
    onset, cause = make_onsets(world.parameters, people, random)
    made = make_recordings(world.parameters, people, onset, random, settings)
    diagnoses, admissions = arrange_visits(made, people, random)
    contacts = make_contacts(people, diagnoses, random, settings)
    return Block(
        people=people_frame(people),
        diagnoses=diagnoses,
        contacts=contacts,
        admissions=admissions,
        onsets=onsets_frame(people, onset, cause),
    )
