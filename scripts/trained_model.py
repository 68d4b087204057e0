"""Gather all that a trained model needs in one folder."""

from collections.abc import Sequence
from pathlib import Path

from behrt import stage
from behrt.evaluation.assessment import read_examined
from behrt.evaluation.recalibration import fit_recalibration
from behrt.learning.artefacts import read_config
from behrt.learning.histories import load_histories
from behrt.learning.run import Compute, TrainingRun
from behrt.logs import logger
from behrt.models import WITH_TRAJECTORIES, model_named
from behrt.sequences.frames import TUNING
from behrt.sequences.vocabulary import read_vocabulary
from behrt.tasks import Task
from behrt.use.folder import describe, write_folder


def main(
    weights: Path,
    model_config: Path,
    scores: Path,
    examples: Path,
    vocabulary: Path,
    folder: Path,
    task: Task,
    run: str,
    data: str,
    minimum_visits: int,
    members: Sequence[Path] = (),
    sequences: Sequence[Path] = (),
    events: Sequence[Path] = (),
) -> None:
    """Write `folder`; `weights` and `members` are model.safetensors, each beside its config.json.

    The recalibration is fitted on the tuning patients, as in the assessment of the run. Of a model
    with trajectories, the rates are recalibrated on whole `sequences` of the same patients, with
    the deaths among the `events`.
    """
    n_diseases = len(read_vocabulary(vocabulary).phenotypes)
    tuning = read_examined(examples, scores, n_diseases, TUNING, task.labelled)
    description = describe(
        weights.parent,
        vocabulary,
        run,
        data,
        task,
        minimum_visits,
        members=tuple(member.parent.name for member in members),
    )
    rates = None
    if description.kind in WITH_TRAJECTORIES:
        histories = load_histories(
            list(sequences), [], [TUNING], vocabulary, minimum_visits=1, events=events
        )
        asked = TrainingRun(
            weights.parent, Compute(read_config(weights.parent)["seed"], precision="32-true")
        )
        rates = model_named(description.kind).recalibrate(histories, asked)
    write_folder(
        folder,
        description,
        weights.parent,
        {member.parent.name: member.parent for member in members},
        vocabulary,
        fit_recalibration(tuning.scores, tuning.labels),
        rates,
    )
    logger.info("%s for %s: its folder has %s", description.model, task.name, description.kind)


if __name__ == "__main__":
    stage.run(main, snakemake)
