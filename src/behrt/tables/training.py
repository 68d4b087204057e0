"""The course of every training: the losses and the tuning score, epoch by epoch."""

import json
from pathlib import Path
from typing import Any

import polars as pl

from behrt.evaluation.tidy import DECIMALS, SMALL_DECIMALS, with_facts
from behrt.files import read_json
from behrt.run import Run
from behrt.sequences.frames import TUNING

PRETRAINING = "MLM"

_SCORES = ("train_loss", "tuning_loss", "tuning_aps")


def table(
    run: Run, metrics: list[Path], configs: list[Path], examples: list[Path], sequences: list[Path]
) -> pl.DataFrame:
    """Return the table.

    Args:
        run: the run.
        metrics: metrics.jsonl of the pretraining (…/mlm/metrics.jsonl) and of each task and model
            (…/<task>/<model>/metrics.jsonl). A model that is not trained in epochs has no rows.
        configs: config.json of the same models, in the same order.
        examples: of each task (…/<task>.parquet).
        sequences: the shards.

    Returns:
        protocol, task, model String ("MLM" and "mlm" for the pretraining); epoch Int64; train_loss,
        tuning_loss Float64, per patient and disease (MLM: per masked disease); tuning_aps Float64,
        the mean over tuning patients, null for MLM; chosen Boolean. Numbers of fewer tuning
        patients than the threshold are null.
    """
    tuning = {
        path.stem: _count(pl.scan_parquet(path).filter(pl.col("label").list.len() > 0))
        for path in examples
    }
    tuning[PRETRAINING] = _count(pl.scan_parquet(sequences))
    rows: list[dict[str, Any]] = []
    for path, config in zip(metrics, configs, strict=True):
        task, model = path.parent.parent.name, path.parent.name
        task = PRETRAINING if model == "mlm" else task
        shown = _SCORES if tuning[task] >= run.disclosure.threshold else _SCORES[:1]
        chosen = read_json(config).get("epoch")
        for line in path.read_text(encoding="utf-8").splitlines():
            epoch = json.loads(line)
            if "epoch" in epoch:
                scores = {name: epoch.get(name) if name in shown else None for name in _SCORES}
                is_chosen = epoch["epoch"] == chosen
                place = {"task": task, "model": model, "epoch": epoch["epoch"]}
                rows.append(place | scores | {"chosen": is_chosen})
    schema = {"task": pl.String, "model": pl.String, "epoch": pl.Int64}
    schema |= dict.fromkeys(_SCORES, pl.Float64) | {"chosen": pl.Boolean}
    frame = pl.DataFrame(rows, schema=schema).with_columns(
        pl.col("train_loss", "tuning_loss").round(SMALL_DECIMALS),
        pl.col("tuning_aps").round(DECIMALS),
    )
    return with_facts(frame, protocol=run.protocol)


def _count(patients: pl.LazyFrame) -> int:
    """Return the number of tuning patients."""
    return int(patients.filter(pl.col("split") == TUNING).select(pl.len()).collect().item())
