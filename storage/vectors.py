"""FAISS: build an index over unit vectors, read it from bytes, and search it exactly under a filter.

Similarity is the inner product of L2-normalised vectors, which is their cosine.
"""

from dataclasses import dataclass, field

import faiss
import numpy as np
from numpy.typing import NDArray

from storage.errors import StorageError, UsageError

__all__ = [
    "VectorIndex",
    "build_index",
    "check_loaded",
    "deserialize",
    "exact_search",
    "ids_of",
    "serialize",
]

Ids = NDArray[np.int64]
Vectors = NDArray[np.float32]

METRIC = "cosine"
EXACT = "exact"


def build_index(ids: Ids, vectors: Vectors, dim: int) -> faiss.IndexIDMap2:
    """An exact index over vectors (n, dim), L2-normalised, known by ids (n,)."""
    index = faiss.IndexIDMap2(faiss.IndexFlatIP(dim))
    if len(ids):
        index.add_with_ids(
            np.ascontiguousarray(vectors, np.float32), np.ascontiguousarray(ids, np.int64)
        )
    return index


def serialize(index: faiss.IndexIDMap2) -> bytes:
    """The index as the bytes of a snapshot file."""
    return faiss.serialize_index(index).tobytes()


def deserialize(data: bytes) -> faiss.IndexIDMap2:
    """The index that `serialize` wrote; the caller has checked that the bytes are whole."""
    index = faiss.deserialize_index(np.frombuffer(data, np.uint8))
    assert isinstance(index, faiss.IndexIDMap2)
    return index


@dataclass(frozen=True)
class VectorIndex:
    """A snapshot, what was added since, and what left it; immutable, so that readers may share it.

    `change_seq` names the moment of the catalog that it stands for.
    """

    dim: int
    change_seq: int
    base: faiss.IndexIDMap2
    added: faiss.IndexIDMap2
    left: Ids = field(default_factory=lambda: np.empty(0, np.int64))
    """Ids in `base` that are no longer there, or that `added` has anew; sorted."""

    def __len__(self) -> int:
        return int(self.base.ntotal + self.added.ntotal - len(self.left))

    def ids(self) -> Ids:
        """Every living id, sorted."""
        kept = np.setdiff1d(ids_of(self.base), self.left, assume_unique=True)
        return np.sort(np.concatenate([kept, ids_of(self.added)]))

    def vectors(self, ids: Ids) -> Vectors:
        """The vectors of living ids, float32 (n, dim), L2-normalised."""
        in_added = np.isin(ids, ids_of(self.added))
        out = np.empty((len(ids), self.dim), np.float32)
        for index, rows in ((self.added, in_added), (self.base, ~in_added)):
            if rows.any():
                out[rows] = index.reconstruct_batch(np.ascontiguousarray(ids[rows], np.int64))
        return out

    def search(self, query: Vectors, k: int, allowed: Ids | None = None) -> tuple[Ids, Vectors]:
        """The k nearest living ids to each query (m, dim), best first, with their cosines.

        With `allowed` (sorted ids) only those answer, and never fewer than there are. A row is padded with
        the id -1 where less than k answer. Raises UsageError for vectors that are not finite.
        """
        if k < 1:
            raise UsageError(f"{k} results were asked for; the least is 1")
        if query.ndim != 2 or query.shape[1] != self.dim:
            raise UsageError(
                f"a query vector has shape {query.shape}; this space needs (n, {self.dim})"
            )
        if not np.isfinite(query).all():
            raise UsageError("a query vector is not finite")
        query = np.ascontiguousarray(query, np.float32)
        parts = [
            _search(self.base, query, k, allowed, self.left),
            _search(self.added, query, k, allowed, self.left[:0]),
        ]
        ids = np.concatenate([part[0] for part in parts], axis=1)
        scores = np.concatenate([part[1] for part in parts], axis=1)
        order = np.argsort(-scores, axis=1, kind="stable")[:, :k]
        return np.take_along_axis(ids, order, 1), np.take_along_axis(scores, order, 1)


def ids_of(index: faiss.IndexIDMap2) -> Ids:
    """The ids of an index in the order in which they were added."""
    return faiss.vector_to_array(index.id_map).astype(np.int64, copy=False)


def _search(
    index: faiss.IndexIDMap2, query: Vectors, k: int, allowed: Ids | None, left: Ids
) -> tuple[Ids, Vectors]:
    k = min(k, int(index.ntotal))
    if k == 0:
        empty = np.empty((len(query), 0))
        return empty.astype(np.int64), empty.astype(np.float32)
    selector = _selector(allowed, left)
    parameters = faiss.SearchParameters(sel=selector) if selector else None  # type: ignore[call-arg]
    scores, ids = index.search(query, k, params=parameters)
    return ids, np.where(ids < 0, -np.inf, scores).astype(np.float32)


def _selector(allowed: Ids | None, left: Ids) -> faiss.IDSelector | None:
    if allowed is not None:
        return faiss.IDSelectorBatch(np.setdiff1d(allowed, left, assume_unique=True))
    return faiss.IDSelectorNot(faiss.IDSelectorBatch(left)) if len(left) else None


def check_loaded(index: faiss.IndexIDMap2, count: int, dim: int) -> None:
    """Raise StorageError where an index is not what its record says."""
    if (index.ntotal, index.d) != (count, dim):
        raise StorageError(
            f"a snapshot holds {index.ntotal} vectors of {index.d}; its record says {count} of {dim}"
        )


def exact_search(rows: Vectors, queries: Vectors, k: int) -> tuple[Vectors, NDArray[np.int64]]:
    """Cosines and row numbers (m, k) of the k of `rows` nearest to each query, best first; all unit vectors."""
    index = faiss.IndexFlatIP(rows.shape[1])
    index.add(np.ascontiguousarray(rows, np.float32))
    scores, found = index.search(np.ascontiguousarray(queries, np.float32), k)
    return scores, found
