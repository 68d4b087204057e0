"""Learn labels of your own: `python -m behrt.finetune FOLDER DATA LABELS --out NEW_FOLDER`."""

import argparse
from collections.abc import Sequence
from pathlib import Path

from behrt.predict import run_command
from behrt.use.model import load_trained
from behrt.use.outcome import TRAINING, finetune


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m behrt.finetune",
        description="Train a model of one outcome from a trained model, on labels of your own.",
    )
    parser.add_argument(
        "folder", type=Path, help="a trained model: results/<run>/trained/mlm or …/<task>/<model>"
    )
    parser.add_argument("data", type=Path, help="the folder of a MEDS dataset, or a Parquet file")
    parser.add_argument(
        "labels",
        type=Path,
        help="a MEDS label file (.parquet, .csv): subject_id, prediction_time, boolean_value",
    )
    parser.add_argument("--out", type=Path, required=True, help="the folder to write")
    parser.add_argument("--name", default="outcome", help="of the outcome")
    for option, kind in (("epochs", int), ("batch-size", int), ("learning-rate", float)):
        default = TRAINING[option.replace("-", "_")]
        parser.add_argument(
            f"--{option}", type=kind, default=default, help=f"of a BEHRT (default: {default})"
        )
    parser.add_argument("--seed", type=int, default=0, help="of the training (default: 0)")
    parser.add_argument(
        "--shared-words",
        action="store_true",
        help="accept a dataset of another vocabulary, and leave out the words that the model does "
        "not know",
    )
    parser.add_argument("--threads", type=int, default=1, help="CPU threads (default: 1)")
    return parser


def train(given: argparse.Namespace) -> None:
    """Write the model that a command asks for.

    Raises:
        InputError: as `behrt.use.outcome.finetune`.
    """
    finetune(
        load_trained(given.folder, threads=given.threads),
        given.data,
        given.labels,
        given.out,
        name=given.name,
        training={name: getattr(given, name) for name in TRAINING},
        seed=given.seed,
        shared_words=given.shared_words,
    )


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command; see `behrt.predict.run_command`."""
    run_command(train, _parser().parse_args(arguments))


if __name__ == "__main__":
    main()
