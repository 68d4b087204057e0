"""The ablation's rules are the run's own, with other settings."""

import json
import re

import pytest

from .conftest import TINY, Copy

pytestmark = pytest.mark.workflow


def test_the_paper_target_plans_all_combinations_but_the_run_itself(tiny: Copy) -> None:
    done = tiny.snakemake("paper", "--dry-run", "--cores", "1", *TINY)
    planned = dict(re.findall(r"^(ablation_\w+) +(\d+)$", done.stdout, re.MULTILINE))
    rules = ("pretrain", "finetune", "predict", "evaluate")
    assert planned == {f"ablation_{rule}": "7" for rule in rules}
    assert not re.search(r"^pretrain ", done.stdout, re.MULTILINE)
    assert "Train behrt for T2\n" not in done.stdout


def test_one_combination_is_trained_without_what_is_off(editable: Copy) -> None:
    folder = "results/test/ablation/age/"
    editable.snakemake(folder + "evaluation/T2/behrt.parquet", "--cores", "1", *TINY)
    for model in ("mlm", "T2/behrt"):
        written = (editable.folder / folder / "models" / model / "config.json").read_text()
        settings = json.loads(written)["settings"]
        assert (settings["age"], settings["segment"], settings["position"]) == (True, False, False)
