"""Write the files that all parts of a simulated delivery share."""

from pathlib import Path

from behrt import stage
from behrt.simulation.delivery import write_world
from behrt.simulation.paths import look_up_files
from behrt.simulation.world import make_world


def main(
    lists: Path,
    practice: Path,
    staff: Path,
    coverage: Path,
    medical: Path,
    codes: Path,
    graph: Path,
    diseases: Path,
    own_lists: bool,
    practices: int,
    seed: int,
    database: str,
    inputs: list[str],
    look_ups: list[Path] | None = None,
) -> None:
    """Write practices, look-ups, code lists and truth; `lists` is read unless `own_lists`.

    `look_ups` are the files of `behrt.simulation.paths.look_up_files`, in that order.
    """
    write_world(
        make_world(practices, seed),
        lists=lists,
        own_lists=own_lists,
        practice=practice,
        staff=staff,
        coverage=coverage,
        medical=medical,
        codes=codes,
        graph=graph,
        diseases=diseases,
        seed=seed,
        database=database,
        inputs=inputs,
        look_ups=dict(zip(look_up_files(database, inputs), look_ups or [], strict=True)),
    )


if __name__ == "__main__":
    stage.run(main, snakemake)
