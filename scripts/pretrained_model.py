"""Gather all that the use of a pretrained model needs in one folder."""

from pathlib import Path

from behrt import stage
from behrt.learning.artefacts import read_config
from behrt.logs import logger
from behrt.sequences.vocabulary import read_vocabulary
from behrt.use.description import Description
from behrt.use.folder import write_folder


def main(
    weights: Path, model_config: Path, vocabulary: Path, folder: Path, run: str, data: str
) -> None:
    """Write `folder`; `weights` is beside `model_config`."""
    config = read_config(weights.parent)
    description = Description(
        model=weights.parent.name,
        kind=config["kind"],
        task=None,
        run=run,
        data=data,
        protocol=config["protocol"],
        minimum_visits=1,
        vocabulary=read_vocabulary(vocabulary).version,
    )
    write_folder(folder, description, weights.parent, {}, vocabulary, None)
    logger.info("%s: its folder has the encoder of %s", description.model, description.kind)


if __name__ == "__main__":
    stage.run(main, snakemake)
