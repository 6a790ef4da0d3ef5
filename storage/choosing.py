"""Which index a snapshot gets: none while exact search is fast enough, else cells that miss next to nothing.

How cells are asked is chosen by asking: with pictures of the library, each for its neighbours other than itself; with
the same among a tenth of all, and among the half that came last, as filters may leave them; and with words where the
space reads them. All but the first have answers farther away, and of those many are nearly as far as one another.
"""

import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import NamedTuple

import faiss
import numpy as np

from storage.cells import Cells
from storage.making import IN_MEMORY, ON_DISK, Maker, Place, parts_of, sample
from storage.rows import Ids, Rows, Vectors
from storage.segments import Allowed, Segment

__all__ = ["EXACT", "EXACT_BELOW", "TARGET", "Choice", "Questions", "ask", "choose", "recall_of"]

log = logging.getLogger(__name__)

EXACT = "exact"
EXACT_BELOW = 50_000
"""Fewer vectors are all looked at; docs/speed.md has what was measured."""
TARGET = 0.99
"""Recall@10 that cells must reach; above what is promised, since it is measured on a sample."""
K = 10
ASKED = 256
"""Pictures of the library that ask, and words at most."""
MOST_PROPOSED = 640
FURTHER = 1.5
SAME = np.float32(1e-6)


class Choice(NamedTuple):
    """What a snapshot is searched with."""

    cells: Cells | None
    kind: str
    recall: float
    """Recall@10 against exact search, the lowest of those for pictures, filtered pictures, and words."""


class Questions(NamedTuple):
    """Queries of one kind, with known answers."""

    vectors: Vectors
    own: Ids
    """The row that each is, which does not count as an answer; -1 for words."""
    allowed: Allowed | None
    least: Vectors
    """The cosine of each one's K-th nearest row."""


def choose(
    rows: Rows,
    words: Callable[[], Vectors],
    maker: Maker = IN_MEMORY,
    place: Place | None = None,
) -> Choice:
    """Cells over these rows, unless exact search is fast enough or better.

    `words` gives unit vectors (n, dim) of texts that may be asked, or none. Cells that lie on disk go to `place`.
    """
    if len(rows) < EXACT_BELOW:
        return Choice(None, EXACT, 1.0)
    questions = list(ask(rows, words().reshape(-1, rows.dim)))
    for code in maker.codes(rows.dim):
        cells, recall = _tune(rows, maker.make(rows, code, place), questions)
        if recall >= TARGET:
            how = f"nprobe={cells.probes} k_factor={cells.proposed // K}"
            return Choice(
                cells, f"IVF{cells.index.nlist},{code}{ON_DISK * maker.is_on_disk} {how}", recall
            )
        log.info("%s reaches a recall of %.3f only", code, recall)
    if place is not None:
        place.clear()
    log.warning("no cells are good enough for these vectors; all are looked at")
    return Choice(None, EXACT, 1.0)


def _tune(rows: Rows, cells: Cells, questions: Sequence[Questions]) -> tuple[Cells, float]:
    """Look into more cells, or rank more of what they propose, whichever helps more, until the target is reached."""
    segment = Segment(np.arange(len(rows)), rows)

    def recall(cells: Cells) -> float:
        return min(recall_of(replace(segment, cells=cells), kind) for kind in questions)

    reached = recall(cells)
    while reached < TARGET:
        further = [
            replace(cells, probes=round(FURTHER * cells.probes)),
            replace(cells, proposed=round(FURTHER * cells.proposed)),
        ]
        allowed = [
            each
            for each in further
            if each.probes <= cells.index.nlist // 4 and each.proposed <= MOST_PROPOSED
        ]
        if not allowed:
            break
        tried = [(recall(each), each) for each in allowed]
        reached, cells = max(tried, key=lambda pair: pair[0])
    return cells, reached


def recall_of(segment: Segment, questions: Questions) -> float:
    """The share of the K nearest that is found; of photos just as near, one is as good as another."""
    found = []
    for query, own, least in zip(questions.vectors, questions.own, questions.least, strict=True):
        ids, cosines = segment.search(query, K + 1, questions.allowed)
        found.append(np.mean(cosines[ids != own][:K] >= least - SAME))
    return float(np.mean(found))


def ask(rows: Rows, words: Vectors) -> Iterator[Questions]:
    """Questions of each kind, and their answers by looking at all rows."""
    asked, everything = sample(len(rows), ASKED), np.arange(len(rows))
    pictures = rows.take(asked)
    tenth, half = everything[::10], everything[len(rows) // 2 :]
    for allowed in (everything, tenth, half):
        least = _tenth(rows, allowed, pictures, asked)
        among = None if allowed is everything else Allowed(allowed)
        yield Questions(pictures, asked, among, least)
    if len(words):
        words = words[sample(len(words), ASKED)]
        nobody = np.full(len(words), -1)
        yield Questions(words, nobody, None, _tenth(rows, everything, words, nobody))


def _tenth(rows: Rows, allowed: Ids, queries: Vectors, own: Ids) -> Vectors:
    """The cosine (m,) of each query's K-th nearest among the allowed rows, other than its own."""
    best = faiss.ResultHeap(len(queries), K + 1, keep_max=True)
    for part in parts_of(allowed):
        cosines, found = faiss.knn(queries, rows.take(part), K + 1, faiss.METRIC_INNER_PRODUCT)
        best.add_result(cosines, part[found])
    best.finalize()
    others = [row[found != itself] for row, found, itself in zip(best.D, best.I, own, strict=True)]
    return np.array([row[K - 1] for row in others], np.float32)
