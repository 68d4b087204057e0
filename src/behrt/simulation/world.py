"""The settings of the process, and the practices, diseases and risks that all people share."""

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import polars as pl

from behrt.errors import InputError
from behrt.settings.simulation import Mechanisms
from behrt.simulation.days import MONTH, YEAR, day_number
from behrt.simulation.diseases import CHRONIC, read_diseases, risk_by_sex
from behrt.simulation.mechanisms import Modifier, changes_of
from behrt.simulation.risks import make_risks, topological_order


@dataclass(frozen=True)
class World:
    """What all simulated people share.

    Attributes:
        practices: one row per practice: practice Int32 (from 1), region Int32 (CPRD's look-up
            PRG: 1–10 England, 11 Northern Ireland, 12 Scotland, 13 Wales), uts and lcd Int32
            (up-to-standard and last-collection days), linked Bool (has consented to HES linkage;
            England only), recording Float32 (multiplies the probability that a review records a
            disease).
        diseases: the table of diseases (`behrt.simulation.diseases`).
        risks: the risk graph (`behrt.simulation.risks`).
        mechanisms: how far the risks are more than pairwise and additive.
    """

    practices: pl.DataFrame
    diseases: pl.DataFrame
    risks: pl.DataFrame
    mechanisms: Mechanisms = field(default_factory=Mechanisms)

    @cached_property
    def parameters(self) -> "Parameters":
        """The tables of diseases and risks as arrays."""
        return Parameters.of(self.diseases, self.risks, self.mechanisms)


@dataclass(frozen=True)
class Edge:
    """One edge of the risk graph (`behrt.simulation.risks`); the lag is in days.

    The probability is multiplied by the factors of `modifiers` and by that of the person's subtype
    in `by_subtype`, if there is one (`behrt.simulation.mechanisms`).
    """

    parent: int
    child: int
    probability: float
    age_slope: float
    female_ratio: float
    lag_scale: float
    lag_shape: float
    modifiers: tuple[Modifier, ...] = ()
    by_subtype: tuple[float, ...] = ()

    @property
    def largest_factor(self) -> float:
        """The largest factor that the probability may be multiplied by."""
        largest = max(self.by_subtype, default=1.0)
        for modifier in self.modifiers:
            largest *= max(modifier.absent, modifier.before, modifier.after)
        return largest


