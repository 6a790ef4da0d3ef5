"""One query asked of one space: photos' contents from best to worst."""

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

__all__ = ["Marks", "Ranking", "SpaceRanking", "direct"]

Ids = NDArray[np.int64]
Scores = NDArray[np.float32]


class Ranking(Protocol):
    """Contents from best to worst."""

    size: int
    """More contents than this cannot answer."""
    cut: Cut
    """Where relevance ends."""

    def top(self, count: int) -> tuple[Ids, Scores]:
        """The `count` best, or all where there are fewer, with their scores."""

    def deviations(self, ids: Ids) -> Scores:
        """How far above the background these contents score; not a number where nothing is known of it."""


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
        return self._index.search(self._direction.vector, max(count, 1), self._allowed)

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
