"""The variants of a run: their folders, and what they change."""

import pytest

from behrt.ablation import ALL_EMBEDDINGS, COMBINATIONS
from behrt.learning.protocol import COMPARED, PROTOCOLS
from behrt.variants import ablation_folder, protocol_folder, variants_of


@pytest.mark.parametrize("own", ["strict", "paper"])
def test_the_run_itself_is_one_combination_and_one_protocol(own: str) -> None:
    variants = variants_of(own)
    assert (variants[""].protocol, variants[""].settings({"age": False})) == (own, {"age": False})
    assert ablation_folder(ALL_EMBEDDINGS) == protocol_folder(own, own) == ""
    folders = [ablation_folder(embeddings) for embeddings in COMBINATIONS]
    folders += [protocol_folder(protocol, own) for protocol in COMPARED]
    assert set(folders) | {""} == set(variants)
    assert len(variants) == 1 + 7 + len(set(COMPARED) - {own})


def test_a_variant_changes_one_thing() -> None:
    for folder, variant in variants_of("strict").items():
        changed = variant.settings({"hidden": 24, "age": True, "segment": True, "position": True})
        off = [name for name, value in changed.items() if not value]
        assert folder == "" or (variant.protocol != "strict") != bool(off)
        assert variant.protocol in PROTOCOLS
