"""Which index a collection gets, and how it is asked: as FAISS's cells are tuned, by asking."""

import logging
import math
from collections.abc import Callable

import numpy as np

from storage import choosing
from storage.milvus.address import Address
from storage.milvus.catalog_rows import CatalogRows
from storage.milvus.collection import EXACT, Collection, Tuned
from storage.milvus.proposals import Proposals
from storage.rows import Ids, Vectors
from storage.segments import Segment

__all__ = ["cells_for", "index_for", "tune"]

log = logging.getLogger(__name__)

USUAL = "HNSW"
NARROW, WIDEST = 16, 4096
"""How much of an index is looked at, at first and at most; twice as much each time."""


def index_for(address: Address, count: int) -> str:
    """The index for so many vectors; what builds one within this process, as Milvus Lite does, had better not."""
    if address.index != "auto":
        return address.index
    return EXACT if address.file or count < choosing.EXACT_BELOW else USUAL


def cells_for(count: int) -> int:
    """Cells of an inverted file over so many vectors."""
    return 1 << round(math.log2(max(1, count) ** 0.5))


def tune(
    rows: CatalogRows,
    collection: Collection,
    ids: Ids,
    index: str,
    words: Callable[[], Vectors],
) -> tuple[Tuned, float]:
    """How the collection is asked so that it misses next to nothing, and its recall@10, the lowest of all questions'.

    `words` gives unit vectors (n, dim) of texts that may be asked, or none.
    """
    width = 0 if index == EXACT else NARROW
    if index == EXACT or rows.are_few(len(rows)):
        return Tuned(index, width), 1.0
    questions = list(choosing.ask(rows, words().reshape(-1, rows.dim)))
    while True:
        tuned = Tuned(index, width)
        # Over row numbers, as the questions are.
        segment = Segment(np.arange(len(rows)), rows, Proposals(collection, ids, tuned))
        recall = min(choosing.recall_of(segment, kind) for kind in questions)
        if recall >= choosing.TARGET or width >= WIDEST:
            break
        width *= 2
    if recall < choosing.TARGET:
        log.warning("%s of Milvus reaches a recall of %.3f only", index, recall)
    return tuned, recall
