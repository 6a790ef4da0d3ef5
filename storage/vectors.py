"""A space's vectors in segments, searched as one.

Similarity is the inner product of L2-normalised vectors, which is their cosine.
"""

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from functools import cached_property

import faiss
import numpy as np
from numpy.typing import NDArray

from storage.errors import UsageError
from storage.ondisk.cells import DiskCells
from storage.records import VECTOR_DTYPE
from storage.rows import Halves, Ids, Rows, Vectors
from storage.segments import Allowed, Segment

__all__ = ["Allowed", "Ids", "VectorIndex", "Vectors", "exact_search", "in_memory"]

FEW = 1000
"""Vectors that one thread decodes sooner than two agree on it."""


@dataclass(frozen=True, eq=False)
class VectorIndex:
    """Snapshots and what came after them, without what left; immutable, so that readers may share it.

    `change_seq` names the moment of the catalog that it stands for.
    """

    dim: int
    change_seq: int
    segments: tuple[Segment, ...]
    """No id lives in two of them."""

    def __len__(self) -> int:
        return sum(map(len, self.segments))

    @cached_property
    def _ids(self) -> Ids:
        living = [segment.living_ids for segment in self.segments if len(segment)]
        if len(living) == 1:
            return living[0]
        return np.sort(
            np.concatenate([np.empty(0, np.int64), *living]), kind="stable"
        )  # sorted runs

    def ids(self) -> Ids:
        """Every living id, sorted; not to be written to."""
        return self._ids

    def has(self, ids: Ids) -> NDArray[np.bool_]:
        """Which of these ids live."""
        found = [segment.find(ids) >= 0 for segment in self.segments]
        return np.logical_or.reduce(found, axis=0) if found else np.zeros(len(ids), np.bool_)

    def check(self) -> None:
        """Read every snapshot whole; where one is not what was written, the catalog's vectors take its place.

        Not those whose cells lie on disk: they may be more than memory holds, and are checked as they are read.
        """
        for segment in self.segments:
            if not isinstance(segment.cells, DiskCells):
                segment.rows.check()

    def vectors(self, ids: Ids) -> Vectors:
        """The vectors of living ids, float32 (n, dim), L2-normalised."""
        out = np.empty((len(ids), self.dim), np.float32)
        with _one_thread() if len(ids) <= FEW else nullcontext():
            for segment in self.segments:
                rows = segment.find(ids)
                there = rows >= 0
                if there.all():
                    return segment.rows.take(rows)
                if there.any():
                    out[there] = segment.rows.take(rows[there])
        return out

    def search(self, query: Vectors, k: int, allowed: Allowed | None = None) -> tuple[Ids, Vectors]:
        """The k nearest living ids to a unit vector (dim,), best first, with their cosines.

        With `allowed` only those answer. All answer where there are fewer than k. Raises UsageError for a vector
        that is not finite.
        """
        if k < 1:
            raise UsageError(f"{k} results were asked for; the least is 1")
        if query.shape != (self.dim,):
            raise UsageError(
                f"a query vector has shape {query.shape}; this space needs ({self.dim},)"
            )
        if not np.isfinite(query).all():
            raise UsageError("a query vector is not finite")
        query = np.ascontiguousarray(query, np.float32)
        with _one_thread():
            parts = [segment.search(query, k, allowed) for segment in self.segments if len(segment)]
        ids = np.concatenate([np.empty(0, np.int64), *(part[0] for part in parts)])
        scores = np.concatenate([np.empty(0, np.float32), *(part[1] for part in parts)])
        best = np.argsort(-scores, kind="stable")[:k]
        return ids[best], scores[best]


@contextmanager
def _one_thread() -> Iterator[None]:
    """FAISS in the calling thread alone: one query is too little to share out, and others want the other cores."""
    before = faiss.omp_get_max_threads()
    faiss.omp_set_num_threads(1)  # of this thread's own work
    try:
        yield
    finally:
        faiss.omp_set_num_threads(before)


def in_memory(ids: Ids, vectors: Vectors | Halves, change_seq: int = 0) -> VectorIndex:
    """An exact index over unit vectors (n, dim), known by ascending ids (n,)."""
    rows = Rows.of(vectors.astype(VECTOR_DTYPE))
    return VectorIndex(vectors.shape[1], change_seq, (Segment(ids.astype(np.int64), rows),))


def exact_search(rows: Vectors, queries: Vectors, k: int) -> tuple[Vectors, NDArray[np.int64]]:
    """Cosines and row numbers (m, k) of the k of `rows` nearest to each query, best first; all unit vectors."""
    index = faiss.IndexFlatIP(rows.shape[1])
    index.add(np.ascontiguousarray(rows, np.float32))
    scores, found = index.search(np.ascontiguousarray(queries, np.float32), k)
    return scores, found
