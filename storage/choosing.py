"""Which index a snapshot gets: none while exact search is fast enough, else cells that miss next to nothing.

How cells are asked is chosen by asking: with pictures of the library, each for its neighbours other than itself,
and with words where the space reads them, since those lie farther from pictures than pictures do.
"""

import logging
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any, NamedTuple

import faiss
import numpy as np

from storage.cells import Cells
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
FEWEST_PROBES, FEWEST_PROPOSED, MOST_PROPOSED = 4, 40, 640
SAME = np.float32(1e-6)
AT_ONCE = 16_384
"""Rows decoded at a time."""


class Choice(NamedTuple):
    """What a snapshot is searched with."""

    cells: Cells | None
    kind: str
    recall: float
    """Recall@10 against exact search, the lower of that for pictures and that for words."""


class _Questions(NamedTuple):
    """Queries with known answers."""

    vectors: Vectors
    own: Ids
    """The row that each is, which does not count as an answer; -1 for words."""
    least: Vectors
    """The cosine of each one's K-th nearest row."""


def choose(rows: Rows, words: Callable[[], Vectors]) -> Choice:
    """Cells over these rows, unless exact search is fast enough or better.

    `words` gives unit vectors (n, dim) of texts that may be asked, or none.
    """
    if len(rows) < EXACT_BELOW:
        return Choice(None, EXACT, 1.0)
    questions = _ask(rows, words().reshape(-1, rows.dim))
    for code in _codes(rows.dim):
        cells, recall = _tune(rows, _fill(_learn(rows, code), rows), questions)
        if recall >= TARGET:
            kind = f"IVF{cells.index.nlist},{code} nprobe={cells.probes} k_factor={cells.proposed // K}"
            return Choice(cells, kind, recall)
        log.info("%s reaches a recall of %.3f only", code, recall)
    log.warning("no cells are good enough for these vectors; all are looked at")
    return Choice(None, EXACT, 1.0)


def _codes(dim: int) -> Iterator[str]:
    """How vectors may be compressed, by FAISS's names: two bits for each number, or eight."""
    if dim % 2 == 0:
        yield f"PQ{dim // 2}x4fsr"
    yield "SQ8"


def _learn(rows: Rows, code: str) -> Any:
    cells = 1 << round(np.log2(np.sqrt(len(rows))))
    index: Any = faiss.index_factory(rows.dim, f"IVF{cells},{code}", faiss.METRIC_INNER_PRODUCT)
    index.cp.niter = STEPS
    index.cp.max_points_per_centroid = LEARNED_FROM
    index.train(rows.take(_sample(len(rows), cells * LEARNED_FROM)))
    return index


def _fill(index: Any, rows: Rows) -> Any:
    for _, vectors in _parts(rows):
        index.add(vectors)
    return index


def _tune(rows: Rows, index: Any, questions: _Questions) -> tuple[Cells, float]:
    """Look into more cells, or rank more of what they propose, whichever helps more, until the target is reached."""
    segment = Segment(np.arange(len(rows)), rows)

    def recall(cells: Cells) -> float:
        return _recall(replace(segment, cells=cells), questions)

    cells = Cells(index, FEWEST_PROBES, FEWEST_PROPOSED)
    reached = recall(cells)
    while reached < TARGET:
        further = [
            replace(cells, probes=2 * cells.probes),
            replace(cells, proposed=2 * cells.proposed),
        ]
        allowed = [
            each
            for each in further
            if each.probes <= index.nlist // 4 and each.proposed <= MOST_PROPOSED
        ]
        if not allowed:
            break
        tried = [(recall(each), each) for each in allowed]
        reached, cells = max(tried, key=lambda pair: pair[0])
    return cells, reached


def _recall(segment: Segment, questions: _Questions) -> float:
    """The share of the K nearest that is found; of photos just as near, one is as good as another."""
    found = []
    for query, own, least in zip(*questions, strict=True):
        ids, cosines = segment.search(query, K + 1, None)
        found.append(np.mean(cosines[ids != own][:K] >= least - SAME))
    pictures = questions.own >= 0
    kinds = (np.array(found)[kind] for kind in (pictures, ~pictures) if kind.any())
    return float(min(kind.mean() for kind in kinds))


def _ask(rows: Rows, words: Vectors) -> _Questions:
    """Questions, and their answers by looking at all rows."""
    asked = _sample(len(rows), ASKED)
    words = words[_sample(len(words), ASKED)]
    queries = np.concatenate([rows.take(asked), words])
    own = np.concatenate([asked, np.full(len(words), -1)])
    best = faiss.ResultHeap(len(queries), K + 1, keep_max=True)
    for start, vectors in _parts(rows):
        cosines, found = faiss.knn(queries, vectors, K + 1, faiss.METRIC_INNER_PRODUCT)
        best.add_result(cosines, found + start)
    best.finalize()
    others = [row[found != itself] for row, found, itself in zip(best.D, best.I, own, strict=True)]
    return _Questions(queries, own, np.array([row[K - 1] for row in others], np.float32))


def _parts(rows: Rows) -> Iterator[tuple[int, Vectors]]:
    for start in range(0, len(rows), AT_ONCE):
        yield start, rows.take(np.arange(start, min(start + AT_ONCE, len(rows))))


def _sample(count: int, size: int) -> Ids:
    """Some numbers below `count`, ascending, the same at each call."""
    chosen = np.random.default_rng(0).choice(count, min(size, count), replace=False)
    return np.sort(chosen)
