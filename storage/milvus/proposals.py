"""What Milvus proposes: rows that may be the nearest, which the exact vectors of the catalog then rank.

A filter stays SQL's: what it lets pass comes here as ids. Some thousands go to Milvus as they are. Of more than
that, Milvus is asked for as many more results as the filter takes away; should those still be too few, since what
passes lies far from the query, every id goes to Milvus after all, some thousands at a time.
"""

import logging
import time
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
ALL = 65_536
"""More cells than Milvus makes."""
SILENT_S = 30.0
"""A Milvus that did not answer is not asked again for so long: to wait for it costs more than to do without."""
FALLBACK = 200_000
"""So many vectors are read from the catalog, in about a second, where Milvus does not answer."""


class Proposals:
    """A collection, asked for rows of a segment."""

    def __init__(self, collection: Collection, ids: Ids, tuned: Tuned) -> None:
        """`ids` are the segment's, ascending; what the collection has beyond them is not proposed."""
        self._collection = collection
        self._ids = ids
        self._tuned = tuned
        self._silent_until = 0.0

    @property
    def name(self) -> str:
        """The collection's."""
        return self._collection.name

    def propose(self, query: Vectors, k: int, chosen: Chosen) -> Ids | None:
        """As `Proposer`; None also where Milvus does not answer and the catalog can, which is told.

        Raises StorageError where there are too many vectors for that.
        """
        wanted = k + SPARE if self._tuned.name == EXACT else max(PROPOSED * k, LEAST)
        wanted = min(wanted, chosen.count)
        if wanted >= MOST or time.monotonic() < self._silent_until:
            return None
        try:
            return self._proposed(query, wanted, chosen)
        except StorageError as error:
            refuse_large(error, len(self._ids))
            log.warning("%s; vectors are read from the catalog", error)
            self._silent_until = time.monotonic() + SILENT_S
            return None

    def _proposed(self, query: Vectors, wanted: int, chosen: Chosen) -> Ids:
        if chosen.count <= IDS and chosen.count < chosen.size:
            return self._by_ids(query, wanted, chosen)
        for limit in _limits(wanted, chosen.share):
            rows = self._rows(self._ask(query, limit, len(self._ids))[0])
            rows = rows[chosen.has(rows)]
            if len(rows) >= wanted:
                return rows[:wanted]
        return self._by_ids(query, wanted, chosen)

    def _by_ids(self, query: Vectors, wanted: int, chosen: Chosen) -> Ids:
        ids, scores = np.empty(0, np.int64), np.empty(0, np.float32)
        for count, expression in self._expressions(chosen):
            found = self._ask(query, wanted, count, expression)
            ids = np.concatenate([ids, found[0]])
            scores = np.concatenate([scores, found[1]])
        return self._rows(ids[np.argsort(-scores, kind="stable")[:wanted]])

    def _expressions(self, chosen: Chosen) -> Iterator[tuple[int, str]]:
        """Each with how many ids it has."""
        ids = self._ids[chosen.rows]
        for start in range(0, len(ids), IDS):
            part = ids[start : start + IDS].tolist()
            yield len(part), f"id in [{','.join(map(str, part))}]"

    def _ask(self, query: Vectors, limit: int, of: int, among: str = "") -> tuple[Ids, Vectors]:
        """Up to `limit` `of` so many: where an inverted file's cells hold fewer, more of them are looked at."""
        tuned = self._tuned
        while True:
            found = self._collection.search(query, limit, tuned, among)
            if len(found[0]) >= min(limit, of) or not tuned.width or tuned.width >= ALL:
                return found
            tuned = tuned._replace(width=min(8 * tuned.width, ALL))

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
