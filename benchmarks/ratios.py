"""What a part of Glimpse takes against something fixed beside it, and whether that is too much.

Seconds tell of the machine and of who else is at work on it; a ratio of two times taken in turns does not.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median

__all__ = ["Part", "Ratio", "failures", "measure"]

Clock = Callable[[], float]


@dataclass(frozen=True, slots=True)
class Part:
    """Something that we do, and what it is measured by; both do the same work."""

    name: str
    ours: Callable[[], object]
    reference: Callable[[], object]
    limit: float
    """How many times as long as the reference ours may take."""
    rounds: int = 5


@dataclass(frozen=True, slots=True)
class Ratio:
    """How a part compares."""

    name: str
    ours_s: float
    """Median of the rounds, as the next."""
    reference_s: float
    ratio: float
    """Median of what each round gives, not the ratio of the medians."""
    limit: float

    @property
    def is_over(self) -> bool:
        """Whether the part takes longer than it may."""
        return self.ratio > self.limit

    def __str__(self) -> str:
        verdict = "over" if self.is_over else "within"
        return (
            f"{self.name}: {self.ratio:.2f} times its reference, {verdict} the limit of {self.limit:g} "
            f"({1000 * self.ours_s:.1f} ms against {1000 * self.reference_s:.1f} ms)"
        )


def measure(part: Part, times: int = 1, clock: Clock = time.perf_counter) -> Ratio:
    """Both in turns, after a round that does not count; ours `times` times over, as if it were so much slower.

    A part over its limit is measured once more, and the better counts: a neighbour may have had the cores.
    """
    first = _measure(part, times, clock)
    if not first.is_over:
        return first
    return min(first, _measure(part, times, clock), key=lambda ratio: ratio.ratio)


def failures(ratios: Sequence[Ratio]) -> list[str]:
    """One line for each part that is over its limit."""
    return [str(ratio) for ratio in ratios if ratio.is_over]


def _measure(part: Part, times: int, clock: Clock) -> Ratio:
    part.reference()
    part.ours()
    pairs = [
        (_timed(part.reference, 1, clock), _timed(part.ours, times, clock))
        for _ in range(part.rounds)
    ]
    return Ratio(
        part.name,
        median(ours for _, ours in pairs),
        median(reference for reference, _ in pairs),
        median(ours / reference for reference, ours in pairs),
        part.limit,
    )


def _timed(work: Callable[[], object], times: int, clock: Clock) -> float:
    began = clock()
    for _ in range(times):
        work()
    return clock() - began
