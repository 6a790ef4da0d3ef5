"""Which pictures are worth comparing: near by perceptual hash, or by embedding, and not far by the other."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from indexer.pictures.perceptual import SYMMETRIES, turned
from indexer.progress import OnStep, Watch
from storage.perceptual import QUERIES, alike_by_hash, alike_by_vector

__all__ = ["candidates"]

ALLOWED = ((0.85, 25), (0.6, 18), (0.3, 13), (-1.0, 8))
"""Steps of (cosine, bits): pictures of at least such a cosine may differ in so many of the 63 bits.

Copies that are only scaled or turned differ in few bits, whatever the model makes of them (a cat on its head is
another picture to most); those cropped or rotated differ in many, and have the cosine of the same photo.
"""
MOST_BITS = ALLOWED[0][1]
BY_HASH = 13
"""Bits; more would bring pairs by chance, which the embeddings of all but a few would have to sort out."""
NEIGHBOURS = 32
MOST_COMPARED = 64
"""Of a picture's candidates; more come together where a camera took thousands of one scene."""

Hashes = NDArray[np.uint8]
Indices = NDArray[np.int64]
Vectors = NDArray[np.float32]
Distances = NDArray[np.float32]


def candidates(hashes: Hashes, vectors: Vectors, on_step: OnStep) -> dict[int, list[int]]:
    """For each picture, by row, those that may be copies of it, the likeliest first; each pair stands at both.

    `hashes` are (n, 8), `vectors` (n, dim) and L2-normalised; a row of zeros stands for a picture without one.
    A picture without any shape, whose hash is 0, has no candidates.
    """
    shaped = np.flatnonzero(hashes.any(axis=1))
    parts = list(_pairs(hashes[shaped], vectors[shaped], on_step)) if len(shaped) > 1 else []
    pairs, first = np.unique(_joined([part[0] for part in parts], np.int64), return_index=True)
    far = _joined([part[1] for part in parts], np.float32)[first]
    low, high = (shaped[rows] for rows in np.divmod(pairs, max(1, len(shaped))))
    return _nearest(np.concatenate([low, high]), np.concatenate([high, low]), np.tile(far, 2))


def _pairs(
    hashes: Hashes, vectors: Vectors, on_step: OnStep
) -> Iterator[tuple[Indices, Distances]]:
    """Pairs as low * n + high, and how far apart they are, a chunk at a time; one may come twice."""
    turns = turned(hashes)
    chunks = -(-len(hashes) // QUERIES)
    watch = Watch(on_step)
    for symmetry, queries in enumerate(turns, 1):
        step = f"looking by hash ({symmetry} of {len(turns)})"
        for rows, columns in watch.over(alike_by_hash(queries, hashes, BY_HASH), chunks, step):
            yield _likely(turns, vectors, rows, columns)
    by_vector = alike_by_vector(vectors, NEIGHBOURS, ALLOWED[1][0])
    for rows, columns in watch.over(by_vector, chunks, "looking by embedding"):
        yield _likely(turns, vectors, rows, columns)


def _likely(
    turns: Hashes, vectors: Vectors, rows: Indices, columns: Indices
) -> tuple[Indices, Distances]:
    """Those of the pairs whose bits differ no more than their cosine allows."""
    apart = rows != columns
    low, high = np.minimum(rows, columns)[apart], np.maximum(rows, columns)[apart]
    bits = np.full(len(low), 64, np.uint8)
    for symmetry in range(len(SYMMETRIES)):
        differing = np.bitwise_count(turns[symmetry][low] ^ turns[0][high])
        bits = np.minimum(bits, differing.sum(axis=1, dtype=np.uint8))
    near = bits <= MOST_BITS
    low, high, bits = low[near], high[near], bits[near]
    cosines = (vectors[low] * vectors[high]).sum(axis=1)
    steps = [cosines >= step for step, _ in ALLOWED]
    kept = bits <= np.select(steps, [most for _, most in ALLOWED], 0)
    far = (bits - MOST_BITS * cosines).astype(np.float32)
    return (low * len(vectors) + high)[kept], far[kept]


def _nearest(rows: Indices, others: Indices, far: Distances) -> dict[int, list[int]]:
    """By row, up to `MOST_COMPARED` of the others, the nearest first."""
    order = np.lexsort((far, rows))
    rows, others = rows[order], others[order]
    found, starts = np.unique(rows, return_index=True)
    return (
        {
            int(row): part[:MOST_COMPARED].tolist()
            for row, part in zip(found, np.split(others, starts[1:]), strict=True)
        }
        if len(found)
        else {}
    )


def _joined(parts: list[NDArray[np.generic]], dtype: type[np.generic]) -> NDArray[np.generic]:
    return np.concatenate([np.empty(0, dtype), *parts])
