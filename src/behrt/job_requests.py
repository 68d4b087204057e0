"""What the rules of a workflow request for jobs that a run has measured.

No script imports it: it needs Snakemake, which the environments of the rules do not have.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from snakemake.exceptions import WorkflowError
from snakemake.iocontainers import Wildcards

from behrt.resources import input_mb


def requests_of(rules: Iterable[Any], benchmarks: Path, run: str) -> list[dict[str, Any]]:
    """Return what the rules of a workflow request for the jobs that a run has measured.

    A job that the configuration no longer has is left out.

    Args:
        rules: of Snakemake's workflow.
        benchmarks: the folder of benchmark files of the run.
        run: the folder of the run.

    Returns:
        Per job: variant, rule and job, as in `behrt.benchmark_files`; input_mb, what it reads
        (`input_mb`; None if an input is no longer there); asked_mb and asked_minutes, what its rule
        requests for it now; least_mb and least_minutes, the same if there were no patients.
    """
    # Imported here because each job reads the Snakefile, which imports this module.
    from behrt.benchmark_files import name_of

    by_name = {rule.name: rule for rule in rules if rule.benchmark}
    rows = []
    for path in sorted(benchmarks.rglob("*.jsonl")):
        variant, name, job = name_of(path.relative_to(benchmarks))
        rule = by_name.get(name)
        matched = rule and rule.benchmark.match(str(path))
        if not rule or not matched:
            continue
        wildcards = Wildcards(fromdict=matched.groupdict())
        try:
            inputs = rule.expand_input(wildcards)[0]
            asked = rule.expand_resources(wildcards, inputs, 1)
            least = rule.expand_resources(wildcards, [], 1)
        except WorkflowError:  # the configuration no longer has what it reads
            continue
        rows.append(
            {
                "variant": variant,
                "rule": name,
                "job": job,
                "input_mb": input_mb(run, inputs),
                "asked_mb": asked.get("mem_mb"),
                "asked_minutes": asked.get("runtime"),
                "least_mb": least.get("mem_mb"),
                "least_minutes": least.get("runtime"),
            }
        )
    return rows
