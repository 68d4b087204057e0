"""Measure the errors of the ceiling of the records, by particles.

    python benchmarks/ceiling_of_records.py [results/demo] [--patients 300] [--particles 40]
        [--sweeps 3] [--practices 110] [--seed 2020] [--task T2] [--split tuning]

Reads a finished run of simulated patients. `behrt.simulation.hidden_onsets` finds when diseases
began by messages, which is exact only for a graph without loops. Here, particles are drawn from
the same posterior: from parents to children, with the messages as a look-ahead, weighted and
resampled; then every disease is drawn again given all others (Gibbs sampling). The share of each
state given all others is averaged over particles and sweeps. This is exact for many particles. It
prints, for the messages, for the particles, and for two independent halves of the particles, APS
and calibration, and the mean absolute differences of probabilities; and the same for more or fewer
rounds of messages.
"""

import argparse
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl

from behrt.cprd.diagnoses import read_mapping
from behrt.evaluation.metrics import sample_average_precision
from behrt.settings.simulation import ProcessSettings
from behrt.simulation.ceiling import forecast, read_examples, read_truth
from behrt.simulation.code_lists import read_codes
from behrt.simulation.coding import coding_of
from behrt.simulation.hidden_onsets import BEFORE, BINS, RECORDED, Beliefs, Tables
from behrt.simulation.oracle_records import ROUNDS, Posterior, in_window, window_posterior
from behrt.simulation.records import read_records
from behrt.simulation.silence import Silence
from behrt.simulation.world import make_world

MONTHS = {"T2": 6, "T3": 12}
AT_ONCE = 50
_SMALLEST = 1e-14


