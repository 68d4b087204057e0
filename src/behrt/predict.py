"""Predict with a trained model: `python -m behrt.predict FOLDER DATA --out FILE`."""

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import polars as pl

from behrt import logs
from behrt.errors import InputError
from behrt.files import keep_private, write_csv, write_parquet
from behrt.logs import logger
from behrt.stage import log_error
from behrt.use.model import load
from behrt.use.outcome import OutcomeModel


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m behrt.predict",
        description="Predict the diseases of the subjects of a MEDS dataset with a trained model.",
    )
    parser.add_argument(
        "folder", type=Path, help="a trained model: results/<run>/trained/<task>/<model>"
    )
    parser.add_argument("data", type=Path, help="the folder of a MEDS dataset, or a Parquet file")
    parser.add_argument("--out", type=Path, required=True, help="the file to write: .parquet, .csv")
    parser.add_argument(
        "--at",
        type=Path,
        help="a MEDS label file (.parquet, .csv) with subject_id and prediction_time; by default, "
        "the last diagnosis of each subject",
    )
    parser.add_argument(
        "--disease",
        action="append",
        help="a disease to predict; may be repeated; by default all",
    )
    parser.add_argument(
        "--meds",
        action="store_true",
        help="write the prediction schema of MEDS, for one --disease",
    )
    parser.add_argument(
        "--vectors", action="store_true", help="write the vectors of the patients instead of risks"
    )
    parser.add_argument(
        "--trajectories",
        type=int,
        metavar="N",
        help="sample N futures of each patient, and write the share of them with each event by "
        "year instead of risks",
    )
    parser.add_argument(
        "--events", action="store_true", help="write the events of the sampled futures themselves"
    )
    parser.add_argument("--years", type=float, default=10, help="of a future (default: 10)")
    parser.add_argument("--seed", type=int, default=0, help="of the futures (default: 0)")
    parser.add_argument(
        "--uncalibrated", action="store_true", help="the probabilities of the model itself"
    )
    parser.add_argument(
        "--shared-words",
        action="store_true",
        help="accept a dataset of another vocabulary, and leave out the words that the model does "
        "not know",
    )
    parser.add_argument("--threads", type=int, default=1, help="CPU threads (default: 1)")
    return parser


def read_times(path: Path) -> pl.DataFrame:
    """Return prediction times from a label file, Parquet or CSV.

    Raises:
        InputError: it cannot be read.
    """
    try:
        if path.suffix == ".csv":
            return pl.read_csv(path, try_parse_dates=True)
        return pl.read_parquet(path)
    except (OSError, pl.exceptions.PolarsError):
        raise InputError(path, "it cannot be read", "Give a Parquet or CSV file") from None


def predict(given: argparse.Namespace) -> None:
    """Write the predictions that a command asks for.

    Raises:
        InputError: as `behrt.use.model.TrainedModel.predict`, or options that exclude each other.
    """
    if given.events and given.trajectories is None:
        raise InputError("--events", "they are those of futures", "Give --trajectories")
    if given.meds and len(given.disease or []) != 1:
        raise InputError(
            "--meds", "the prediction schema of MEDS has one outcome", "Give one --disease"
        )
    if given.out.suffix not in (".parquet", ".csv") or (
        given.vectors and given.out.suffix == ".csv"
    ):
        wanted = "a .parquet file" if given.vectors else "a .parquet or .csv file"
        raise InputError(given.out, "it is not a file that can be written", f"Give {wanted}")
    model = load(given.folder, threads=given.threads)
    at = read_times(given.at) if given.at else None
    calibrated = not given.uncalibrated
    words = {"shared_words": given.shared_words}
    if isinstance(model, OutcomeModel):
        if given.vectors or given.disease or given.trajectories is not None:
            raise InputError(
                given.folder, "its model predicts one outcome", "Give --at and --out only"
            )
        found = model.predict(given.data, at, calibrated=calibrated, **words)
    elif given.vectors:
        found = model.embed(given.data, at, **words)
    elif given.trajectories is not None:
        futures = model.trajectories(
            given.data,
            at,
            years=given.years,
            futures=given.trajectories,
            seed=given.seed,
            calibrated=calibrated,
            **words,
        )
        found = futures.events() if given.events else futures.cumulative_incidence()
    else:
        predictions = model.score(given.data, at, calibrated=calibrated, **words)
        if given.meds:
            found = predictions.meds(given.disease[0])
        else:
            found = predictions.long(given.disease)
    (write_csv if given.out.suffix == ".csv" else write_parquet)(found, given.out)
    logger.info("%s: %s rows", given.out.name, logs.count(found.height))


def run_command(command: Callable[[argparse.Namespace], None], given: argparse.Namespace) -> None:
    """Run a command; an InputError is one sentence, and the exit status 1.

    The text of any other error is withheld, as `behrt.stage.log_error` does.
    """
    keep_private()
    logs.start(None)
    try:
        command(given)
    except InputError as error:
        logger.error("%s", error)
        sys.exit(1)
    except Exception as error:
        log_error(error)
        sys.exit(1)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command; see `run_command`."""
    run_command(predict, _parser().parse_args(arguments))


if __name__ == "__main__":
    main()
