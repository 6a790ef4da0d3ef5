"""Exact vectors by row number, read from the catalog as they are asked for: none of them stays in memory."""

from collections.abc import Iterator

import numpy as np
from sqlalchemy import Engine

from storage import embedded
from storage.chosen import Chosen
from storage.records import SpaceRecord
from storage.rows import Halves, Ids, Rows, Vectors, unit

__all__ = ["CatalogRows"]

FEW = 2000
"""So many vectors are read sooner than Milvus answers and what it proposes is read."""
AT_ONCE = 8192
"""Rows read at a time where all are looked at."""


class CatalogRows(Rows):
    """Unit vectors (n, dim) of these contents, by their place; zeros for what has gone from the catalog."""

    def __init__(self, engine: Engine, space: SpaceRecord, ids: Ids) -> None:
        self._engine = engine
        self._space = space
        self._ids = ids

    def __len__(self) -> int:
        return len(self._ids)

    @property
    def dim(self) -> int:
        """As `Rows`."""
        return self._space.dim

    def are_few(self, count: int) -> bool:
        """As `Rows`."""
        return count <= FEW

    def halves(self, rows: Ids) -> Halves:
        """As `Rows`."""
        return embedded.some(self._engine, self._space, self._ids[rows])

    def nearest(self, query: Vectors, k: int, chosen: Chosen | None = None) -> Ids:
        """As `Rows`; memory stays bounded, and a million vectors take seconds."""
        best, scores = np.empty(0, np.int64), np.empty(0, np.float32)
        for part in self._parts(chosen):
            best = np.concatenate([best, part])
            scores = np.concatenate([scores, self.cosines(query, part)])
            order = np.argsort(-scores, kind="stable")[:k]
            best, scores = best[order], scores[order]
        return best

    def _parts(self, chosen: Chosen | None) -> Iterator[Ids]:
        rows = np.arange(len(self)) if chosen is None else chosen.rows
        for start in range(0, len(rows), AT_ONCE):
            yield rows[start : start + AT_ONCE]

    def _decoded(self, rows: Ids) -> Vectors:
        return unit(self.halves(rows).astype(np.float32))