class Particles:
    """States of the diseases of some patients, drawn from their posterior.

    A day of the horizon of a disease has one of the numbers: the ends of the bins, the ends of the
    parts of the window, the day before the first record, that day.
    """

    def __init__(self, beliefs: Beliefs, particles: int, seed: int) -> None:
        self.beliefs, self.particles = beliefs, particles
        self.random = np.random.default_rng(seed)
        self.diseases, self.states, patients = beliefs.belief.shape
        parts = self.states - BINS - 2
        self.never, self.end = self.states - 1, BINS + 1 + parts
        days = self.end + 3
        self.patient = np.repeat(np.arange(patients), particles)
        first = np.concatenate([np.arange(BINS), [days - 2], BINS + 1 + np.arange(parts)])
        last = np.concatenate([np.arange(BINS) + 1, [days - 1], BINS + 2 + np.arange(parts)])
        # An onset in a state is after the first of these days, and up to the second.
        self.between = np.stack([first, last], axis=1)
        self.caused, self.free, self.weight = [], [], []
        for link in beliefs.links:
            by = np.zeros((patients, self.states, days), dtype=np.float32)
            chance = link.chance.T[:, :, None]
            by[:, :BINS, : BINS + 1] = chance[:, :BINS] * link.by_bin.T
            by[:, :-1, BINS + 1 : self.end + 1] = chance * link.later.transpose(2, 1, 0)
            later = chance[link.known, RECORDED] * link.later_known.T
            by[link.known, RECORDED, BINS + 1 : self.end + 1] = later
            first = chance[link.seen, : RECORDED + 1] * link.first.transpose(2, 1, 0)
            by[link.seen, : RECORDED + 1, -2:] = first
            self.caused.append(by)
        for disease in range(self.diseases):
            rows, risk = beliefs.rows[disease], beliefs.risk[disease, :, None]
            share, share_of_first = beliefs.share[disease]
            free = np.ones((patients, days))
            free[:, :-2] -= risk * share.T
            free[rows, -2:] -= risk[rows] * share_of_first.T
            self.free.append(free)
            # As if no child began.
            weight = beliefs.likelihood[disease].T.astype(np.float64)
            for number in beliefs.out[disease]:
                weight *= 1 - self.caused[number][:, :, self.end]
            self.weight.append(weight / weight.max(axis=1, keepdims=True))
        self.state = np.full((self.diseases, len(self.patient)), self.never)
        self.effective = self._filter()

    def _prior(self, disease: int) -> np.ndarray:
        """Return P(state | the parents), float64 (particles, states)."""
        free = self.free[disease][self.patient]
        for number in self.beliefs.into[disease]:
            parent = self.state[self.beliefs.links[number].parent]
            begun = np.flatnonzero(parent != self.never)
            free[begun] *= 1 - self.caused[number][self.patient[begun], parent[begun]]
        prior = np.empty((len(self.patient), self.states))
        prior[:, :-1] = free[:, self.between[:, 0]] - free[:, self.between[:, 1]]
        prior[:, -1] = free[:, self.end]
        recorded = np.isfinite(self.beliefs.histories.first[self.patient, disease])
        prior[recorded, : RECORDED + 1] += _SMALLEST
        return np.maximum(prior, 0)

    def _draw(self, disease: int, shares: np.ndarray) -> np.ndarray:
        """Draw the state of a disease; return the sums of the shares."""
        total = shares.cumsum(axis=1)
        drawn = (self.random.random(len(shares))[:, None] * total[:, -1:] >= total).sum(axis=1)
        self.state[disease] = np.minimum(drawn, self.never)
        summed: np.ndarray = total[:, -1]
        return summed

    def _filter(self) -> float:
        """Draw from parents to children; return the last effective share of the particles."""
        beliefs, half = self.beliefs, self.particles // 2
        log = np.zeros(len(self.patient))
        for disease in beliefs.parameters.order:
            ahead = (beliefs.likelihood[disease] * beliefs.message[disease]).T[self.patient]
            log += np.log(np.maximum(self._draw(disease, self._prior(disease) * ahead), 1e-300))
            for number in beliefs.into[disease]:
                parent = self.state[beliefs.links[number].parent]
                log -= np.log(beliefs.sent[number][parent, self.patient])
            # Each half of a patient's particles is resampled by itself.
            groups = log.reshape(-1, half)
            weight = np.exp(groups - groups.max(axis=1, keepdims=True))
            weight /= weight.sum(axis=1, keepdims=True)
            effective = 1 / (half * (weight**2).sum(axis=1))
            final = disease == beliefs.parameters.order[-1]
            unequal = np.flatnonzero(effective < (1.0 if final else 0.5))
            total = weight[unequal].cumsum(axis=1)
            places = (np.arange(half) + self.random.random((len(unequal), 1))) / half
            kept = (places[:, :, None] >= total[:, None, :]).sum(axis=2).clip(0, half - 1)
            to = unequal[:, None] * half + np.arange(half)
            self.state[:, to.ravel()] = self.state[:, (unequal[:, None] * half + kept).ravel()]
            groups[unequal] = 0
            log = groups.ravel()
        return float(effective.mean())

    def _given_others(self, disease: int) -> np.ndarray:
        """Return the shares of the states given all other diseases; not normalised."""
        beliefs = self.beliefs
        shares = self._prior(disease) * self.weight[disease][self.patient]
        states = np.arange(self.states)
        for number in beliefs.out[disease]:
            child = beliefs.links[number].child
            begun = np.flatnonzero(self.state[child] != self.never)
            of, days = self.patient[begun], self.between[self.state[child, begun]]
            free = self.free[child][of[:, None], days]
            for other in beliefs.into[child]:
                if other != number:
                    parent = self.state[beliefs.links[other].parent, begun]
                    free *= 1 - self.caused[other][of[:, None], parent[:, None], days]
            caused = self.caused[number][of[:, None, None], states[:, None], days[:, None, :]]
            child_began = (free[:, None] * (1 - caused)) @ np.array([1.0, -1.0])
            child_began = np.maximum(child_began, 0) + _SMALLEST
            child_began /= 1 - self.caused[number][of, :, self.end]
            shares[begun] *= child_began / child_began.max(axis=1, keepdims=True)
        return shares

    def sweep(self, sweeps: int) -> np.ndarray:
        """Return the mean shares, float64 (2, patients, diseases, states), of both halves."""
        patients = self.beliefs.belief.shape[2]
        total = np.zeros((2, patients, self.diseases, self.states))
        for _ in range(sweeps):
            for disease in self.beliefs.parameters.order:
                shares = self._given_others(disease)
                shares /= self._draw(disease, shares)[:, None]
                halves = shares.reshape(-1, 2, self.particles // 2, self.states).mean(axis=2)
                total[:, :, disease] += halves.transpose(1, 0, 2)
        mean: np.ndarray = total / sweeps
        return mean


def with_belief(found: Posterior, belief: np.ndarray) -> Posterior:
    """Return the posterior with another distribution (patients, diseases, states) of the onsets."""
    beliefs = object.__new__(Beliefs)
    belief = belief.transpose(1, 2, 0).astype(np.float32)
    beliefs.__dict__.update(found.beliefs.__dict__, belief=belief)
    return replace(found, beliefs=beliefs)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("results", type=Path, nargs="?", default=Path("results/demo"))
    parser.add_argument("--patients", type=int, default=300)
    parser.add_argument("--particles", type=int, default=40)
    parser.add_argument("--sweeps", type=int, default=3)
    parser.add_argument("--practices", type=int, default=110)
    parser.add_argument("--seed", type=int, default=2020)
    parser.add_argument("--task", choices=MONTHS, default="T2")
    parser.add_argument("--split", choices=["tuning", "held_out"], default="tuning")
    given = parser.parse_args()
    results, settings = given.results, ProcessSettings()
    world = make_world(given.practices, given.seed)
    phenotypes = results / "phenotypes"
    mapping = read_mapping(phenotypes / "medcodes.parquet", phenotypes / "icd.parquet")
    codes = read_codes(results / "truth/codes.parquet")
    coding = coding_of(codes, mapping, len(world.diseases))
    shards = sorted((results / "sequences").glob("*.parquet"))
    task, months = results / "tasks" / f"{given.task}.parquet", MONTHS[given.task]
    asked = read_examples(shards, task, months, given.split)
    asked = asked.sample(min(given.patients, len(asked)), seed=given.seed).sort("subject_id")
    records = read_records(shards, asked, world, coding)
    window = asked["window"].to_numpy().astype(np.int64)
    silence = Silence.of(world.parameters, BEFORE, settings)
    tables = Tables(world.parameters)
    label = np.zeros((len(asked), len(world.diseases)), dtype=bool)
    known = label.copy()
    for row, happened in enumerate(asked["label"].to_list()):
        label[row, happened] = True
    before = asked.select("subject_id").join(
        pl.read_parquet(task), on="subject_id", how="left", maintain_order="left"
    )
    for row, recorded in enumerate(before["known"].to_list()):
        known[row, recorded] = True
    print(f"{given.task}: {len(asked)} patients ({given.split})")

    def show(name: str, scores: np.ndarray) -> None:
        every = np.nanmean(sample_average_precision(scores, label))
        new = sample_average_precision(np.where(known, -1, scores), label & ~known)
        first = np.nanmean(new[(label & ~known).any(axis=1)])
        print(
            f"    {name:38} APS {100 * every:.2f} | {100 * first:.2f}; expected over observed "
            f"{scores.sum() / label.sum():.3f} | {scores[~known].sum() / label[~known].sum():.3f}"
        )

    truth = read_truth(
        *(sorted((results / "truth" / name).glob("*.parquet")) for name in ("people", "onsets")),
        asked["subject_id"],
    )
    show("oracle", forecast(world, truth, asked, months, settings, coding).astype(np.float64))
    scored: dict[str, list[np.ndarray]] = {}
    spent: dict[str, float] = {}
    effective = []
    for begin in range(0, len(asked), AT_ONCE):
        end = min(begin + AT_ONCE, len(asked))
        part = records.part(begin, end)
        for rounds in sorted({2, ROUNDS, 4, 6, 8}):
            began = time.process_time()
            found = window_posterior(
                world, tables, part, window[begin:end], silence, settings, rounds=rounds
            )
            scores = in_window(world.parameters, found, silence, settings, coding)
            name = f"{rounds} rounds of messages"
            scored.setdefault(name, []).append(scores)
            spent[name] = spent.get(name, 0) + time.process_time() - began
        began = time.process_time()
        particles = Particles(found.beliefs, given.particles, given.seed + begin)
        effective.append(particles.effective)
        halves = particles.sweep(given.sweeps)
        for name, belief in (
            ("particles", halves.mean(axis=0)),
            ("half of the particles", halves[0]),
            ("the other half", halves[1]),
        ):
            changed = with_belief(found, belief)
            scored.setdefault(name, []).append(
                in_window(world.parameters, changed, silence, settings, coding)
            )
        spent["particles"] = spent.get("particles", 0) + time.process_time() - began
    joined = {name: np.concatenate(parts) for name, parts in scored.items()}
    for name, scores in joined.items():
        show(name, scores)
    print(
        f"    effective share of the particles before the last resampling: {np.mean(effective):.2f}"
    )
    for name, seconds in spent.items():
        print(f"    CPU time of {name}: {seconds:.0f} s")
    most = max(name for name in joined if name.endswith("messages"))
    for one, other in (
        ("half of the particles", "the other half"),
        (f"{ROUNDS} rounds of messages", most),
        (f"{ROUNDS} rounds of messages", "particles"),
    ):
        difference = np.abs(joined[one] - joined[other]).mean()
        print(f"    mean absolute difference, {one} and {other}: {difference:.6f}")
    print(f"    mean probability: {joined['particles'].mean():.6f}")


if __name__ == "__main__":
    main()
