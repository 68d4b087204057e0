"""What Snakemake measured of each job is read from its benchmark files."""

import json
from pathlib import Path

import pytest

from behrt import benchmark_files
from behrt.benchmark_files import SCHEMA, name_of
from behrt.errors import InputError
from behrt.variants import variants_of

MEASURED = {"s": 2.5, "cpu_time": 1.25, "max_rss": 300.5, "io_in": 4.0, "io_out": 0.5}


def write(path: Path, **measured: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"h:m:s": "0:00:02", **MEASURED, **measured}) + "\n")


def test_each_file_is_one_row(tmp_path: Path) -> None:
    write(tmp_path / "meds.jsonl")
    write(tmp_path / "finetune/T2/behrt.jsonl", s=60)
    write(tmp_path / "protocols/paper/pretrain/mlm.jsonl", max_rss="NA", cpu_time="NA")
    jobs = benchmark_files.read(tmp_path)
    assert jobs.schema == SCHEMA
    paths = ["finetune/T2/behrt.jsonl", "meds.jsonl", "protocols/paper/pretrain/mlm.jsonl"]
    assert jobs["path"].to_list() == paths
    assert jobs["end"].to_list() == [(tmp_path / path).stat().st_mtime for path in paths]
    assert jobs.drop("path", "end").rows() == [
        ("", "finetune", "T2/behrt", 60.0, 1.25, 300.5, 4.0, 0.5),
        ("", "meds", "", 2.5, 1.25, 300.5, 4.0, 0.5),
        ("protocols/paper/", "pretrain", "mlm", 2.5, None, None, 4.0, 0.5),
    ]


def test_a_run_without_benchmarks_has_no_rows(tmp_path: Path) -> None:
    jobs = benchmark_files.read(tmp_path / "benchmarks")
    assert jobs.schema == SCHEMA
    assert jobs.is_empty()


@pytest.mark.parametrize("text", ["", "s\th:m:s\n", "[]\n", '{"s": 1}\n', '{"s": 1, "max_rss": {'])
def test_another_file_is_refused_by_name(text: str, tmp_path: Path) -> None:
    (tmp_path / "meds.jsonl").write_text(text)
    with pytest.raises(InputError, match=r"benchmarks/meds\.jsonl: it is not a benchmark file"):
        benchmark_files.read(tmp_path)


@pytest.mark.parametrize("variant", variants_of("strict", ("diagnoses", "medications", "tests")))
def test_the_name_of_a_job_does_not_depend_on_its_variant(variant: str) -> None:
    assert name_of(Path(f"{variant}finetune/T1/retain.jsonl")) == (variant, "finetune", "T1/retain")
