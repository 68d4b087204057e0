"""The one bridge between Snakemake and a script's typed function."""

import inspect
import os
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

from behrt import logs
from behrt.errors import InputError
from behrt.files import keep_private


def _paths(value: Any) -> Path | list[Path]:
    return Path(value) if isinstance(value, str) else [Path(item) for item in value]


def run(function: Callable[..., None], snakemake: Any) -> None:
    """Call `function` with the rule's named inputs, outputs and params as keyword arguments.

    Inputs and outputs arrive as Path or list[Path]; params as they are, `code` (the rerun
    trigger) left out. A function that takes `threads` gets the rule's, unless a param says them:
    where they change the result, it must not hang on `--cores`. An InputError is logged and ends
    the script: its text says all that helps. Of any other error the kind and the place are
    logged, but not the text, which may quote a patient's values; the environment variable
    BEHRT_SHOW_ERRORS=1 lets it through. What the script writes is its user's alone.
    """
    keep_private()
    # The whole config, not a param: what a log may tell changes no output, so nothing runs again.
    told = getattr(snakemake, "config", {}).get("disclosure", {})
    limits = {name: told[name] for name in ("threshold", "rounding") if name in told}
    logs.start(Path(snakemake.log[0]) if snakemake.log else None, **limits)
    files = {**dict(snakemake.input.items()), **dict(snakemake.output.items())}
    arguments: dict[str, Any] = {name: _paths(value) for name, value in files.items()}
    arguments |= {name: value for name, value in snakemake.params.items() if name != "code"}
    if "threads" in inspect.signature(function).parameters:
        arguments.setdefault("threads", snakemake.threads)
    try:
        function(**arguments)
    except InputError as error:
        logs.logger.error("%s", error)
        raise SystemExit(1) from None
    except Exception as error:
        if os.environ.get("BEHRT_SHOW_ERRORS") == "1":
            raise
        logs.logger.error(
            "%s (its text is withheld, as it may quote patients' data; run again with "
            "BEHRT_SHOW_ERRORS=1 to see it)\n%s",
            type(error).__name__,
            "".join(traceback.format_tb(error.__traceback__)),
        )
        raise SystemExit(1) from None
