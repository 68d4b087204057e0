"""Who may be learned from: the two protocols of the project, and where each is used."""

from dataclasses import dataclass

from behrt.errors import InputError


@dataclass(frozen=True)
class Protocol:
    """The splits (names of MEDS) that each part of training reads.

    Attributes:
        pretraining: patients whose histories pretraining learns from.
        training: patients whose labels a classifier learns from.
        choosing: patients on whom the epoch is chosen.
    """

    pretraining: tuple[str, ...]
    training: tuple[str, ...]
    choosing: tuple[str, ...]


PROTOCOLS = {
    "strict": Protocol(("train",), ("train",), ("tuning",)),
    # The paper splits 80/20; its released code pretrains on all and chooses epochs on the 20.
    "paper": Protocol(("train", "tuning", "held_out"), ("train", "tuning"), ("held_out",)),
}


def protocol_named(name: str) -> Protocol:
    """Return a protocol.

    Raises:
        InputError: there is none of that name.
    """
    if name not in PROTOCOLS:
        raise InputError("protocol", f"there is no {name!r}", f"Choose from {', '.join(PROTOCOLS)}")
    return PROTOCOLS[name]
