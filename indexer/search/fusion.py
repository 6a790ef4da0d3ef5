"""One query asked of several spaces: words where they are read, pictures where likeness is known best."""

from collections.abc import Callable, Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from indexer.query import Query
from indexer.search.ranking import Ranking, in_levels
from indexer.search.relevance import mean_cut
from indexer.terms import Text
from storage.records import SpaceRecord

__all__ = ["FusedRanking", "Fusion", "share_out"]

Ids = NDArray[np.int64]
Scores = NDArray[np.float32]
Fusion = Literal["rrf", "scores"]
K = 60
"""The constant of reciprocal rank fusion (Cormack, Clarke and Büttcher, SIGIR 2009)."""
DEPTH = 1000
"""Contents taken from each space where no more are wanted."""


def share_out(query: Query, spaces: Sequence[SpaceRecord]) -> list[Query]:
    """The part of the query that each space is asked, with no terms for one that has no part in it.

    Words go to the spaces that read them. Pictures go to those that compare pictures only, since they know
    likeness better than meaning; where there is none, to all.
    """
    blind = any(not space.reads_text for space in spaces)
    return [
        Query(
            tuple(
                term
                for term in query.terms
                if (
                    space.reads_text
                    if isinstance(term.what, Text)
                    else not (blind and space.reads_text)
                )
            )
        )
        for space in spaces
    ]


class FusedRanking:
    """Ranks contents by their places, or by their deviations, in several rankings.

    Scores are sums over the rankings: of 1 / (60 + place), or of deviations, each times its ranking's weight.
    """

    def __init__(self, rankings: Sequence[Ranking], weights: Sequence[float], rule: Fusion) -> None:
        self._rankings = rankings
        self._weights = np.asarray(weights, np.float64) / sum(weights)
        self._fuse: Callable[[int], tuple[Ids, Scores]] = (
            self._by_place if rule == "rrf" else self._by_deviation
        )
        self.size = sum(ranking.size for ranking in rankings)
        self.cut = mean_cut([ranking.cut for ranking in rankings], list(weights))

    def top(self, count: int) -> tuple[Ids, Scores]:
        """As `Ranking`."""
        return in_levels(count, self.size, self._top)

    def _top(self, count: int) -> tuple[Ids, Scores]:
        """Deeper lists are taken until enough contents are among them."""
        deepest = max(ranking.size for ranking in self._rankings)
        depth = min(max(DEPTH, 2 * count), deepest)
        ids, scores = self._fuse(depth)
        while len(ids) < count and depth < deepest:
            depth = min(2 * depth, deepest)
            ids, scores = self._fuse(depth)
        order = np.lexsort((ids, -scores))[:count]
        return ids[order], scores[order]

    def deviations(self, ids: Ids) -> Scores:
        """As `Ranking`: the weighted mean over the rankings that know a content."""
        found = np.array([ranking.deviations(ids) for ranking in self._rankings])
        weights = np.where(np.isfinite(found), self._weights[:, None], 0)
        with np.errstate(invalid="ignore"):
            mean = (np.nan_to_num(found) * weights).sum(axis=0) / weights.sum(axis=0)
        return np.asarray(mean, np.float32)

    def _by_place(self, depth: int) -> tuple[Ids, Scores]:
        lists = [ranking.top(depth)[0] for ranking in self._rankings]
        ids = np.unique(np.concatenate(lists))
        scores = np.zeros(len(ids))
        for found, weight in zip(lists, self._weights, strict=True):
            scores[np.searchsorted(ids, found)] += weight / (K + 1 + np.arange(len(found)))
        return ids, scores.astype(np.float32)

    def _by_deviation(self, depth: int) -> tuple[Ids, Scores]:
        ids = np.unique(np.concatenate([ranking.top(depth)[0] for ranking in self._rankings]))
        scores = self.deviations(ids)
        return ids, np.where(np.isfinite(scores), scores, -np.inf).astype(np.float32)
