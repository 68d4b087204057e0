"""What `paper` adds to a run: variants of the run, and more models."""

import json
import re

import pytest
import yaml

from behrt.variants import variants_of

from .conftest import TINY, Copy

pytestmark = pytest.mark.workflow


@pytest.fixture(scope="module")
def plan(tiny: Copy) -> str:
    """The text of a dry run of `paper`."""
    return tiny.snakemake("paper", "--dry-run", "--cores", "1", *TINY).stdout


def test_every_variant_but_the_run_itself_is_planned(plan: str) -> None:
    planned = re.findall(r"Pretrain (\S*)mlm", plan)
    assert sorted(set(planned)) == sorted(variants_of("strict").keys() - {""})
    trained = re.findall(r"Train (\S*)behrt for T2,", plan)
    assert sorted(set(trained)) == sorted(set(planned))


def test_a_dry_run_prints_what_trains_where(plan: str, clean: Copy) -> None:
    assert "Train deepcare for T2, and predict (cpu, threads: 1, GPUs: 0)" in plan
    assert "gpu, " not in plan
    (clean.folder / "config" / "gpu.yaml").write_text("accelerator: gpu\n")
    models = [
        f"results/test/predictions/T2/{model}.parquet"
        for model in ("behrt", "forecast", "lightgbm_times")
    ]
    configured = (*TINY, "config/gpu.yaml")
    planned = clean.snakemake(*models, "--dry-run", "--cores", "1", *configured).stdout
    for job in (
        *("Pretrain mlm", "Train behrt for T2, and predict"),
        *("Train forecast for all tasks", "Train forecast for T2, and predict"),
    ):
        assert f"{job} (gpu, threads: 1, GPUs: 1)" in planned
    assert "Train lightgbm_times for T2, and predict (cpu, threads: 1, GPUs: 0)" in planned


def test_more_models_are_planned(plan: str) -> None:
    more = ("behrt_not_pretrained", "delphi", "doctor_ai", "deepcare", "bag_of_words", "skip_gram")
    for model in (*more, "behrt_forecast"):
        assert f"Train {model} for T2" in plan
    assert "Pretrain pretrained_forecast" in plan
    assert "table2_more" in plan


def test_no_code_lists_are_fetched_for_simulated_data(plan: str) -> None:
    rules = re.findall(r"^(\w+) +\d+$", plan, re.MULTILINE)
    assert "pretrain" in rules
    assert "caliber" not in rules


def test_only_the_oracle_reads_what_was_simulated_of_patients(sources: Copy) -> None:
    graph = sources.snakemake("paper", "--filegraph", *TINY).stdout
    readers = set()
    for node in graph.split("[ shape=none")[1:]:
        (rule,) = re.findall(r'<font point-size="18">(\w+)</font>', node)
        inputs = node.partition("output &rarr;")[0]
        if re.search("/truth/(people|onsets)/", inputs):
            readers.add(rule)
    assert readers == {"oracle"}


def test_a_combination_is_trained_without_the_embeddings_that_are_off(editable: Copy) -> None:
    folder = "results/test/ablation/age/"
    editable.snakemake(folder + "models/T2/behrt/model.safetensors", "--cores", "1", *TINY)
    for model in ("mlm", "T2/behrt"):
        written = (editable.folder / folder / "models" / model / "config.json").read_text()
        settings = json.loads(written)["settings"]
        assert (settings["age"], settings["segment"], settings["position"]) == (True, False, False)


def test_without_more_models_the_larger_table_is_the_first_one(editable: Copy) -> None:
    shipped = yaml.safe_load((editable.folder / "config" / "config.yaml").read_text())
    none = {"more_models": dict.fromkeys(shipped["more_models"])}
    (editable.folder / "config" / "none.yaml").write_text(yaml.safe_dump(none))
    target = "results/test/tables/table1_more.csv"
    editable.snakemake(target, "--cores", "1", *TINY, "config/none.yaml")
    first = (editable.results / "tables" / "table1.csv").read_text()
    assert (editable.folder / target).read_text() == first  # the same resamples of patients
