"""How often Snakemake decides which jobs to start."""

from typing import Any

_DEFAULT = (100, 1)
"""Jobs and seconds of Snakemake's own `--max-jobs-per-timespan`, which limits no run."""


def decide_when_a_job_ends(scheduler: Any) -> None:
    """Let a scheduler of Snakemake decide only when a job has ended, not every second as well.

    With a limit of jobs per second, each decision calls for one more a second later. While jobs
    wait for a core, these calls never end, and each job that ends adds one: after 150 jobs there
    are 150 decisions per second. A limit other than Snakemake's default is kept.

    Args:
        scheduler: `workflow.scheduler`, before it starts the first job.
    """
    limiter = getattr(scheduler, "job_rate_limiter", None)
    if limiter is not None and (limiter.max_jobs, limiter.timespan) == _DEFAULT:
        scheduler.job_rate_limiter = None
