"""One query asked of one space: photos' contents from best to worst."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from indexer.errors import QueryError
from indexer.query import Query
from indexer.search.background import Background
from indexer.search.direction import Direction, combine, join
from indexer.search.embedding import TermEmbedder
from indexer.search.feedback import learn_part
from indexer.search.relevance import Cut, cut_of
from storage.vectors import Allowed, VectorIndex

__all__ = ["Marks", "Ranking", "SpaceRanking", "direct", "in_levels"]

Ids = NDArray[np.int64]
Scores = NDArray[np.float32]
LEVEL, GROWTH = 256, 4
"""How many are searched for at first, and how many times more each time that those are too few."""


class Ranking(Protocol):
    """Contents from best to worst."""

    size: int
    """More contents than this cannot answer."""
    cut: Cut
    """Where relevance ends."""

    def top(self, count: int) -> tuple[Ids, Scores]:
        """The `count` best, or all where there are fewer, with their scores; more begin with the same ones."""

    def deviations(self, ids: Ids) -> Scores:
        """How far above the background these contents score; not a number where nothing is known of it."""


def in_levels(
    count: int, size: int, search: Callable[[int], tuple[Ids, Scores]]
) -> tuple[Ids, Scores]:
    """The `count` best of `size` contents, such that more of them begin with the same ones.

    A search for more ranks otherwise what is last in a search for fewer: cells propose other rows, and what is nearly
    equal is rounded otherwise. Pages cut from two of them would show a photo twice, and another never. So searches
    are of a few fixed depths, and each adds what those before it did not find.
    """
    depth = LEVEL
    ids, scores = search(depth)
    while len(ids) < count and depth < size:
        depth *= GROWTH
        deeper, theirs = search(depth)
        new = ~np.isin(deeper, ids)
        ids = np.concatenate([ids, deeper[new]])
        scores = np.concatenate([scores, theirs[new]])
    return ids[:count], scores[:count]


class SpaceRanking:
    """Ranks the contents of one space by a direction."""

    def __init__(
        self,
        index: VectorIndex,
        direction: Direction,
        background: Background,
        allowed: Allowed | None,
    ) -> None:
        self._index = index
        self._direction = direction
        self._background = background
        self._allowed = allowed
        self.size = len(index) if allowed is None else min(len(index), len(allowed))
        self.cut = cut_of(direction)

    def top(self, count: int) -> tuple[Ids, Scores]:
        """As `Ranking`; scores are cosines."""
        vector, allowed = self._direction.vector, self._allowed
        return in_levels(count, self.size, lambda k: self._index.search(vector, k, allowed))

    def deviations(self, ids: Ids) -> Scores:
        """As `Ranking`; also not a number for contents without a vector here."""
        found = np.full(len(ids), np.nan, np.float32)
        known = self._index.has(ids)
        if known.any():
            vectors = self._index.vectors(ids[known])
            found[known] = self._direction.deviations(vectors, self._background)
        return found


@dataclass(frozen=True, slots=True)
class Marks:
    """Photos that the user marked as right or wrong, by their ids."""

    more: tuple[int, ...] = ()
    less: tuple[int, ...] = ()


def direct(query: Query, marks: Marks, embedder: TermEmbedder, background: Background) -> Direction:
    """Where a query with its marks points. Raises QueryError, NoTextError or PictureError."""
    if not query.terms and not marks.more:
        raise QueryError('there is nothing in the query; try: glimpse search "a dog on a beach"')
    parts = [embedder.embed(term) for term in query.terms]
    if not (marks.more or marks.less):
        return combine(parts, background, str(query))
    right, wrong = embedder.photos(marks.more), embedder.photos(marks.less)
    learned = learn_part(right, wrong, background.photos)
    if not parts:
        return combine([learned], background, str(query))
    return join(combine(parts, background, str(query)), learned, background)
