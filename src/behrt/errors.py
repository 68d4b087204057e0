"""The one error that bad input raises."""

from pathlib import Path


class InputError(ValueError):
    """Input that cannot be used: where it is, what is wrong with it, and how to mend it.

    The text must hold no patient id and no exact date.
    """

    def __init__(self, where: str | Path, problem: str, mend: str) -> None:
        super().__init__(f"{where}: {problem}. {mend}.")
        self.where = str(where)
        self.problem = problem
        self.mend = mend
