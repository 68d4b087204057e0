"""What a trained model is."""

from dataclasses import dataclass

from behrt.tasks import Task


@dataclass(frozen=True)
class Description:
    """What a trained model is.

    Attributes:
        model: its name in the configuration.
        kind: its module in `behrt.models`.
        task: what it predicts; None for a pretrained model, which has vectors of patients only.
        run: the name of the run.
        data: the source of the run: "simulated", "cprd", "meds" or "omop".
        protocol: "strict" or "paper".
        minimum_visits: the fewest visits of the inputs that it was trained on.
        vocabulary: the version of the vocabulary.
        members: of an ensemble, the models that it is made of.
        outcome: of a model of one outcome, its name; its module is in `behrt.outcome_models`.
    """

    model: str
    kind: str
    task: Task | None
    run: str
    data: str
    protocol: str
    minimum_visits: int
    vocabulary: str
    members: tuple[str, ...] = ()
    outcome: str | None = None
