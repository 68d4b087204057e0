"""The one error that bad input raises."""

from pathlib import Path


class InputError(ValueError):
    """Input that cannot be used: where it is, what is wrong with it, and how to mend it.

    The text must hold no patient id and no exact date. A character that is not printable, as it
    might command a terminal, becomes a space.
    """

    def __init__(self, where: str | Path, problem: str, mend: str) -> None:
        text = f"{where}: {problem}. {mend}."
        super().__init__("".join(letter if letter.isprintable() else " " for letter in text))
        self.where = str(where)
        self.problem = problem
        self.mend = mend
