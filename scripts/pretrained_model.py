"""Gather all that the use of a pretrained model needs in one folder."""

from pathlib import Path

from behrt import stage
from behrt.logs import logger
from behrt.use.folder import describe, write_folder


def main(
    weights: Path, model_config: Path, vocabulary: Path, folder: Path, run: str, data: str
) -> None:
    """Write `folder`; `weights` is beside `model_config`."""
    description = describe(weights.parent, vocabulary, run, data)
    write_folder(folder, description, weights.parent, {}, vocabulary, None)
    logger.info("%s: its folder has the encoder of %s", description.model, description.kind)


if __name__ == "__main__":
    stage.run(main, snakemake)
