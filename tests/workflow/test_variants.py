"""Variants of the run are made by its own rules, with other settings."""

import json
import re

import pytest

from behrt.variants import variants_of

from .conftest import TINY, Copy

pytestmark = pytest.mark.workflow


def test_the_paper_target_plans_every_variant_but_the_run_itself(tiny: Copy) -> None:
    done = tiny.snakemake("paper", "--dry-run", "--cores", "1", *TINY)
    planned = re.findall(r"Pretrain (\S*)mlm", done.stdout)
    assert sorted(set(planned)) == sorted(variants_of("strict").keys() - {""})
    trained = re.findall(r"Train (\S*)behrt for T2 ", done.stdout)
    assert sorted(set(trained)) == sorted(set(planned))


def test_a_combination_is_trained_without_the_embeddings_that_are_off(editable: Copy) -> None:
    folder = "results/test/ablation/age/"
    editable.snakemake(folder + "evaluation/T2/behrt.parquet", "--cores", "1", *TINY)
    for model in ("mlm", "T2/behrt"):
        written = (editable.folder / folder / "models" / model / "config.json").read_text()
        settings = json.loads(written)["settings"]
        assert (settings["age"], settings["segment"], settings["position"]) == (True, False, False)
