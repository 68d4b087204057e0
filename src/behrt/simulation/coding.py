"""The phenotypes to which a recorded disease maps, through its code.

A record of a disease carries one of its codes. A code may be listed under two diseases, and some
diseases have no code that a GP could use. So the phenotypes of a record are not always the disease
that the process recorded.
"""

from dataclasses import dataclass

import numpy as np
import polars as pl

from behrt.simulation.drawn_codes import draw_mostly_first, draw_probability


@dataclass(frozen=True)
class Coding:
    """Probabilities that recordings map to phenotypes: float64 (diseases, phenotypes).

    `gp[d, k]` is the probability that the code of a GP's recording of disease d maps to phenotype
    k, and `hospital[d, k]` the same in hospital. Diseases and phenotypes are in order of name.
    """

    gp: np.ndarray
    hospital: np.ndarray

    @classmethod
    def exact(cls, diseases: int) -> "Coding":
        """Return a coding in which each recording maps only to its own disease."""
        return cls(np.eye(diseases), np.eye(diseases))

    def unmapped(self, gp: np.ndarray, hospital: np.ndarray) -> np.ndarray:
        """Return float64 (n, phenotypes): P(no code maps to it), for independent recordings.

        Args:
            gp, hospital: float64 (n, diseases), P(recorded).
        """
        silent = np.ones((len(gp), self.gp.shape[1]))
        for recorded, maps in ((gp, self.gp), (hospital, self.hospital)):
            for disease, phenotype in zip(*np.nonzero(maps), strict=True):
                silent[:, phenotype] *= 1 - recorded[:, disease] * maps[disease, phenotype]
        return silent

    def mapped_once(self, gp: np.ndarray, hospital: np.ndarray) -> np.ndarray:
        """Return float64 (n, phenotypes): P(a code maps to it), for at most one recording."""
        mapped: np.ndarray = gp @ self.gp + hospital @ self.hospital
        return mapped


def coding_of(codes: pl.DataFrame, mapping: pl.DataFrame, diseases: int) -> Coding:
    """Return how recordings map, from the codes of records and the code lists.

    Args:
        codes: of records (`behrt.simulation.code_lists.CodesToWrite`).
        mapping: system, code, phenotype (`behrt.cprd.diagnoses.read_mapping`).
        diseases: the number of diseases, and of phenotypes, which have the same order.
    """
    made = {}
    for system, written in _codes_by_system(codes).items():
        place, size = pl.int_range(pl.len()).over("disease"), pl.len().over("disease")
        drawn = written.with_columns(place=place, size=size)
        drawn = drawn.with_columns(
            share=pl.Series(draw_probability(drawn["place"].to_numpy(), drawn["size"].to_numpy()))
        )
        maps = np.zeros((diseases, diseases))
        pairs = drawn.join(mapping.filter(pl.col("system") == system), on="code")
        place_of = pairs["disease"].to_numpy(), pairs["phenotype"].to_numpy()
        np.add.at(maps, place_of, pairs["share"].to_numpy())
        made[system] = np.minimum(maps, 1)
    return Coding(made["medcode"], made["icd10"])


def _codes_by_system(codes: pl.DataFrame) -> dict[str, pl.DataFrame]:
    """Return disease and code for each system; codes are in order of preference."""
    diagnosis = codes.filter(pl.col("kind") == "diagnosis").sort("disease", maintain_order=True)
    by_system = {
        "medcode": pl.col("medcode").cast(pl.String),
        "icd10": pl.col("icd").str.replace(".", "", literal=True),
    }
    return {
        system: diagnosis.select("disease", code=code).drop_nulls("code")
        for system, code in by_system.items()
    }


@dataclass(frozen=True)
class _SystemCodes:
    """The codes of a system: those of disease d are `start[d]` to `start[d] + size[d] - 1`.

    Code c maps to the phenotypes `phenotype[first[c]:first[c] + count[c]]`.
    """

    start: np.ndarray
    size: np.ndarray
    first: np.ndarray
    count: np.ndarray
    phenotype: np.ndarray


@dataclass(frozen=True)
class Coder:
    """Draws a code for each recording, as the delivery does, and maps it to phenotypes."""

    gp: _SystemCodes
    hospital: _SystemCodes

    @classmethod
    def of(cls, codes: pl.DataFrame, mapping: pl.DataFrame, diseases: int) -> "Coder":
        """Return a coder; the arguments are those of `coding_of`."""
        made = {}
        for system, written in _codes_by_system(codes).items():
            size = np.bincount(written["disease"].to_numpy(), minlength=diseases)
            pairs = (
                written.with_row_index("place")
                .join(mapping.filter(pl.col("system") == system), on="code")
                .sort("place", "phenotype")
            )
            count = np.bincount(pairs["place"].to_numpy(), minlength=len(written))
            made[system] = _SystemCodes(
                np.cumsum(size) - size,
                size,
                np.cumsum(count) - count,
                count,
                pairs["phenotype"].to_numpy(),
            )
        return cls(made["medcode"], made["icd10"])

    @classmethod
    def exact(cls, diseases: int) -> "Coder":
        """Return a coder in which each recording maps only to its own disease."""
        each, one = np.arange(diseases), np.ones(diseases, dtype=np.int64)
        drawn = _SystemCodes(each, one, each, one, each)
        return cls(drawn, drawn)

    def draw(
        self, disease: np.ndarray, hospital: np.ndarray, random: np.random.Generator
    ) -> tuple[np.ndarray, np.ndarray]:
        """Draw codes, and return the phenotypes to which they map.

        Args:
            disease: int64, one element per recording.
            hospital: bool, whether it is recorded in hospital.
            random: draws.

        Returns:
            Pairs of a recording (its index) and a phenotype, int64.
        """
        places, phenotypes = [], []
        for codes, here in ((self.gp, ~hospital), (self.hospital, hospital)):
            place = np.flatnonzero(here & (codes.size[disease] > 0))
            of = disease[place]
            code = draw_mostly_first(random, codes.start[of], codes.size[of])
            count = codes.count[code]
            pair = np.arange(count.sum()) - np.repeat(np.cumsum(count) - count, count)
            places.append(np.repeat(place, count))
            phenotypes.append(codes.phenotype[pair + np.repeat(codes.first[code], count)])
        return np.concatenate(places), np.concatenate(phenotypes)
