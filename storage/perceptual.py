"""Perceptual hashes of contents, and what looks like what by them and by vectors."""

from collections.abc import Iterator, Mapping, Sequence

import faiss
import numpy as np
from numpy.typing import NDArray
from sqlalchemy import bindparam, func, select, update

from storage.batch import Batch
from storage.tables import contents
from storage.vectors import Vectors
from storage.view import View, chunked

__all__ = [
    "BYTES",
    "alike_by_hash",
    "alike_by_vector",
    "all_hashes",
    "drop_hashes",
    "odd_hashes",
    "put_hashes",
]

BYTES = 8
QUERIES = 1024
"""Asked at once; between two such chunks a caller can tell how far it is, and be interrupted."""
EXACT_BELOW = 20_000
"""Fewer vectors are compared with each other one by one; more through an inverted file."""
PROBES = 16
"""Of some thousand cells: vectors as near as a copy's lie in the nearest few."""

Indices = NDArray[np.int64]
Hashes = NDArray[np.uint8]
Pairs = tuple[Indices, Indices]


def all_hashes(view: View) -> dict[int, bytes | None]:
    """The perceptual hash of each content that a photo has; None where it is not computed."""
    query = select(contents.c.id, contents.c.phash).where(contents.c.orphaned_at.is_(None))
    return {row.id: row.phash for row in view.connection.execute(query)}


def put_hashes(batch: Batch, hashes: Mapping[int, bytes]) -> None:
    """Record perceptual hashes by content."""
    if hashes:
        row = update(contents).where(contents.c.id == bindparam("content"))
        rows = [{"content": id, "phash": phash} for id, phash in hashes.items()]
        batch.connection.execute(row, rows)


def odd_hashes(view: View) -> list[int]:
    """Contents whose hash is none, by its length."""
    query = select(contents.c.id).where(func.length(contents.c.phash) != BYTES)
    return list(view.connection.scalars(query))


def drop_hashes(batch: Batch, content_ids: Sequence[int]) -> None:
    """Forget hashes, which are then computed again."""
    for ids in chunked(content_ids):
        batch.connection.execute(update(contents).where(contents.c.id.in_(ids)).values(phash=None))


def alike_by_hash(queries: Hashes, hashes: Hashes, radius: int) -> Iterator[Pairs]:
    """Pairs (query, hash) of at most `radius` differing bits, by row; every one, a chunk of queries at a time."""
    index = faiss.IndexBinaryFlat(8 * BYTES)
    index.add(np.ascontiguousarray(hashes))
    for start in range(0, len(queries), QUERIES):
        chunk = np.ascontiguousarray(queries[start : start + QUERIES])
        # FAISS leaves out what lies at the radius itself.
        limits, _, found = index.range_search(chunk, radius + 1)
        counts = limits[1:].astype(np.int64) - limits[:-1].astype(np.int64)
        yield start + np.repeat(np.arange(len(chunk)), counts), found


def alike_by_vector(vectors: Vectors, k: int, least: float) -> Iterator[Pairs]:
    """Pairs of rows of a cosine of at least `least` among the k nearest of each, a chunk at a time.

    Vectors are (n, dim), L2-normalised. Above `EXACT_BELOW` rows a few pairs may be missed.
    """
    index = _index(vectors)
    for start in range(0, len(vectors), QUERIES):
        chunk = np.ascontiguousarray(vectors[start : start + QUERIES])
        cosines, found = index.search(chunk, min(k + 1, len(vectors)))
        rows, columns = np.nonzero((cosines >= least) & (found >= 0))
        yield start + rows, found[rows, columns]


def _index(vectors: Vectors) -> faiss.Index:
    dim = vectors.shape[1]
    vectors = np.ascontiguousarray(vectors)
    flat = faiss.IndexFlatIP(dim)
    if len(vectors) < EXACT_BELOW:
        flat.add(vectors)
        return flat
    cells = int(4 * np.sqrt(len(vectors)))
    index = faiss.IndexIVFFlat(flat, dim, cells, faiss.METRIC_INNER_PRODUCT)
    index.cp.max_points_per_centroid = 40
    index.train(vectors)
    index.add(vectors)
    index.nprobe = PROBES
    return index
