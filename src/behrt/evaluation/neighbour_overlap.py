"""Agreement of the nearest diseases with reference lists, compared with chance.

A reference names neighbours of diseases: the user's table, the chapters, or, on simulated data, the
graph of risks that the patients are simulated from. The paper compares with a clinician's lists
(Results, "Disease embedding"; 0.757).
"""

import csv
from collections.abc import Mapping
from difflib import get_close_matches
from pathlib import Path

import numpy as np
import polars as pl

from behrt.errors import InputError
from behrt.evaluation.neighbours import find_nearest
from behrt.evaluation.tidy import DECIMALS
from behrt.sequences.vocabulary import NO_CHAPTER, Vocabulary

COLUMNS = ["disease", "neighbour"]
FREQUENCY_GROUPS = 5
"""Groups of diseases of similar frequency: fifths, by training patients."""


def read_reference(path: Path, vocabulary: Vocabulary) -> np.ndarray:
    """Read a user's table of neighbours.

    Args:
        path: CSV (UTF-8), header `disease,neighbour`, one pair per row, with names of the
            vocabulary. A pair holds in one direction only.
        vocabulary: names.

    Returns:
        int64 (n, 2): indices of each disease and neighbour, sorted.

    Raises:
        InputError: another header, a row of another length, an unknown name, a disease that is
            its own neighbour, a pair that is listed twice, or no pair.
    """
    index = {name: i for i, name in enumerate(vocabulary.phenotypes)}
    try:
        lines = [*csv.reader(path.read_text(encoding="utf-8-sig").splitlines(), strict=True)]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(
            path, "it cannot be read as a CSV file in UTF-8", "Save it as one"
        ) from error
    if not lines or lines[0] != COLUMNS:
        raise InputError(
            path, f"the first line is not {','.join(COLUMNS)}", "Name the two columns like this"
        )
    pairs: dict[tuple[int, int], int] = {}
    for number, row in enumerate(lines[1:], start=2):
        where = f"{path}, line {number}"
        if len(row) != len(COLUMNS):
            raise InputError(
                where, f"it has {len(row)} values", "Write a disease and one neighbour"
            )
        for name in row:
            if name not in index:
                near = get_close_matches(name, index, n=1)
                hint = f"Did you mean {near[0]!r}" if near else "Take names from vocabulary.json"
                raise InputError(where, f"there is no disease {name!r}", hint)
        pair = index[row[0]], index[row[1]]
        if pair[0] == pair[1]:
            raise InputError(where, "the disease is its own neighbour", "Remove the line")
        if pair in pairs:
            raise InputError(where, f"the pair is also on line {pairs[pair]}", "Remove one")
        pairs[pair] = number
    if not pairs:
        raise InputError(path, "it has no pair", "Add pairs, or leave neighbours.reference out")
    return np.array(sorted(pairs), dtype=np.int64)


def pairs_of_chapters(vocabulary: Vocabulary) -> np.ndarray:
    """Return int64 (n, 2): each disease with every other one of its chapter."""
    chapters = np.array(vocabulary.chapters)
    alike = (chapters[:, np.newaxis] == chapters) & (chapters != NO_CHAPTER)
    np.fill_diagonal(alike, False)
    return np.argwhere(alike)


def pairs_of_risks(graph: Path, diseases: Path, vocabulary: Vocabulary) -> np.ndarray:
    """Return int64 (n, 2): each disease with its risk factors and the diseases that it causes.

    Args:
        graph: truth/graph.parquet: parent and child, indices into the table of diseases.
        diseases: truth/diseases.parquet: name.
        vocabulary: names.

    Raises:
        InputError: a simulated disease is not in the vocabulary.
    """
    names = pl.read_parquet(diseases, columns=["name"])["name"].to_list()
    missing = sorted(set(names) - set(vocabulary.phenotypes))
    if missing:
        raise InputError(
            diseases, f"the vocabulary has no {missing[0]!r}", "Run the simulation again"
        )
    index = np.array([vocabulary.phenotypes.index(name) for name in names], dtype=np.int64)
    edges = index[pl.read_parquet(graph, columns=["parent", "child"]).to_numpy()]
    return np.unique(np.concatenate([edges, edges[:, ::-1]]), axis=0)


