"""Exact rankings of a gallery for many queries, block by block: no n x n matrix is ever held.

Cosines are compared in steps of 2^-20, about one in a million, below which rounding in float32 would decide.
Among equal cosines the wrong answers come first, so that a model that maps all pictures to one point earns nothing.
"""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

__all__ = ["Ids", "Ranking", "Vectors", "blocks", "rankings"]

Ids = NDArray[np.int64]
Vectors = NDArray[np.float32]

STEP = np.float32(2.0**-20)
BLOCK_BYTES = 64 * 2**20


class Ranking:
    """One query's cosines with the whole gallery, in units of `STEP`; -inf for what must not answer."""

    def __init__(self, scores: Vectors) -> None:
        self._scores = scores

    def ranks(self, relevant: Ids) -> Ids:
        """Ranks of these rows of the gallery, from 1, ascending."""
        wanted = np.sort(self._scores[relevant])
        ahead = np.sort(self._scores[self._scores >= wanted[0]])
        wrong = _count_at_least(ahead, wanted) - _count_at_least(wanted, wanted)
        ranks: Ids = wrong[::-1] + np.arange(1, len(wanted) + 1)
        return ranks

    def first(self, k: int) -> tuple[Ids, Vectors]:
        """The k nearest rows, best first, and their cosines; equal ones in order of the rows."""
        k = min(k, int(np.count_nonzero(self._scores > -np.inf)))
        if k == 0:
            return np.empty(0, np.int64), np.empty(0, np.float32)
        least = np.partition(self._scores, -k)[-k]
        rows = np.flatnonzero(self._scores >= least)
        rows = rows[np.argsort(-self._scores[rows], kind="stable")[:k]]
        return rows, self.cosines(rows)

    def cosines(self, rows: Ids) -> Vectors:
        """The cosines of these rows."""
        found: Vectors = self._scores[rows] * STEP
        return found


def _count_at_least(ascending: Vectors, values: Vectors) -> Ids:
    counts: Ids = len(ascending) - np.searchsorted(ascending, values, "left")
    return counts


def rankings(queries: Vectors, gallery: Vectors, own: Ids | None = None) -> Iterator[Ranking]:
    """A ranking of the gallery (n, dim) for each query (m, dim), in order; all rows L2-normalised.

    `own` (m,) is the row of the gallery that a query itself is, which must not answer.
    """
    for rows in blocks(len(queries), len(gallery)):
        scores = np.rint((queries[rows] / STEP) @ gallery.T)
        if own is not None:
            scores[np.arange(len(scores)), own[rows]] = -np.inf
        yield from map(Ranking, scores)


def blocks(queries: int, gallery: int) -> Iterator[slice]:
    """Slices of the queries whose cosines with the gallery take a bounded room."""
    height = max(1, BLOCK_BYTES // (4 * max(gallery, 1)))
    for start in range(0, queries, height):
        yield slice(start, start + height)
