"""Make one table: call the function `table` of its module in behrt.tables, and write the result."""

from dataclasses import fields
from importlib import import_module
from pathlib import Path
from typing import Any

from behrt import stage
from behrt.disclosure import Rules, write_table
from behrt.evaluation.tidy import with_facts
from behrt.logs import logger
from behrt.run import Run


def main(
    table: Path,
    module: str,
    settings: dict[str, Any],
    data: str,
    disclosure: Rules,
    **inputs: Path | list[Path],
) -> None:
    """Write the table; its settings that are fields of `Run` are passed as one."""
    of_run = {field.name for field in fields(Run)} & settings.keys()
    run = Run(data, disclosure, **{name: settings[name] for name in of_run})
    others = {name: value for name, value in settings.items() if name not in of_run}
    make = import_module(f"behrt.tables.{module}").table
    frame = make(run=run, **inputs, **stage.arguments(make, others))
    if "data" not in frame.columns:
        frame = with_facts(frame, data=data)
    shown = write_table(frame, table, disclosure)
    logger.info("%s: %d rows", table.name, len(shown))


if __name__ == "__main__":
    stage.run(main, snakemake)
