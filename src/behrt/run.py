"""What tables, figures and pages need to know of the run that they are made from."""

from dataclasses import dataclass

from behrt.disclosure import Rules
from behrt.evaluation.bootstrap import Bootstrap

BOTH = "both"
"""The protocol of a table that is the same under either protocol."""


@dataclass(frozen=True)
class Run:
    """A run, as one value.

    A rule passes only what its table uses, so that a changed setting reruns no other table. What
    is not passed has its default.

    Attributes:
        data: the source: "simulated", "cprd", "meds" or "omop".
        disclosure: which counts of patients are hidden or rounded.
        protocol: "strict", "paper" or `BOTH`.
        resamples: of the bootstrap; 0 where nothing is resampled.
        seed: of everything that is drawn at random.
        name: of the run and its folder of results.
        split: how patients are split, one of `behrt.sequences.split.BY`.
    """

    data: str
    disclosure: Rules
    protocol: str = BOTH
    resamples: int = 0
    seed: int = 0
    name: str = ""
    split: str = "patient"

    @property
    def bootstrap(self) -> Bootstrap:
        """The resamples of patients."""
        return Bootstrap(self.resamples, self.seed)

    @property
    def simulated(self) -> bool:
        """Whether the patients are simulated."""
        return self.data == "simulated"
