"""Simulated deliveries of one or more parts, written into a folder."""

from collections.abc import Sequence
from pathlib import Path

from behrt.settings.simulation import ConceptProcess, Flaws, ProcessSettings
from behrt.simulation.code_lists import read_codes
from behrt.simulation.delivery import PersonRange, people_of_part, write_part, write_world
from behrt.simulation.paths import IN_PARTS, look_up_files
from behrt.simulation.world import World

SEED = 11


def write_shared(
    world: World,
    folder: Path,
    database: str = "gold",
    lists: Path | None = None,
    inputs: Sequence[str] = (),
) -> dict[str, Path]:
    """Write the files that all parts share; return those of source tables and look-ups by name."""
    zipped = {name: folder / f"{name}.zip" for name in ("practice", "staff")}
    texts = {name: folder / f"{name}.txt" for name in ("linkage_coverage", "medical")}
    frames = {name: folder / f"{name}.parquet" for name in ("codes", "graph", "diseases")}
    look_ups = {
        name: folder / Path(path).name for name, path in look_up_files(database, inputs).items()
    }
    write_world(
        world,
        lists=lists or folder / "caliber",
        own_lists=lists is None,
        **zipped,
        coverage=texts["linkage_coverage"],
        medical=texts["medical"],
        **frames,
        seed=SEED,
        database=database,
        inputs=inputs,
        look_ups=look_ups,
    )
    return zipped | texts | look_ups


def write_people(
    world: World,
    codes: Path,
    folder: Path,
    chosen: PersonRange | int,
    flaws: Flaws | None = None,
    database: str = "gold",
    inputs: Sequence[str] = (),
    concepts: ConceptProcess | None = None,
) -> dict[str, Path]:
    """Write one part, of the people chosen (or so many); return its source tables by name."""
    tables = {name: folder / f"{name}.zip" for name in IN_PARTS[database]}
    write_part(
        world,
        read_codes(codes),
        people_of_part(1, 1, chosen) if isinstance(chosen, int) else chosen,
        tables=tables,
        fragments=folder / "fragments",
        people=folder / "people.parquet",
        onsets=folder / "onsets.parquet",
        settings=ProcessSettings(),
        flaws=flaws or Flaws(),
        seed=SEED,
        database=database,
        inputs=inputs,
        concepts=concepts or ConceptProcess(),
    )
    return tables