def shuffle_within(groups: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """Return int64 (n), a permutation within groups.

    Args:
        groups: int (n).
        generator: of random numbers.
    """
    shuffled = np.empty(len(groups), dtype=np.int64)
    shuffled[np.argsort(groups, kind="stable")] = np.lexsort(
        (generator.random(len(groups)), groups)
    )
    return shuffled


def _groups(vocabulary: Vocabulary, patients: np.ndarray) -> dict[str, np.ndarray]:
    """Return the groups within which diseases are shuffled, by name."""
    rank = np.argsort(np.argsort(patients, kind="stable"), kind="stable")
    return {
        "all diseases": np.zeros(len(patients), dtype=np.int64),
        "diseases of alike frequency": rank * FREQUENCY_GROUPS // max(len(patients), 1),
        "diseases of a chapter": np.unique(vocabulary.chapters, return_inverse=True)[1],
    }


def tabulate(
    embeddings: np.ndarray,
    vocabulary: Vocabulary,
    patients: np.ndarray,
    common: np.ndarray,
    offered: np.ndarray,
    neighbours: int,
    references: Mapping[str, np.ndarray],
    permutations: int,
    seed: int,
) -> pl.DataFrame:
    """Return the agreement of the nearest diseases with each reference, and by chance.

    The overlap of a disease is the number of its nearest diseases that the reference names, divided
    by the largest possible number: the offered diseases that the reference names, or the diseases
    that are listed, if these are fewer. Diseases without a neighbour in the reference are left out,
    and the overlap is the mean of the others. If both lists have ten, it is the paper's share.

    Chance is estimated by a permutation test: the diseases exchange their embeddings, and the
    reference stays (Hubert and Schultz, British Journal of Mathematical and Statistical
    Psychology 1976). They are exchanged among all diseases; among diseases of similar frequency,
    because frequency shapes an embedding; and within chapters, to test for agreement beyond the
    chapters. The p value is one-sided, (1 + permutations with at least
    the overlap) / (1 + permutations).

    Args:
        embeddings: float (diseases, hidden), in the vocabulary's order.
        vocabulary: names and chapters.
        patients: int (diseases), training patients who had each disease.
        common, offered: bool (diseases), as `behrt.evaluation.neighbours.tabulate` takes them.
        neighbours: most per disease.
        references: by name, int (n, 2): pairs of a disease and a neighbour.
        permutations: per test.
        seed: of the permutations.

    Returns:
        reference, shuffled String; neighbours (listed for each), diseases, left_out Int64;
        overlap, expected, expected_low, expected_high (the mean and the 95 % range of the
        permutations), p_value Float64, null if no disease is left. The chapters have no row
        within chapters, where every permutation agrees equally.
    """
    candidates = np.flatnonzero(offered)
    nearest, _ = find_nearest(embeddings, candidates, candidates, neighbours)
    place = np.full(len(offered), -1)
    place[candidates] = np.arange(len(candidates))
    listed = np.zeros((len(candidates), len(candidates)), dtype=bool)
    np.put_along_axis(listed, place[nearest], values=True, axis=1)
    groups = _groups(vocabulary, patients)
    rows = []
    for name, pairs in references.items():
        kept = pairs[common[pairs[:, 0]] & offered[pairs].all(axis=1)]
        disease, neighbour = place[kept].T
        named = np.bincount(disease, minlength=len(candidates))
        compared = int((named > 0).sum())
        most = np.minimum(named, nearest.shape[1])
        weight = 1 / np.maximum(most[disease] * compared, 1)
        for shuffled, group in groups.items():
            if name == "chapters" and shuffled == "diseases of a chapter":
                continue
            generator = np.random.default_rng([seed, *f"{name}, {shuffled}".encode()])
            chance = np.empty(permutations)
            for i in range(permutations):
                order = shuffle_within(group[candidates], generator)
                chance[i] = weight[listed[order[disease], order[neighbour]]].sum()
            overlap = weight[listed[disease, neighbour]].sum()
            low, high = np.quantile(chance, [0.025, 0.975])
            extreme = (chance >= overlap - 1e-9).sum()
            rows.append(
                {
                    "reference": name,
                    "shuffled": shuffled,
                    "neighbours": nearest.shape[1],
                    "diseases": compared,
                    "left_out": int((common & offered).sum()) - compared,
                    "overlap": overlap if compared else None,
                    "expected": chance.mean() if compared else None,
                    "expected_low": low if compared else None,
                    "expected_high": high if compared else None,
                    "p_value": (1 + extreme) / (1 + permutations) if compared else None,
                }
            )
    integers = dict.fromkeys(("neighbours", "diseases", "left_out"), pl.Int64)
    scores = ("overlap", "expected", "expected_low", "expected_high")
    return pl.DataFrame(
        rows,
        schema={
            **dict.fromkeys(("reference", "shuffled"), pl.String),
            **integers,
            **dict.fromkeys((*scores, "p_value"), pl.Float64),
        },
    ).with_columns(pl.col(scores).round(DECIMALS), pl.col("p_value").round_sig_figs(3))
