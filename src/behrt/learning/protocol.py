"""Who may be learned from: the two protocols of the project, and what lies between them.

A run follows `strict` or `paper`. The others are for the table *protocols*, which says what each
leniency of the paper and its released code is worth: each differs from `strict` in one thing, and
`all` in all of them.
"""

from dataclasses import dataclass

from behrt.errors import InputError


@dataclass(frozen=True)
class Protocol:
    """The splits (names of MEDS) that each part of training reads.

    Attributes:
        pretraining: patients whose histories pretraining learns from.
        training: patients whose labels a classifier learns from.
        choosing: patients on whom the epoch is chosen.
        special_targets: whether pretraining hides CLS and SEP too, and asks for them, as the
            released code does.
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
"""The protocols of the table *protocols*, in its order."""


def protocol_named(name: str) -> Protocol:
    """Return a protocol.

    Raises:
        InputError: there is none of that name.
    """
    if name not in PROTOCOLS:
        raise InputError("protocol", f"there is no {name!r}", f"Choose from {', '.join(PROTOCOLS)}")
    return PROTOCOLS[name]
