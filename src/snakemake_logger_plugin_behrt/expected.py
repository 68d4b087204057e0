"""How much of a run is done, by the time that its jobs are expected to take."""

from collections.abc import Mapping

# Seconds of a job in the default run, by a part of its rule's name; the first that fits counts.
_SECONDS = {
    "pretrain": 260.0,
    "joint": 130.0,
    "search_trial": 30.0,
    "assess": 25.0,
    "oracle_records": 20.0,
    "finetune": 18.0,
    "oracle": 6.0,
    "simulate_part": 4.0,
    "evaluate": 1.0,
}
_OTHERS = 2.0


def _default(rule: str) -> float:
    return next((seconds for part, seconds in _SECONDS.items() if part in rule), _OTHERS)


class Expected:
    """The expected time of a run's jobs: of the jobs that have finished, else of the default run.

    Args:
        counts: jobs by rule.
    """

    def __init__(self, counts: Mapping[str, int]) -> None:
        self.left = dict(counts)
        self.taken: dict[str, list[float]] = {}

    def finish(self, rule: str, seconds: float) -> None:
        """Note that a job of a rule has finished."""
        self.left[rule] = max(0, self.left.get(rule, 0) - 1)
        self.taken.setdefault(rule, []).append(seconds)

    def percent(self) -> int:
        """Return the share of the expected time of all jobs that has passed, rounded down."""
        spent = sum(map(sum, self.taken.values()))
        usual = sum(_default(rule) * len(times) for rule, times in self.taken.items())
        slower = spent / usual if usual else 1.0
        ahead = 0.0
        for rule, count in self.left.items():
            times = self.taken.get(rule)
            ahead += count * (sum(times) / len(times) if times else slower * _default(rule))
        return 100 if ahead == 0 else int(100 * spent / (spent + ahead))


def duration(seconds: float) -> str:
    """Return a time in words.

    >>> duration(3.4), duration(83), duration(7260)
    ('3 s', '1 min 23 s', '2 h 1 min')
    """
    if seconds < 60:
        return f"{seconds:.0f} s"
    minutes, left = divmod(int(seconds), 60)
    return f"{minutes} min {left} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"
