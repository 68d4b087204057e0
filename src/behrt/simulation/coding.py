"""Which phenotypes a recorded disease becomes, once its code has been mapped back.

A record of a disease is written with one of its codes. A code may be listed under two diseases, and
some diseases have no code that a GP could write: so what a record says of a disease is not quite
what the process recorded.
"""

from dataclasses import dataclass

import numpy as np
import polars as pl

from behrt.simulation.primary_care import favour_of


@dataclass(frozen=True)
class Coding:
    """How recordings map: float64 (diseases, phenotypes), both in order of name.

    `gp[d, k]` and `hospital[d, k]` are the probabilities that the code of a recording of disease d
    by a GP, or in hospital, maps to phenotype k.
    """

    gp: np.ndarray
    hospital: np.ndarray

    @classmethod
    def exact(cls, diseases: int) -> "Coding":
        """Return a coding by which every recording maps to its own disease alone."""
        return cls(np.eye(diseases), np.eye(diseases))

    def unmapped(self, gp: np.ndarray, hospital: np.ndarray) -> np.ndarray:
        """Return float64 (n, phenotypes): P(no code maps to it), recordings being independent.

        Args:
            gp, hospital: float64 (n, diseases), P(recorded).
        """
        silent = np.ones((len(gp), self.gp.shape[1]))
        for recorded, maps in ((gp, self.gp), (hospital, self.hospital)):
            for disease, phenotype in zip(*np.nonzero(maps), strict=True):
                silent[:, phenotype] *= 1 - recorded[:, disease] * maps[disease, phenotype]
        return silent

    def mapped_once(self, gp: np.ndarray, hospital: np.ndarray) -> np.ndarray:
        """Return float64 (n, phenotypes): P(a code maps to it), recordings excluding each other."""
        mapped: np.ndarray = gp @ self.gp + hospital @ self.hospital
        return mapped


def coding_of(codes: pl.DataFrame, mapping: pl.DataFrame, diseases: int) -> Coding:
    """Return how recordings map, given the codes that they are written with and the lists.

    Args:
        codes: what records are coded with (`behrt.simulation.code_lists.Codes`).
        mapping: system, code, phenotype (`behrt.cprd.diagnoses.read_mapping`).
        diseases: how many; phenotypes have the same order.
    """
    diagnosis = codes.filter(pl.col("kind") == "diagnosis").sort("disease", maintain_order=True)
    by_system = {
        "medcode": pl.col("medcode").cast(pl.String),
        "icd10": pl.col("icd").str.replace(".", "", literal=True),
    }
    made = {}
    for system, code in by_system.items():
        place, size = pl.int_range(pl.len()).over("disease"), pl.len().over("disease")
        written = (
            diagnosis.select("disease", code=code)
            .drop_nulls("code")
            .with_columns(place=place, size=size)
        )
        drawn = written.with_columns(
            share=pl.Series(favour_of(written["place"].to_numpy(), written["size"].to_numpy()))
        )
        maps = np.zeros((diseases, diseases))
        pairs = drawn.join(mapping.filter(pl.col("system") == system), on="code")
        place_of = pairs["disease"].to_numpy(), pairs["phenotype"].to_numpy()
        np.add.at(maps, place_of, pairs["share"].to_numpy())
        made[system] = np.minimum(maps, 1)
    return Coding(made["medcode"], made["icd10"])
