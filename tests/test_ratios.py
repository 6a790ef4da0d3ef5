"""How the quick benchmark judges, by a clock that moves only as the work says."""

from collections.abc import Callable, Iterator
from itertools import chain, repeat

import pytest

from benchmarks.ratios import Part, Ratio, failures, measure


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now

    def work(self, *seconds: float) -> Callable[[], None]:
        """Work that takes so long each time, the last of them from then on."""
        durations: Iterator[float] = chain(seconds, repeat(seconds[-1]))

        def run() -> None:
            self.now += next(durations)

        return run


def part(clock: Clock, ours: tuple[float, ...], *, limit: float = 2.0, rounds: int = 3) -> Part:
    return Part("decoding", clock.work(*ours), clock.work(0.1), limit, rounds)


def test_a_part_within_its_limit_is_no_failure() -> None:
    clock = Clock()
    ratio = measure(part(clock, (0.15,)), clock=clock)
    assert ratio.ratio == pytest.approx(1.5)
    assert failures([ratio]) == []


def test_a_part_over_its_limit_is_told_in_one_line_with_its_figures() -> None:
    clock = Clock()
    ratio = measure(part(clock, (0.25,)), clock=clock)
    assert failures([ratio]) == [
        "decoding: 2.50 times its reference, over the limit of 2 (250.0 ms against 100.0 ms)"
    ]


def test_only_the_parts_over_their_limits_are_told() -> None:
    fine, slow = (Ratio(name, 1.0, 1.0, 1.0, limit) for name, limit in (("a", 1.0), ("b", 0.9)))
    assert [line.partition(":")[0] for line in failures([fine, slow])] == ["b"]


def test_the_first_round_warms_up_and_an_odd_one_does_not_decide() -> None:
    clock = Clock()
    ratio = measure(part(clock, (9.0, 0.1, 9.0, 0.1)), clock=clock)
    assert ratio.ratio == pytest.approx(1.0)


def test_a_part_that_was_disturbed_once_gets_a_second_chance() -> None:
    clock = Clock()
    ratio = measure(part(clock, (0.3, 0.3, 0.3, 0.3, 0.1)), clock=clock)
    assert not ratio.is_over


def test_a_part_that_stays_slow_has_none() -> None:
    clock = Clock()
    assert measure(part(clock, (0.3,)), clock=clock).is_over


def test_work_done_twice_over_counts_twice() -> None:
    clock = Clock()
    ratio = measure(part(clock, (0.15,)), times=2, clock=clock)
    assert ratio.ratio == pytest.approx(3.0)
