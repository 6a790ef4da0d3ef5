"""What Milvus proposes: rows that may be the nearest, which the exact vectors of the catalog then rank.

A filter stays SQL's: what it lets pass comes here as ids. Some thousands go to Milvus as they are. Of more than
that, Milvus is asked for as many more results as the filter takes away; should those still be too few, since what
passes lies far from the query, every id goes to Milvus after all, some thousands at a time.
"""

import logging
from collections.abc import Iterator

import numpy as np

from storage.chosen import Chosen
from storage.errors import StorageError
from storage.milvus.collection import EXACT, MOST, Collection, Tuned
from storage.rows import Ids, Vectors

__all__ = ["FALLBACK", "Proposals", "refuse_large"]

log = logging.getLogger(__name__)

PROPOSED = 2
"""Rows for each that is wanted, of an index that is not exact: what it ranks too low is still among them."""
LEAST = 40
SPARE = 8
"""… and beyond those of an exact one, which rounds otherwise."""
IDS = 20_000
"""So many ids are one expression, of some hundred kilobytes."""
LONGER = 1.25
"""So many times as many results as a filter should need: what passes is not spread evenly."""
FALLBACK = 200_000
"""So many vectors are read from the catalog, in about a second, where Milvus does not answer."""


class Proposals:
    """A collection, asked for rows of a segment."""

    def __init__(self, collection: Collection, ids: Ids, tuned: Tuned) -> None:
        """`ids` are the segment's, ascending; what the collection has beyond them is not proposed."""
        self._collection = collection
        self._ids = ids
        self._tuned = tuned
        self._told = False

    def propose(self, query: Vectors, k: int, chosen: Chosen) -> Ids | None:
        """As `Proposer`; None also where Milvus does not answer and the catalog can, which is told once.

        Raises StorageError where there are too many vectors for that.
        """
        wanted = k + SPARE if self._tuned.name == EXACT else max(PROPOSED * k, LEAST)
        wanted = min(wanted, chosen.count)
        if wanted >= MOST:
            return None
        try:
            return self._proposed(query, wanted, chosen)
        except StorageError as error:
            refuse_large(error, len(self._ids))
            if not self._told:
                log.warning("%s; vectors are read from the catalog", error)
                self._told = True
            return None

    def _proposed(self, query: Vectors, wanted: int, chosen: Chosen) -> Ids:
        if chosen.count <= IDS and chosen.count < chosen.size:
            return self._by_ids(query, wanted, chosen)
        for limit in _limits(wanted, chosen.share):
            ids, _ = self._collection.search(query, limit, self._tuned)
            rows = self._rows(ids)
            rows = rows[chosen.has(rows)]
            if len(rows) >= wanted or (chosen.count == chosen.size and len(ids) < limit):
                return rows[:wanted]
        return self._by_ids(query, wanted, chosen)

    def _by_ids(self, query: Vectors, wanted: int, chosen: Chosen) -> Ids:
        ids, scores = np.empty(0, np.int64), np.empty(0, np.float32)
        for expression in self._expressions(chosen):
            found = self._collection.search(query, wanted, self._tuned, expression)
            ids = np.concatenate([ids, found[0]])
            scores = np.concatenate([scores, found[1]])
        return self._rows(ids[np.argsort(-scores, kind="stable")[:wanted]])

    def _expressions(self, chosen: Chosen) -> Iterator[str]:
        ids = self._ids[chosen.rows]
        for start in range(0, len(ids), IDS):
            yield f"id in [{','.join(map(str, ids[start : start + IDS].tolist()))}]"

    def _rows(self, ids: Ids) -> Ids:
        rows = np.minimum(np.searchsorted(self._ids, ids), len(self._ids) - 1)
        known: Ids = rows[self._ids[rows] == ids]
        return known


def _limits(wanted: int, share: float) -> Iterator[int]:
    """How many results are asked for, so that `wanted` of them are of that share of all."""
    limit = wanted if share == 1 else round(LONGER * wanted / share)
    while limit < MOST:
        yield limit
        limit *= 4
    yield MOST - 1


def refuse_large(reason: StorageError, count: int) -> None:
    """Raise where so many vectors would have to be read from the catalog for each question."""
    if count > FALLBACK:
        raise StorageError(
            f"{reason}. {count} vectors are too many to be searched without it; {FALLBACK} would not be"
        ) from reason
