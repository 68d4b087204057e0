"""Draw what the diagnoses of simulated patients look at, and what their predictions rest on."""

from pathlib import Path

import numpy as np

from behrt import stage
from behrt.figures.attention import draw
from behrt.figures.style import save
from behrt.interpretation.diagnoses import compare
from behrt.interpretation.patients import choose
from behrt.learning.artefacts import check_vocabulary
from behrt.learning.load import load_examples
from behrt.logs import logger
from behrt.models import behrt
from behrt.sequences.vocabulary import read_vocabulary


def main(
    sequences: list[Path],
    task: Path,
    vocabulary: Path,
    weights: Path,
    model_config: Path,
    png: Path,
    svg: Path,
    protocol: str,
    seed: int,
    patients: int,
    diagnoses: list[int],
    most_visits: int,
) -> None:
    """Draw; `weights` and `model_config` are files of one folder; the data are simulated."""
    names = read_vocabulary(vocabulary)
    check_vocabulary(weights.parent, names.version)
    network, settings = behrt.load(weights.parent)
    held_out = load_examples(sequences, task, "held_out", vocabulary, labelled=False)
    rows = choose(held_out, seed, patients, diagnoses, most_visits)
    compared = [
        compare(network, behrt.words_of(held_out, row, settings.max_length, closing_mask=False))
        for row in np.split(rows, len(rows))
    ]
    who = [f"Simulated patient {chr(ord('A') + i)}" for i in range(len(rows))]
    save(draw(compared, who, names), png, svg, simulated=True)
    logger.info(
        "attention: %d simulated histories drawn; rank correlation with integrated gradients %s",
        len(rows),
        ", ".join(f"{one.agreement():.2f}" for one in compared),
    )


if __name__ == "__main__":
    stage.run(main, snakemake)
