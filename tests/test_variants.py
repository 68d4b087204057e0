"""The variants of a run: their folders, and what they change."""

import pytest

from behrt.ablation import ALL_EMBEDDINGS, COMBINATIONS, combinations_of_inputs
from behrt.learning.protocol import COMPARED, PROTOCOLS
from behrt.variants import ablation_folder, inputs_folder, protocol_folder, variants_of


@pytest.mark.parametrize("own", ["strict", "paper"])
def test_the_run_itself_is_one_combination_and_one_protocol(own: str) -> None:
    variants = variants_of(own)
    assert (variants[""].protocol, variants[""].settings({"age": False})) == (own, {"age": False})
    assert ablation_folder(ALL_EMBEDDINGS) == protocol_folder(own, own) == ""
    folders = [ablation_folder(embeddings) for embeddings in COMBINATIONS]
    folders += [protocol_folder(protocol, own) for protocol in COMPARED]
    assert set(folders) | {""} == set(variants)
    assert len(variants) == 1 + 7 + len(set(COMPARED) - {own})


def test_the_combinations_of_inputs_are_variants_but_all_of_them() -> None:
    inputs = ["diagnoses", "medications", "tests"]
    folders = [inputs_folder(name, inputs) for name in combinations_of_inputs(inputs)]
    assert folders[-1] == ""
    more = variants_of("strict", inputs)
    assert set(more) - set(variants_of("strict")) == set(folders[:-1])
    read = {folder: variant.inputs(inputs) for folder, variant in more.items() if variant.read}
    assert list(read.values()) == [["diagnoses"], inputs[:2], ["diagnoses", "tests"]]
    assert more[""].inputs(inputs) == inputs


def test_a_variant_changes_one_thing() -> None:
    for folder, variant in variants_of("strict").items():
        changed = variant.settings({"hidden": 24, "age": True, "segment": True, "position": True})
        off = [name for name, value in changed.items() if not value]
        assert folder == "" or (variant.protocol != "strict") != bool(off)
        assert variant.protocol in PROTOCOLS
