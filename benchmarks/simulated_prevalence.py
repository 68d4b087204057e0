"""Compare the prevalence of simulated diseases with the published one.

    python benchmarks/simulated_prevalence.py [--people 100000] [--practices 300] [--seed 1]

Prints Spearman's correlation between the share of the paper's T2 patients with each disease
(Table S6; 56 of its 57 diseases, as dyslipidaemia is not one of the 301) and the simulated share,
some of the shares, and characteristics of the simulated patients.
"""

import argparse
import time

import numpy as np
import polars as pl
from scipy.stats import spearmanr
from simulated_t2 import blocks, make_task

from behrt.settings.simulation import ProcessSettings
from behrt.simulation.world import make_world


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--people", type=int, default=100_000)
    parser.add_argument("--practices", type=int, default=300)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    world = make_world(arguments.practices, arguments.seed)
    labels = np.zeros(len(world.diseases))
    new = np.zeros_like(labels)
    patients = 0
    visits: list[np.ndarray] = []
    recordings, days, seconds = 0, 0, 0.0
    begin = time.process_time()
    for block in blocks(world, arguments.people, arguments.seed, ProcessSettings()):
        seconds += time.process_time() - begin
        task = make_task(world, block, arguments.seed)
        labels += task.label.sum(axis=0)
        new += (task.label & ~task.known).sum(axis=0)
        patients += len(task.label)
        visits.append(task.visits)
        recordings += block.diagnoses.height
        days += block.diagnoses.select("person", "day").unique().height
        begin = time.process_time()
    share = labels / patients
    published = world.diseases["published_share"].to_numpy()
    known = np.isfinite(published)
    correlation = spearmanr(published[known], share[known]).statistic
    seen = np.concatenate(visits)
    milliseconds = 1e3 * seconds / arguments.people
    print(f"people {arguments.people}, {milliseconds:.3f} ms of one core per person")
    print(f"cohort {len(seen)}, with a label in T2 {patients}")
    print(
        f"visits with a diagnosis: median {np.median(seen):.0f} of the cohort, "
        f"{np.median(seen[seen >= 5]):.0f} of those with 5 or more; "
        f"diagnoses per visit {recordings / days:.2f}"
    )
    print(f"labels per patient {labels.sum() / patients:.2f}, new {new.sum() / labels.sum():.2f}")
    print(f"diseases of at least 1 % of patients with labels: {(share >= 0.01).sum()}")
    ratio = np.quantile(share[known] / published[known], [0, 0.05, 0.5, 0.95, 1])
    print("simulated / published share, minimum, 5 %, median, 95 %, maximum:", np.round(ratio, 2))
    print(f"Spearman, {known.sum()} diseases: {correlation:.3f}")
    table = pl.DataFrame({"disease": world.diseases["name"], "published": published, "T2": share})
    with pl.Config(tbl_rows=60, fmt_str_lengths=60, tbl_hide_dataframe_shape=True):
        print(table.filter(pl.Series(known)).sort("published", descending=True))


if __name__ == "__main__":
    main()
