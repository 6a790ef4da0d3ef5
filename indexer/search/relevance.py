"""Where relevance ends: which results answer a query, and which are only the least bad.

No score means the same for two queries, so none serves as a threshold for all of them. Here a photo's score is
taken in standard deviations above the background (`Background`), and compared with the best photo's. Measured
against other rules by `make cutoff`; docs/searching.md has the table.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from indexer.results import Relevance
from indexer.search.direction import Direction, Kind

__all__ = ["BLOCK", "grade", "share_of"]

Deviations = NDArray[np.float32]
FLOOR = 3.5
"""Deviations that unrelated photos seldom reach: with less, a photo is no answer however good it is among others."""
SHARES = {Kind.WORDS: 0.67, Kind.PICTURE: 0.42, Kind.MARKS: 0.6}
"""The share of the best photo's deviations from which a photo may be an answer, by what was asked with."""
LIKELY = 0.5
"""How far from there to the best a photo is a likely one."""
BLOCK = 200
"""Photos graded at a time; after a block without an answer there is none further down."""


def share_of(direction: Direction) -> float:
    """Where relevance ends for this query, as a share of the best photo's deviations."""
    weights = dict.fromkeys(Kind, 0.0)
    for part in direction.parts:
        weights[part.kind] += abs(part.weight)
    return sum(SHARES[kind] * weight for kind, weight in weights.items()) / sum(weights.values())


def grade(
    count: int, deviations_of: Callable[[slice], Deviations], share: float
) -> list[Relevance | None]:
    """Grades of `count` photos, best score first; None where nothing is known of the background.

    `deviations_of` gives those of a slice of them; it is asked only as far down as there are answers.
    """
    first = deviations_of(slice(0, BLOCK)) if count else np.empty(0, np.float32)
    known = first[np.isfinite(first)]
    if not len(known):
        return [None] * count
    best = float(known.max())
    maybe = max(FLOOR, share * best)
    likely = max(maybe, (LIKELY + (1 - LIKELY) * share) * best)
    grades = [_grade(float(value), maybe, likely) for value in first]
    while len(grades) < count and any(_is_answer(grade) for grade in grades[-BLOCK:]):
        block = deviations_of(slice(len(grades), len(grades) + BLOCK))
        grades += [_grade(float(value), maybe, likely) for value in block]
    return [*grades, *([Relevance.UNLIKELY] * (count - len(grades)))]


def _is_answer(grade: Relevance | None) -> bool:
    return grade in (Relevance.LIKELY, Relevance.MAYBE)


def _grade(value: float, maybe: float, likely: float) -> Relevance | None:
    if not np.isfinite(value):
        return None
    if value < maybe:
        return Relevance.UNLIKELY
    return Relevance.LIKELY if value >= likely else Relevance.MAYBE
