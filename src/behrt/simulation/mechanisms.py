"""Three ways in which the simulated risks may be more than pairwise and additive. Off by default.

By default a disease causes another whatever else the person has. A mechanism multiplies the
probability of that by a factor (`behrt.settings.simulation.Mechanisms` names the three and their
strengths), which is about 1 on average, so that the diseases stay about as frequent:

* interactions: each disease has a modifier, a third disease, and causes others more often where the
  modifier is present;
* orders: the same, but what counts is whether the disease or its modifier began first. Without the
  modifier nothing changes;
* subtypes: each person has one of `SUBTYPES` hidden subtypes, and each cause acts in one of them.

Modifiers and subtypes of causes are drawn with their own seed. They are the same in all worlds and
for all strengths.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import polars as pl
from scipy.special import ndtr

from behrt.settings.simulation import Mechanisms
from behrt.simulation.diseases import risk_by_sex
from behrt.simulation.risks import GRAPH_SEED

SUBTYPES = 2

PRESENT = 0.25, 0.6
"""The share of the cases of a disease that have its modifier."""

FIRST = 0.3, 0.7
"""For `orders`: the share of those cases who had the disease before its modifier."""


@dataclass(frozen=True)
class Modifier:
    """What a third disease does to the probability that a parent causes a child.

    Attributes:
        disease: the modifier.
        absent, before, after: the factor if the modifier has not begun by the day on which the
            child begins; if it began before the parent; and if it began later, or on the same day.
    """

    disease: int
    absent: float
    before: float
    after: float


@dataclass(frozen=True)
class Changes:
    """What the mechanisms change about the edges of the risk graph, in its order.

    Attributes:
        modifiers: the modifiers of each edge.
        by_subtype: the factor for each subtype of people; empty without subtypes.
    """

    modifiers: list[tuple[Modifier, ...]]
    by_subtype: list[tuple[float, ...]]


def changes_of(
    diseases: pl.DataFrame, risks: pl.DataFrame, order: np.ndarray, mechanisms: Mechanisms
) -> Changes:
    """Return what mechanisms change.

    Args:
        diseases, risks: the tables of the world.
        order: indices of the diseases; parents come before their children.
        mechanisms: their strengths.
    """
    parents = risks["parent"].to_list()
    modifiers: list[tuple[Modifier, ...]] = [() for _ in parents]
    cases = _Cases(diseases, risks, order)
    if strength := mechanisms.interactions:
        for parent, chosen in cases.drawn(302, in_order=False).items():
            absent = 1 / (1 + cases.present(parent)[chosen] * np.expm1(strength))
            present = float(absent * np.exp(strength))
            cases.add(modifiers, parent, Modifier(chosen, float(absent), present, present))
    if strength := mechanisms.orders:
        for parent, chosen in cases.drawn(303, in_order=True).items():
            first = cases.first(parent)[chosen]
            before = 1 / (1 + first * np.expm1(strength))
            after = float(before * np.exp(strength))
            cases.add(modifiers, parent, Modifier(chosen, 1.0, float(before), after))
    by_subtype: list[tuple[float, ...]] = [() for _ in parents]
    if strength := mechanisms.subtypes:
        own = np.random.default_rng([GRAPH_SEED, 304]).integers(SUBTYPES, size=len(parents))
        other = SUBTYPES / (SUBTYPES + np.expm1(strength))
        factors = np.where(np.eye(SUBTYPES) > 0, other * np.exp(strength), other)
        by_subtype = [tuple(factors[subtype].tolist()) for subtype in own]
    return Changes(modifiers, by_subtype)


class _Cases:
    """The cases of each disease that causes others, as the tables of the world describe them."""

    def __init__(self, diseases: pl.DataFrame, risks: pl.DataFrame, order: np.ndarray) -> None:
        self.risk = risk_by_sex(diseases).mean(axis=0)
        self.both = (diseases["sex"] == "both").to_numpy()
        self.age = diseases["onset_mean"].to_numpy()
        self.spread = diseases["onset_spread"].to_numpy()
        self.place = np.argsort(order)
        self.parent, self.child = risks["parent"].to_numpy(), risks["child"].to_numpy()
        self.lag = risks["lag_years"].to_numpy()

    def _began_by(self, parent: int, age: float) -> np.ndarray:
        """Return float64 (diseases): P(onset before that of the parent, if that is at an age)."""
        began: np.ndarray = ndtr((age - self.age) / np.hypot(self.spread, self.spread[parent]))
        return began

    def present(self, parent: int) -> np.ndarray:
        """Return float64 (diseases): the share of a parent's cases with each when it acts."""
        age = self.age[parent] + self.lag[self.parent == parent].mean()
        share: np.ndarray = self.risk * self._began_by(parent, age)
        return share

    def first(self, parent: int) -> np.ndarray:
        """Return float64 (diseases): the share of a parent's cases with each who had it later."""
        had_later: np.ndarray = 1 - self._began_by(parent, self.age[parent])
        return had_later

    def drawn(self, stream: int, in_order: bool) -> Mapping[int, int]:
        """Return the modifiers of the diseases that have one.

        A modifier comes before all children in the order, is no parent and no child, and can
        occur in both sexes.
        """
        random = np.random.default_rng([GRAPH_SEED, stream])
        found = {}
        for parent in np.unique(self.parent).tolist():
            children = self.child[self.parent == parent]
            present = self.present(parent)
            fits = self.both & (self.place < self.place[children].min())
            fits &= (present >= PRESENT[0]) & (present <= PRESENT[1])
            if in_order:
                fits &= (self.first(parent) >= FIRST[0]) & (self.first(parent) <= FIRST[1])
            fits[self.parent[self.child == parent]] = fits[parent] = False
            draw = random.random()
            if fits.any():
                found[parent] = int(np.flatnonzero(fits)[int(draw * fits.sum())])
        return found

    def add(self, modifiers: list[tuple[Modifier, ...]], parent: int, modifier: Modifier) -> None:
        """Give all edges of a parent a further modifier."""
        for edge in np.flatnonzero(self.parent == parent).tolist():
            modifiers[edge] += (modifier,)
