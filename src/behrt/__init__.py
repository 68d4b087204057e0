"""BEHRT as a workflow: from a CPRD delivery to the tables and figures of Li et al. 2020.

A module imports from its own folder, from folders that are earlier in this list, and from the
modules that are in no folder:

* `settings`: every key of the configuration.
* `caliber`: code lists, and the mapping of codes to phenotypes.
* `cprd`: a delivery of CPRD GOLD or Aurum and its linkages, converted to MEDS events.
* `sources`: MEDS and OMOP datasets, converted to MEDS events.
* `sequences`: MEDS events converted to vocabulary, split, visit sequences and tasks.
* `outcomes`: single events that are predicted from an index day on.
* `simulation`: a simulated delivery, and the best possible forecasts for its patients.
* `evaluation`: metrics, intervals and other statistics.
* `learning`: examples, training and checkpoints of any model.
* `models`: the models.
* `outcome_models`: the models of single events.
* `use`: a trained model outside of its run: its folder, predictions for any MEDS data, exports.
* `interpretation`: attention and attributions of BEHRT.
* `tables`: the tables.
* `figures`: the figures.
* `page`: the results page and the model card.
* `release`: the files that may leave a secure environment, and their checks.

`behrt.load` returns a trained model; docs/use_a_trained_model.md shows how to use one.
"""

import os
from typing import Any

# polars sizes its thread pool once, when it is imported, without regard to Snakemake's limits.
if "OMP_NUM_THREADS" in os.environ:
    os.environ.setdefault("POLARS_MAX_THREADS", os.environ["OMP_NUM_THREADS"])


def load(folder: str | os.PathLike[str], *, threads: int = 1, accelerator: str = "cpu") -> Any:
    """Return a trained model, a `behrt.use.model.TrainedModel`: see `behrt.use.model.load`."""
    from behrt.use.model import load  # not above: most jobs need none of what it imports

    return load(os.fspath(folder), threads=threads, accelerator=accelerator)
