"""Where relevance ends: which results answer a query, and which are only the least bad.

No score means the same for two queries, so none serves as a threshold for all of them. Here a photo's score is
taken in standard deviations above the background (`Background`), and compared with the best photo's. Measured
against other rules by `make relevance`; docs/searching.md has the table.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from indexer.results import Relevance
from indexer.search.direction import Direction, Kind

__all__ = ["BLOCK", "Cut", "cut_of", "grade", "mean_cut"]

Deviations = NDArray[np.float32]


class Cut(NamedTuple):
    """Where relevance ends for a query."""

    share: float
    """Of the best photo's deviations."""
    floor: float
    """Deviations that unrelated photos seldom reach: with less, the best of all is no answer either."""


CUTS = {Kind.WORDS: Cut(0.67, 3.5), Kind.PICTURE: Cut(0.38, 1.0), Kind.MARKS: Cut(0.6, 1.0)}
LIKELY = 0.5
"""How far from there to the best a photo is a likely one."""
STEPS = (Relevance.UNLIKELY, Relevance.MAYBE, Relevance.LIKELY, None)
"""Grades by how many of the two limits are reached; the last where that is not known."""
BLOCK = 200
"""Photos graded at a time; after a block without an answer there is none further down."""


def cut_of(direction: Direction) -> Cut:
    """The cut of a query: those of its kinds of parts, by their weights."""
    weights = dict.fromkeys(Kind, 0.0)
    for part in direction.parts:
        weights[part.kind] += abs(part.weight)
    return mean_cut([CUTS[kind] for kind in Kind], list(weights.values()))


def mean_cut(cuts: Sequence[Cut], weights: Sequence[float]) -> Cut:
    """The weighted mean of cuts."""
    weighted = list(zip(cuts, weights, strict=True))  # too few for NumPy to be worth its calls
    return Cut(
        sum(weight * cut.share for cut, weight in weighted) / sum(weights),
        sum(weight * cut.floor for cut, weight in weighted) / sum(weights),
    )


def grade(
    count: int, deviations_of: Callable[[slice], Deviations], cut: Cut
) -> list[Relevance | None]:
    """Grades of `count` photos, best score first; None where nothing is known of the background.

    `deviations_of` gives those of a slice of them; it is asked only as far down as there are answers.
    """
    first = deviations_of(slice(0, BLOCK)) if count else np.empty(0, np.float32)
    known = first[np.isfinite(first)]
    if not len(known):
        return [None] * count
    best = float(known.max())
    maybe = max(cut.floor, cut.share * best)
    likely = max(maybe, (LIKELY + (1 - LIKELY) * cut.share) * best)
    grades = _grades(first, maybe, likely)
    while len(grades) < count and any(_is_answer(grade) for grade in grades[-BLOCK:]):
        block = deviations_of(slice(len(grades), len(grades) + BLOCK))
        grades += _grades(block, maybe, likely)
    return [*grades, *([Relevance.UNLIKELY] * (count - len(grades)))]


def _is_answer(grade: Relevance | None) -> bool:
    return grade in (Relevance.LIKELY, Relevance.MAYBE)


def _grades(values: Deviations, maybe: float, likely: float) -> list[Relevance | None]:
    steps = np.where(np.isfinite(values), np.searchsorted([maybe, likely], values, "right"), -1)
    return [STEPS[step] for step in steps.tolist()]
