"""Gather all that a trained model of one outcome needs in one folder."""

from pathlib import Path

from behrt import stage
from behrt.errors import InputError
from behrt.evaluation.predicted import recalibration_of
from behrt.logs import logger
from behrt.use.folder import describe, write_folder


def main(
    weights: Path,
    model_config: Path,
    predictions: Path,
    vocabulary: Path,
    folder: Path,
    outcome: str,
    run: str,
    data: str,
) -> None:
    """Write `folder`; `weights` and `model_config` are files of one folder.

    The recalibration is fitted on the tuning patients, as in the assessment of the run.

    Raises:
        InputError: there are no predictions for tuning patients.
    """
    recalibration = recalibration_of(predictions)
    if recalibration is None:
        raise InputError(predictions, "it has no tuning patients", "Use more patients")
    description = describe(weights.parent, vocabulary, run, data, outcome=outcome)
    write_folder(folder, description, weights.parent, {}, vocabulary, recalibration)
    logger.info("%s for %s: its folder has %s", description.model, outcome, description.kind)


if __name__ == "__main__":
    stage.run(main, snakemake)
