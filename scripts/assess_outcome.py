"""Score every model of one outcome on the held-out patients."""

from pathlib import Path

from behrt import stage
from behrt.evaluation.bootstrap import Bootstrap
from behrt.evaluation.outcomes import assess_outcome
from behrt.files import write_parquet
from behrt.logs import logger


def main(
    predictions: list[Path],
    sequences: list[Path],
    scores: Path,
    reliability: Path,
    net_benefit: Path,
    outcome: str,
    reference: str,
    bootstrap: Bootstrap,
    oracle: Path | None = None,
) -> None:
    """Score; `predictions` are <model>.parquet each, and `oracle` has the true risks."""
    by_model = {path.stem: path for path in [*predictions, *([oracle] if oracle else [])]}
    found = assess_outcome(by_model, sequences, reference, bootstrap, outcome)
    write_parquet(found.scores, scores)
    write_parquet(found.reliability, reliability)
    write_parquet(found.net_benefit, net_benefit)
    logger.info("%s: %d models scored", outcome, len(by_model))


if __name__ == "__main__":
    stage.run(main, snakemake)
