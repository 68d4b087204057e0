"""The check of a delivery before hours of work."""

import shutil
from pathlib import Path
from typing import Any

from behrt import stage
from behrt.cprd.check.report import check
from behrt.cprd.check.sampling import CheckSettings
from behrt.cprd.check.text import as_text
from behrt.cprd.databases import DATABASES
from behrt.cprd.values import Options
from behrt.files import atomic, write_json
from behrt.logs import NOTICE, logger
from behrt.settings.concepts import ConceptSettings
from behrt.settings.delivery import CohortRules


def main(
    files: list[Path],
    report: Path,
    text: Path,
    folder: str,
    lists: str,
    database: str,
    diagnoses: list[str] | None,
    rules: CohortRules,
    options: dict[str, dict[str, Any]],
    named: dict[str, Any],
    maximum_refused: float,
    shards: int,
    threshold: int,
    megabytes: float,
    predictions: float,
    without: list[str],
    inputs: list[str],
    concepts: ConceptSettings,
    own_lists: Path | None = None,
    merged: Path | None = None,
    snomed: Path | None = None,
    look_ups: list[Path] | None = None,
    test_codes: Path | None = None,
    measurement_codes: Path | None = None,
) -> None:
    """Check the delivery in `folder`, with the code lists in `lists`.

    `files`, `own_lists` and `look_ups` are inputs so that Snakemake runs the check again after a
    change.
    """
    observation_lists = {"tests": test_codes, "measurements": measurement_codes}
    source_tables = DATABASES[database].source_tables
    settings = CheckSettings(
        database=DATABASES[database],
        diagnoses=diagnoses,
        rules=rules,
        options={
            name: Options.read(values, source_tables[name]) for name, values in options.items()
        },
        maximum_refused=maximum_refused,
        shards=shards,
        threshold=threshold,
        sample_bytes=round(megabytes * 1e6),
        lists=Path(lists),
        files=named,
        predictions=predictions,
        merged=merged,
        snomed=snomed,
        without=without,
        inputs=inputs,
        concepts=concepts,
        observation_lists={name: path for name, path in observation_lists.items() if path},
    )
    work = report.parent / ".sample"
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True, mode=0o700)
    try:
        found = check(Path(folder), settings, work)
    finally:
        shutil.rmtree(work)
    write_json(found, report)
    lines = as_text(found)
    with atomic(text) as temporary:
        temporary.write_text(lines, encoding="utf-8")
    logger.log(NOTICE, "check_delivery of %d files\n%s", len(files), lines)


if __name__ == "__main__":
    stage.run(main, snakemake)
