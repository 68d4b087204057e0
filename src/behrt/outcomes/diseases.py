"""Names of diseases in the definition of an outcome."""

from collections.abc import Sequence

from behrt.errors import InputError
from behrt.settings.refusal import nearest


def phenotypes_of(names: Sequence[str], phenotypes: Sequence[str], where: str) -> list[int]:
    """Return the indices of diseases in the vocabulary.

    Raises:
        InputError: the vocabulary lacks one; the error names the nearest.
    """
    for name in names:
        if name not in phenotypes:
            close = nearest(name, phenotypes, "\0")
            fix = close if "\0" not in close else "Take a name of results/<run>/vocabulary.json"
            raise InputError(where, f"there is no disease {name!r}", fix)
    return [phenotypes.index(name) for name in names]
