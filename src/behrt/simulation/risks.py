"""The directed graph of risks: which disease causes which other, how often, and after how long.

Known edges are in `risks.csv`: the share of the child's cases that the parent causes, and the mean
lag in years. Random edges are added between diseases of similar age, sex and frequency, so that
most onsets have a cause that a patient's history can show.
"""

import graphlib
import heapq
from pathlib import Path

import numpy as np
import polars as pl
from scipy.special import ndtr

from behrt.errors import InputError
from behrt.simulation.diseases import risk_by_sex
from behrt.simulation.parameter_tables import indexed

TABLE = Path(__file__).with_name("risks.csv")
# The lifetime risks of the diseases were fitted with this graph. With another seed, the
# prevalences are less close to the published ones.
GRAPH_SEED = 2020
CAUSED_SHARE = 0.8
LONGEST_LIFE = 84.0


def read_known_risks(diseases: pl.DataFrame, path: Path = TABLE) -> pl.DataFrame:
    """Return parent, child (indices into `diseases`), share and lag_years of each known edge.

    Raises:
        InputError: an edge names an unknown disease.
    """
    known = pl.read_csv(path)
    for column in ("parent", "child"):
        known = indexed(known, column, diseases["name"], path, "diseases")
    return known.with_columns(pl.col("parent", "child").cast(pl.Int16))


def topological_order(diseases: pl.DataFrame, parent: np.ndarray, child: np.ndarray) -> np.ndarray:
    """Return the indices of diseases in an order in which parents come before their children.

    Among the diseases that can come next, the one with the lowest mean age of onset is first.

    >>> table = pl.DataFrame({"name": ["a", "b", "c"], "onset_mean": [50.0, 40.0, 30.0]})
    >>> topological_order(table, parent=np.array([0]), child=np.array([2]))
    array([1, 0, 2])

    Raises:
        InputError: the edges form a cycle.
    """
    age = diseases["onset_mean"].to_numpy()
    sorter: graphlib.TopologicalSorter[int] = graphlib.TopologicalSorter(
        dict.fromkeys(range(len(diseases)), ())
    )
    for source, target in zip(parent.tolist(), child.tolist(), strict=True):
        sorter.add(target, source)
    try:
        sorter.prepare()
    except graphlib.CycleError as error:
        names = " > ".join(diseases["name"][index] for index in error.args[1])
        raise InputError(
            TABLE.name, f"the risks form a cycle: {names}", "Remove an edge"
        ) from error
    order: list[int] = []
    ready: list[tuple[float, int]] = []
    while sorter.is_active():
        for disease in sorter.get_ready():
            heapq.heappush(ready, (age[disease], disease))
        disease = heapq.heappop(ready)[1]
        order.append(disease)
        sorter.done(disease)
    return np.array(order)


def make_risks(diseases: pl.DataFrame, seed: int = GRAPH_SEED) -> pl.DataFrame:
    """Return the graph, one row per edge, children in topological order.

    Columns: parent, child (Int16, indices into `diseases`); probability (Float64, that a case of
    the parent causes the child, at the parent's mean age of onset); age_slope (change of the log
    probability per year of the parent's age of onset); female_ratio (ratio of women's probability
    to men's); lag_years, lag_shape (mean and shape of the gamma-distributed lag); share (of the
    child's cases, as intended); known (Bool, from `risks.csv` rather than random).
    """
    random = np.random.default_rng([seed, 301])
    known = read_known_risks(diseases)
    order = topological_order(diseases, known["parent"].to_numpy(), known["child"].to_numpy())
    rank = np.argsort(order)
    risk = risk_by_sex(diseases)
    overall = risk.mean(axis=0)
    age = diseases["onset_mean"].to_numpy()
    spread = diseases["onset_spread"].to_numpy()
    chapter = diseases["chapter"].to_numpy()

    def in_time(parent: int, lag: float) -> float:
        """Return the share of the parent's cases who are alive at the end of the lag."""
        width = np.hypot(10.0, spread[parent])
        return max(0.3, float(ndtr((LONGEST_LIFE - age[parent] - lag) / width)))

    rows: list[dict[str, float | int | bool]] = []

    def add(parent: int, child: int, share: float, lag: float, cap: float, known: bool) -> float:
        probability = min(cap, share * overall[child] / (overall[parent] * in_time(parent, lag)))
        share = probability * overall[parent] * in_time(parent, lag) / overall[child]
        rows.append(
            {
                "parent": parent,
                "child": child,
                "probability": probability,
                "age_slope": 0.0 if known else random.uniform(-0.01, 0.02),
                "female_ratio": 1.0 if known else random.choice([0.6, 1.0, 1.0, 1.6]),
                "lag_years": lag,
                "lag_shape": 1.5 if lag < 1 else 3.0 if lag < 4 else 5.0,
                "share": share,
                "known": known,
            }
        )
        return share

    edges_of = known.partition_by("child", as_dict=True)
    for child in order.tolist():
        caused = 0.0
        parents: set[int] = set()
        if (child,) in edges_of:
            for parent, _, share, lag in edges_of[(child,)].iter_rows():
                caused += add(parent, child, share, lag, 0.75, known=True)
                parents.add(parent)
        if age[child] < 5:
            continue
        candidates = np.array(
            [
                parent
                for parent in range(len(diseases))
                if rank[parent] < rank[child]
                and parent not in parents
                and age[child] - 25 < age[parent] < age[child] + 4
                and 0.3 < overall[parent] / overall[child] < 1.5
                and (risk[:, parent] * risk[:, child] > 0).any()
            ]
        )
        if len(candidates) == 0:
            continue
        near = np.where(chapter[candidates] == chapter[child], 4.0, 1.0)
        chosen = random.choice(
            candidates, min(4, len(candidates)), replace=False, p=near / near.sum()
        )
        for parent in chosen.tolist():
            missing = CAUSED_SHARE - caused
            if missing < 0.08:
                break
            gap = max(age[child] - age[parent], 0.0)
            lag = min(random.choice([0.25, 0.4, 0.8, 2.5, 7.0]), gap + 3.0)
            caused += add(parent, child, min(missing, 0.3), lag, 0.6, known=False)
    return pl.DataFrame(rows).with_columns(pl.col("parent", "child").cast(pl.Int16))
