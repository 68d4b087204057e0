"""Sample futures of simulated held-out patients with a model, and from the process itself."""

from pathlib import Path

import numpy as np
import polars as pl

from behrt import stage
from behrt.cprd.diagnoses import read_mapping
from behrt.files import write_parquet
from behrt.learning.visits import DAYS_A_YEAR
from behrt.logs import logger
from behrt.settings.simulation import ProcessSettings
from behrt.simulation.ceiling import read_truth
from behrt.simulation.code_lists import read_codes
from behrt.simulation.coding import Coder
from behrt.simulation.continuation import continue_process
from behrt.simulation.world import make_world
from behrt.use.model import load_trained
from behrt.use.simulated_futures import choose_patients, true_incidence


def main(
    trained: Path,
    sequences: list[Path],
    events: list[Path],
    people: list[Path],
    onsets: list[Path],
    codes: Path,
    medcodes: Path,
    icd: Path,
    incidence: Path,
    patients: int,
    futures: int,
    years: int,
    practices: int,
    seed: int,
    process: ProcessSettings,
    threads: int,
) -> None:
    """Write `incidence`: of each patient, the shares of futures with each event by each year.

    `trained` is the folder of the model.
    """
    model = load_trained(trained, threads=threads)
    at = choose_patients(
        pl.read_parquet(sequences), model.description.minimum_visits, patients, seed
    )
    own = pl.scan_parquet(events).filter(pl.col("subject_id").is_in(at["subject_id"].implode()))
    found = model.trajectories(own.collect(), at, years=years, futures=futures, seed=seed)
    world = make_world(practices, seed, process.mechanisms)
    coder = Coder.of(read_codes(codes), read_mapping(medcodes, icd), len(world.diseases))
    truth = read_truth(people, onsets, found.rows["subject_id"])
    times = np.arange(1, years + 1)
    days = np.floor(times * DAYS_A_YEAR).astype(np.int64)
    continued = continue_process(
        world,
        truth,
        found.start,
        found.start + days[-1],
        futures,
        seed,
        process,
        coder,
    )
    n = len(found.diseases)
    shares = {
        "predicted": found.incidence(times.tolist()),
        "truth": true_incidence(continued, found.start, days, n),
    }
    frame = pl.DataFrame(
        {
            "subject_id": found.rows["subject_id"],
            "known": [np.flatnonzero(row).tolist() for row in found.known],
            **{
                name: pl.Series(
                    values.astype(np.float32), dtype=pl.Array(pl.Float32, (n + 1, years))
                )
                for name, values in shares.items()
            },
        },
        schema_overrides={"known": pl.List(pl.Int16)},
    )
    write_parquet(frame, incidence)
    logger.info("trajectories: %d futures of each patient, %d years", futures, years)


if __name__ == "__main__":
    stage.run(main, snakemake)
