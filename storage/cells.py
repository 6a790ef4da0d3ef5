"""Which index a snapshot gets: none while exact search is fast enough, else cells that miss next to nothing.

How many cells a query looks into is chosen by asking: with pictures of the library, each for its neighbours
other than itself, and with words where the space reads them, since those lie farther from pictures than pictures do.
"""

import logging
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import faiss
import numpy as np

from storage.rows import Ids, Rows, Vectors
from storage.segments import Segment

__all__ = ["EXACT", "EXACT_BELOW", "Choice", "choose"]

log = logging.getLogger(__name__)

EXACT = "exact"
EXACT_BELOW = 50_000
"""Fewer vectors are all looked at; docs/speed.md has what was measured."""
TARGET = 0.985
"""Recall@10 that cells must reach; above what is promised, since it is measured on a sample."""
K = 10
ASKED = 256
"""Pictures of the library that ask, and words at most."""
LEARNED_FROM = 48
"""Vectors for each cell that its place is learned from."""
STEPS = 8
"""Of k-means: more move the cells no more than a query notices."""
SAME = np.float32(1e-6)
AT_ONCE = 16_384
"""Rows decoded at a time."""


class Choice(NamedTuple):
    """What a snapshot is searched with."""

    cells: Any
    """A trained FAISS index over the row numbers, or None."""
    kind: str
    recall: float
    """Recall@10 against exact search, the lower of that for pictures and that for words."""


def choose(rows: Rows, words: Callable[[], Vectors]) -> Choice:
    """Cells over these rows, unless exact search is fast enough or better.

    `words` gives unit vectors (n, dim) of texts that may be asked, or none.
    """
    if len(rows) < EXACT_BELOW:
        return Choice(None, EXACT, 1.0)
    segment = Segment(np.arange(len(rows)), rows, _fill(_learn(rows), rows))
    recall = _tune(segment, words().reshape(-1, rows.dim))
    if recall < TARGET:
        log.warning("cells reach a recall of %.3f only; every vector is looked at", recall)
        return Choice(None, EXACT, 1.0)
    cells = segment.cells
    kind = f"IVF{cells.nlist},PQ{cells.pq.M}x4 ({cells.nprobe} cells a query)"
    return Choice(cells, kind, recall)


def _learn(rows: Rows) -> Any:
    count, dim = len(rows), rows.dim
    cells = 1 << round(np.log2(np.sqrt(count)))
    codes = next(size for size in range(max(dim // 4, 1), 0, -1) if dim % size == 0)
    index: Any = faiss.index_factory(dim, f"IVF{cells},PQ{codes}x4fs", faiss.METRIC_INNER_PRODUCT)
    index.cp.niter = STEPS
    index.cp.max_points_per_centroid = LEARNED_FROM
    index.train(rows.take(_sample(count, cells * LEARNED_FROM)))
    return index


def _fill(index: Any, rows: Rows) -> Any:
    for _, vectors in _parts(rows):
        index.add(vectors)
    return index


def _tune(segment: Segment, words: Vectors) -> float:
    """Let a query look into twice as many cells until the target is reached; the recall."""
    asked = _sample(len(segment), ASKED)
    words = words[_sample(len(words), ASKED)]
    queries = np.concatenate([segment.rows.take(asked), words])
    own = np.concatenate([asked, np.full(len(words), -1)])
    least = _tenth(segment.rows, queries, own)
    recall, cells = 0.0, segment.cells
    cells.nprobe = 2
    while recall < TARGET and cells.nprobe < cells.nlist // 4:
        cells.nprobe *= 2
        found = np.array([_found(segment, *each) for each in zip(queries, own, least, strict=True)])
        recall = min(
            part.mean() for part in (found[: len(asked)], found[len(asked) :]) if len(part)
        )
    return float(recall)


def _found(segment: Segment, query: Vectors, own: int, least: float) -> float:
    """The share of the K nearest that is found; of photos just as near, one is as good as another."""
    found, cosines = segment.search(query, K + 1, None)
    return float(np.mean(cosines[found != own][:K] >= least - SAME))


def _tenth(rows: Rows, queries: Vectors, own: Ids) -> Vectors:
    """The cosine (m,) of each query's K-th nearest row, other than its own, by looking at all."""
    best = faiss.ResultHeap(len(queries), K + 1, keep_max=True)
    for start, vectors in _parts(rows):
        cosines, found = faiss.knn(queries, vectors, K + 1, faiss.METRIC_INNER_PRODUCT)
        best.add_result(cosines, found + start)
    best.finalize()
    others = [row[found != itself] for row, found, itself in zip(best.D, best.I, own, strict=True)]
    return np.array([row[K - 1] for row in others], np.float32)


def _parts(rows: Rows) -> Iterator[tuple[int, Vectors]]:
    for start in range(0, len(rows), AT_ONCE):
        yield start, rows.take(np.arange(start, min(start + AT_ONCE, len(rows))))


def _sample(count: int, size: int) -> Ids:
    """Some numbers below `count`, ascending, the same at each call."""
    chosen = np.random.default_rng(0).choice(count, min(size, count), replace=False)
    return np.sort(chosen)
