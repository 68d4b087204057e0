"""The bridge between Snakemake and a script's typed function."""

import inspect
import os
import signal
import traceback
from collections.abc import Callable, Mapping
from dataclasses import asdict, is_dataclass
from pathlib import Path
from types import UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

from behrt import fast_start, logs
from behrt.errors import InputError
from behrt.files import keep_private

fast_start.without_unused_imports()


def _paths(value: Any) -> Path | list[Path]:
    return Path(value) if isinstance(value, str) else [Path(item) for item in value]


def typed(value: Any, annotation: Any) -> Any:
    """Return a param as the type that an annotation names.

    A mapping becomes the dataclass or the settings (pydantic) of the annotation, as do the
    dataclasses of its fields and those in a list, a tuple or a dictionary. Any other value is
    returned as it is.

    >>> from dataclasses import dataclass
    >>> @dataclass(frozen=True)
    ... class Task:
    ...     name: str
    ...     months: int | None = None
    >>> typed({"name": "T2", "months": 6}, Task)
    Task(name='T2', months=6)
    >>> typed([{"name": "T1"}], tuple[Task, ...])
    (Task(name='T1', months=None),)

    Raises:
        TypeError: a mapping has a key that its dataclass lacks, or lacks one that it requires.
        ValueError: the settings do not allow a value.
    """
    origin, inner = get_origin(annotation), get_args(annotation)
    if isinstance(value, Mapping) and hasattr(annotation, "model_validate"):
        return annotation.model_validate(dict(value))
    if is_dataclass(annotation) and isinstance(annotation, type) and isinstance(value, Mapping):
        types = get_type_hints(annotation)
        return annotation(**{name: typed(item, types.get(name)) for name, item in value.items()})
    if origin in (Union, UnionType):
        for member in inner:
            converted = typed(value, member)
            if converted is not value:
                return converted
    if origin in (list, tuple) and isinstance(value, (list, tuple)):
        return origin(typed(item, inner[0]) for item in value)
    if isinstance(value, Mapping) and len(inner) == 2:  # dict[str, …], Mapping[str, …]
        return {name: typed(item, inner[1]) for name, item in value.items()}
    return value


def plain(value: Any) -> Any:
    """Return a value as Snakemake compares and stores a param: the inverse of `typed`.

    A dataclass becomes a dictionary, also in a list or a dictionary; a tuple becomes a list.
    """
    if is_dataclass(value) and not isinstance(value, type):
        return plain(asdict(value))
    if isinstance(value, Mapping):
        return {name: plain(item) for name, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    return value


def arguments(function: Callable[..., Any], params: Mapping[str, Any]) -> dict[str, Any]:
    """Return params as the types that a function's annotations name (`typed`)."""
    types = get_type_hints(function)
    return {name: typed(value, types.get(name)) for name, value in params.items()}


INTERRUPTED = 128 + signal.SIGINT
"""The exit status of a script that its user stopped (Ctrl-C)."""

NOT_ARGUMENTS = ("code", "content", "caption")
"""Params that no script uses: what triggers reruns, and what Snakemake's report shows."""


def _stop(*_: Any) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # stopping takes a moment
    raise SystemExit(INTERRUPTED)


def run(function: Callable[..., None], snakemake: Any) -> None:
    """Call `function` with the rule's named inputs, outputs and params as keyword arguments.

    * Inputs and outputs arrive as Path or list[Path].
    * A param that is a mapping arrives as the dataclass that the function's annotation names
      (`typed`); other params arrive as they are. `NOT_ARGUMENTS` are left out.
    * To a param `compute` with a GPU, the section `gpu` of the configuration is added.
    * A function with an argument `threads` receives the rule's threads, unless a param gives them:
      where they change the result, the result must not depend on `--cores`.

    An InputError is logged and ends the script. Of any other error only the kind and the place are
    logged, because its text may quote a patient's values; the environment variable
    BEHRT_SHOW_ERRORS=1 shows the text. Ctrl-C ends the script without a message: the run reports
    it. Only the current user can read the files that are written.
    """
    # For one Ctrl-C, polars raises KeyboardInterrupt, and Python calls its handler as well, often
    # while that exception is handled.
    signal.signal(signal.SIGINT, _stop)
    try:
        _run(function, snakemake)
    except KeyboardInterrupt:
        raise SystemExit(INTERRUPTED) from None


def _run(function: Callable[..., None], snakemake: Any) -> None:
    keep_private()
    # Not a param: what a log may show changes no output, so a change of it must rerun nothing.
    config = getattr(snakemake, "config", {})
    disclosure = config.get("disclosure", {})
    limits = {name: disclosure[name] for name in ("threshold", "rounding") if name in disclosure}
    logs.start(Path(snakemake.log[0]) if snakemake.log else None, **limits)
    files = {**dict(snakemake.input.items()), **dict(snakemake.output.items())}
    given: dict[str, Any] = {name: _paths(value) for name, value in files.items()}
    params = {name: value for name, value in snakemake.params.items() if name not in NOT_ARGUMENTS}
    # Not a param: the number of GPUs, and how they compute, changes outputs only by rounding and by
    # what dropout draws, so a change of it must not train finished models again.
    if params.get("compute", {}).get("accelerator") == "gpu":
        params["compute"] = {**params["compute"], **config.get("gpu", {})}
    try:
        given |= arguments(function, params)
        if "threads" in inspect.signature(function).parameters:
            given.setdefault("threads", snakemake.threads)
        function(**given)
    except InputError as error:
        logs.logger.error("%s", error)
        raise SystemExit(1) from None
    except Exception as error:
        log_error(error)
        raise SystemExit(1) from None


def log_error(error: Exception) -> None:
    """Log the kind and the place of an error, but not its text, which may quote patients' data.

    With BEHRT_SHOW_ERRORS=1, the error is raised again.
    """
    if os.environ.get("BEHRT_SHOW_ERRORS") == "1":
        raise error
    logs.logger.error(
        "%s (its text is withheld because it may quote patients' data; run again with "
        "BEHRT_SHOW_ERRORS=1 to see it)\n%s",
        type(error).__name__,
        "".join(traceback.format_tb(error.__traceback__)),
    )
