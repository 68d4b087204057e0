"""Gather the files that may leave a secure environment, scan them, and write the manifest."""

from dataclasses import replace
from pathlib import Path
from typing import Any

from behrt import stage
from behrt.disclosure import Rules
from behrt.logs import NOTICE, logger
from behrt.release.bundle import Data, Model, release
from behrt.release.scan import Watch
from behrt.sequences.split import read_splits
from behrt.settings.behrt import pretraining_in
from behrt.tasks import tasks_of
from behrt.training import TrainingData


def main(
    files: list[Path],
    splits: Path,
    sequences: list[Path],
    vocabulary: Path,
    tasks: list[Path],
    weights: list[Path],
    recalibrations: list[Path],
    manifest: Path,
    settings: dict[str, Any],
    disclosure: dict[str, int],
) -> None:
    """Release `files` of the run, and `weights`, of pretraining and then models/<task>/<model>.

    `recalibrations` are assessment/<task>/recalibration.json, and `manifest` is
    <run>/release/manifest.json.
    """
    rules = Rules(**disclosure)
    minimum = settings["examples"]["minimum_visits"]
    data = {
        task.name: TrainingData(sequences, vocabulary, task, path, minimum)
        for task, path in zip(tasks_of(settings), tasks, strict=True)
    }
    recalibration = {path.parent.name: path for path in recalibrations}
    models = []
    for path in weights:
        folder, task = path.parent, path.parent.parent.name
        if task in data:
            entry = settings["models"][folder.name]
            start = entry["pretrained"] or None
            learned_from = replace(data[task], inputs=entry["inputs"])
            told = recalibration.get(task)
            models.append(Model(folder, learned_from, start, entry["cuts"], told))
        else:
            learned = pretraining_in(folder.name)
            models.append(Model(folder, TrainingData(sequences, vocabulary, pretraining=learned)))
    own_words = settings["source"] in ("meds", "omop") and not settings["caliber"]
    written = release(
        run=manifest.parents[1],
        files=files,
        models=models,
        data=Data(
            settings["run"],
            settings["source"],
            vocabulary,
            settings["protocol"],
            settings["seed"],
            own_words,
        ),
        config=settings,
        rules=rules,
        watch=Watch(read_splits(splits)["subject_id"].to_numpy(), rules),
        out=manifest.parent,
    )
    logger.log(
        NOTICE,
        "release: %d files, %d counts hidden in them; withheld: %s",
        len(written["files"]),
        sum(entry.get("counts_suppressed", 0) for entry in written["files"].values()),
        ", ".join(written["withheld"]),
    )


if __name__ == "__main__":
    stage.run(main, snakemake)
