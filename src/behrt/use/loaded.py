"""What every loaded model shares: its folder, the reading of data, and a check of the folder."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl

from behrt import logs
from behrt.errors import InputError
from behrt.learning.artefacts import read_config
from behrt.learning.run import Compute, TrainingRun
from behrt.logs import logger
from behrt.sequences.vocabulary import Vocabulary
from behrt.use.description import Description
from behrt.use.folder import read_folder
from behrt.use.inputs import Data, Inputs, read_inputs


@dataclass(frozen=True)
class LoadedModel:
    """A model in a folder (`behrt.use.folder`).

    Attributes:
        folder: of the model.
        description: what it is: name, kind, task, run, protocol.
        vocabulary: the diseases that it reads and predicts.
        compute: threads, precision and accelerator.
    """

    folder: Path
    description: Description
    vocabulary: Vocabulary
    compute: Compute

    def read(
        self, data: Data, at: pl.DataFrame | None, shared_words: bool
    ) -> tuple[list[Inputs], dict[str, int]]:
        """Return the inputs of each file, and what was left out.

        Raises:
            InputError: there is nothing to predict from.
        """
        refused: Counter[str] = Counter()
        parts = list(read_inputs(data, at, self.vocabulary, refused, shared_words))
        left_out = {reason: number for reason, number in refused.items() if number}
        for reason, number in left_out.items():
            logger.warning("left out: %s %s", logs.count(number), reason)
        if not parts:
            raise InputError(
                "data",
                "nothing can be predicted: " + (", ".join(left_out) or "there are no subjects"),
                "Check the codes, the births and the prediction times",
            )
        least = self.description.minimum_visits
        if few := sum(int((inputs.rows["visits"] < least).sum()) for inputs in parts):
            logger.warning(
                "%s predictions are for histories with fewer than %d visits, for which the model "
                "was not evaluated",
                logs.count(few),
                least,
            )
        return parts, left_out

    def check_unchanged(self) -> None:
        """Refuse a folder that has changed, because the weights are read for each prediction."""
        if read_folder(self.folder) != self.description:
            raise InputError(self.folder, "it has changed since it was loaded", "Load it again")


def in_order(parts: Sequence[pl.DataFrame]) -> tuple[pl.DataFrame, np.ndarray]:
    """Return the rows of all parts by subject and time, and int64 (rows), the place of each."""
    rows = pl.concat(parts)
    order = pl.arg_sort_by("subject_id", "prediction_time", maintain_order=True)
    ordered = rows.select(order).to_series().to_numpy()
    return rows[ordered], np.argsort(ordered)


def run_of(folder: Path, compute: Compute) -> TrainingRun:
    """Return where a model of a folder predicts, with the seed of its training."""
    own = Compute(
        read_config(folder)["seed"], compute.threads, compute.precision, compute.accelerator
    )
    return TrainingRun(folder, own)
