"""Which patients may be learned from: the two protocols of a run, and relaxed ones to compare.

A run follows `strict` or `paper`. The table *protocols* compares `strict` with relaxations of it,
which show the effect of each thing that the paper and its released code did differently: each
relaxes one thing, and `all` relaxes all of them.
"""

from dataclasses import dataclass

from behrt.errors import InputError


@dataclass(frozen=True)
class Protocol:
    """The splits, by their names in MEDS, that each part of training reads.

    Attributes:
        pretraining: patients whose histories pretraining learns from.
        training: patients whose labels a classifier learns from.
        choosing: patients on whom the epoch is chosen.
        special_targets: whether pretraining also masks and predicts CLS and SEP, as the released
            code does.
    """

    pretraining: tuple[str, ...]
    training: tuple[str, ...]
    choosing: tuple[str, ...]
    special_targets: bool = False


PROTOCOLS = {
    "strict": Protocol(("train",), ("train",), ("tuning",)),
    # The paper splits 80/20; its released code pretrains on all and chooses epochs on the 20.
    "paper": Protocol(("train", "tuning", "held_out"), ("train", "tuning"), ("held_out",)),
    "test_epochs": Protocol(("train",), ("train",), ("held_out",)),
    "test_pretraining": Protocol(("train", "held_out"), ("train",), ("tuning",)),
    "special_targets": Protocol(("train",), ("train",), ("tuning",), special_targets=True),
    "all": Protocol(
        ("train", "tuning", "held_out"), ("train", "tuning"), ("held_out",), special_targets=True
    ),
}

COMPARED = ("strict", "test_epochs", "test_pretraining", "special_targets", "all")
"""The protocols of the table *protocols*, in the order of its rows."""


def protocol_named(name: str) -> Protocol:
    """Return a protocol.

    Raises:
        InputError: there is no protocol of that name.
    """
    if name not in PROTOCOLS:
        raise InputError("protocol", f"there is no {name!r}", f"Choose from {', '.join(PROTOCOLS)}")
    return PROTOCOLS[name]
