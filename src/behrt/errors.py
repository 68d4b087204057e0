"""The one error that bad input raises."""

from pathlib import Path


class InputError(ValueError):
    """Input that cannot be used: where it is, what is wrong with it, and how to fix it.

    The text must contain no patient id and no exact date. Characters that are not printable, which
    could control a terminal, are replaced by spaces.

    >>> print(InputError("config, run", "it is missing", "Add a name"))
    config, run: it is missing. Add a name.
    """

    def __init__(self, where: str | Path, problem: str, fix: str) -> None:
        text = f"{where}: {problem}. {fix}."
        super().__init__("".join(letter if letter.isprintable() else " " for letter in text))
        self.where = str(where)
        self.problem = problem
        self.fix = fix
