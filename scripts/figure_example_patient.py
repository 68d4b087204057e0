"""Draw how a patient's visits become the words that BEHRT reads."""

from pathlib import Path

from behrt import stage
from behrt.figures.example_patient import choose_simulated, draw, make_artificial
from behrt.figures.style import save
from behrt.logs import logger
from behrt.sequences.vocabulary import read_vocabulary


def main(
    events: list[Path],
    sequences: list[Path],
    vocabulary: Path,
    png: Path,
    svg: Path,
    data: str,
    maximum_length: int,
    seed: int,
) -> None:
    words = read_vocabulary(vocabulary)
    simulated = data == "simulated"
    if simulated:
        visits = choose_simulated(events, sequences, seed)
        whose = f"The first {len(visits)} visits of a simulated patient"
    else:
        visits = make_artificial(sequences, len(words.phenotypes))
        whose = "An artificial patient, made from averages over the population: nobody's record"
    save(draw(visits, words, maximum_length, whose), png, svg, simulated)
    logger.info("example patient: %d visits drawn", len(visits))


if __name__ == "__main__":
    stage.run(main, snakemake)
