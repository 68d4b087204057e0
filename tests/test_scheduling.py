"""A limit of jobs per second that limits no run does not keep the scheduler busy."""

from types import SimpleNamespace

import pytest
from snakemake.cli import get_argument_parser
from snakemake.scheduling.job_scheduler import JobRateLimiter, JobScheduler
from snakemake.settings.types import MaxJobsPerTimespan

from behrt.scheduling import decide_when_a_job_ends

DEFAULT = get_argument_parser().get_default("max_jobs_per_timespan")


@pytest.mark.parametrize(("limit", "kept"), [(DEFAULT, False), ("10/1m", True), ("100/1m", True)])
def test_only_snakemakes_own_default_is_removed(limit: str, *, kept: bool) -> None:
    scheduler = SimpleNamespace(
        job_rate_limiter=JobRateLimiter(MaxJobsPerTimespan.parse_choice(limit))
    )
    decide_when_a_job_ends(scheduler)
    assert (scheduler.job_rate_limiter is not None) == kept


def test_snakemakes_scheduler_has_the_limit() -> None:
    assert "job_rate_limiter" in JobScheduler.__init__.__code__.co_names


def test_a_scheduler_without_a_limit_is_left_as_it_is() -> None:
    scheduler = SimpleNamespace(job_rate_limiter=None)
    decide_when_a_job_ends(scheduler)
    assert scheduler.job_rate_limiter is None
