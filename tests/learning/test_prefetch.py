"""Batches that are made in another thread come in the same order."""

import threading

import pytest

from behrt.learning.prefetch import ahead_of, made_ahead


@pytest.mark.parametrize("ahead", [0, 1, 3, 20])
def test_results_come_in_order(ahead: int) -> None:
    assert list(made_ahead(lambda number: number**2, range(8), ahead)) == [
        number**2 for number in range(8)
    ]


def test_some_are_made_before_they_are_asked_for_in_one_thread() -> None:
    threads, third = set(), threading.Event()

    def make(number: int) -> int:
        threads.add(threading.get_ident())
        if number == 2:
            third.set()
        return number

    made = made_ahead(make, range(5), ahead=2)
    assert next(made) == 0
    assert third.wait(timeout=30)  # after one result, two more are on their way
    assert list(made) == [1, 2, 3, 4]
    assert len(threads) == 1
    assert threading.get_ident() not in threads


def test_an_error_is_raised_where_the_batch_is_needed() -> None:
    def make(number: int) -> float:
        return 1 / (2 - number)

    made = made_ahead(make, range(5), ahead=3)
    assert [next(made), next(made)] == [0.5, 1.0]
    with pytest.raises(ZeroDivisionError):
        next(made)


def test_a_cpu_makes_batches_when_they_are_needed() -> None:
    assert ahead_of("cpu") == 0
    assert ahead_of("cuda") > 0