@dataclass(frozen=True)
class Parameters:
    """The tables of diseases and risks as arrays, one element per disease.

    Attributes:
        order: indices of the diseases; parents come before their children.
        edges_into: the edges from each disease's parents.
        hazard: float64 (2, diseases), -log(1 - spontaneous lifetime risk) of males, then females.
            A person's own risk is 1 - exp(-hazard * susceptibility).
        age_mean, age_spread: of the normal distribution of the age of onset, in years.
        childhood: share of the spontaneous onsets that are in childhood.
        chronic: bool, recorded at reviews.
        interval, refractory: mean and shortest time to the next recording, in days.
        continues: probability that another recording follows.
        hospital: share of onsets and flare-ups that are admissions.
        admissions: further admissions for a chronic disease per day.
        fatality: probability that an onset at the age of 78 is fatal.
        fatal_scale: mean time from a fatal onset to death, in days.
    """

    order: np.ndarray
    edges_into: list[list[Edge]]
    hazard: np.ndarray
    age_mean: np.ndarray
    age_spread: np.ndarray
    childhood: np.ndarray
    chronic: np.ndarray
    interval: np.ndarray
    refractory: np.ndarray
    continues: np.ndarray
    hospital: np.ndarray
    admissions: np.ndarray
    fatality: np.ndarray
    fatal_scale: np.ndarray

    @classmethod
    def of(
        cls, diseases: pl.DataFrame, risks: pl.DataFrame, mechanisms: Mechanisms
    ) -> "Parameters":
        """Convert the tables; months and years become days."""
        order = topological_order(diseases, risks["parent"].to_numpy(), risks["child"].to_numpy())
        changes = changes_of(diseases, risks, order, mechanisms)
        caused = np.zeros(len(diseases))
        np.add.at(caused, risks["child"].to_numpy(), risks["share"].to_numpy())
        into: list[list[Edge]] = [[] for _ in range(len(diseases))]
        for number, row in enumerate(risks.iter_rows(named=True)):
            edge = Edge(
                parent=row["parent"],
                child=row["child"],
                probability=row["probability"],
                age_slope=row["age_slope"],
                female_ratio=row["female_ratio"],
                lag_scale=row["lag_years"] * YEAR / row["lag_shape"],
                lag_shape=row["lag_shape"],
                modifiers=changes.modifiers[number],
                by_subtype=changes.by_subtype[number],
            )
            into[edge.child].append(edge)

        def column(name: str) -> np.ndarray:
            return diseases[name].to_numpy()

        return cls(
            order=order,
            edges_into=into,
            hazard=-np.log1p(-risk_by_sex(diseases) * np.maximum(1 - caused, 0.03)),
            age_mean=column("onset_mean"),
            age_spread=column("onset_spread"),
            childhood=column("childhood_share"),
            chronic=(diseases["pattern"] == CHRONIC).to_numpy(),
            interval=column("interval_months") * MONTH,
            refractory=column("refractory_months") * MONTH,
            continues=column("continues"),
            hospital=column("hospital_share"),
            admissions=column("admissions_per_year") / YEAR,
            fatality=column("fatality"),
            fatal_scale=column("fatal_lag_years") * YEAR,
        )

    @property
    def pairwise(self) -> bool:
        """Whether no mechanism is on, so that risks are pairwise and additive."""
        edges = (edge for into in self.edges_into for edge in into)
        return not any(edge.modifiers or edge.by_subtype for edge in edges)

    def require_pairwise(self, forecast: str) -> None:
        """Raise InputError if a mechanism is on, which a closed form does not account for."""
        if not self.pairwise:
            raise InputError(
                "simulation.process.mechanisms",
                f"{forecast} holds only for risks that are pairwise and additive",
                "Set all strengths to 0, or request no ceiling",
            )

    def review_probability(
        self, disease: np.ndarray, recording: np.ndarray, spacing: float
    ) -> np.ndarray:
        """Return the probability that a review after the refractory time records a disease.

        `recording` is the practice's factor. At a factor of 1 the mean time between recordings is
        the disease's interval: half a spacing passes on average before the first such review.
        """
        reviews = np.maximum((self.interval - self.refractory) / spacing + 0.5, 1.0)
        probability: np.ndarray = np.minimum(recording / reviews[disease], 0.97)
        return probability


def make_world(practices: int, seed: int, mechanisms: Mechanisms | None = None) -> World:
    """Draw the practices, and read the diseases and their risks.

    By default no mechanism is on.
    """
    random = np.random.default_rng([seed, 1])
    region = random.choice(
        np.arange(1, 14),
        practices,
        p=[0.02, 0.12, 0.04, 0.04, 0.08, 0.11, 0.11, 0.12, 0.12, 0.11, 0.03, 0.05, 0.05],
    )
    uts = day_number("1988-01-01") + random.beta(1.2, 1.6, practices) * 15 * YEAR
    lcd = day_number("2011-01-01") + random.beta(3, 1.5, practices) * 7 * YEAR
    frame = pl.DataFrame(
        {
            "practice": np.arange(1, practices + 1, dtype=np.int32),
            "region": region.astype(np.int32),
            "uts": uts.astype(np.int32),
            "lcd": lcd.astype(np.int32),
            "linked": (random.random(practices) < 0.75) & (region <= 10),
            "recording": np.exp(random.normal(0, 0.2, practices)).astype(np.float32),
        }
    )
    diseases = read_diseases()
    return World(frame, diseases, make_risks(diseases), mechanisms or Mechanisms())
