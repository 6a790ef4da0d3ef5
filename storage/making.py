"""Cells made over rows: learned from a sample, and every row sorted into one; in memory, or elsewhere."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Protocol

import faiss
import numpy as np

from storage.cells import Cells
from storage.rows import Ids, Rows

__all__ = [
    "FEWEST_PROBES",
    "FEWEST_PROPOSED",
    "IN_MEMORY",
    "ON_DISK",
    "InMemory",
    "Maker",
    "Place",
    "learn",
    "parts_of",
    "sample",
]

ON_DISK = " on disk"
LEARNED_FROM = 48
"""Vectors for each cell that its place is learned from."""
STEPS = 8
"""Of k-means: more move cells and codes no more than a query notices."""
FEWEST_PROBES, FEWEST_PROPOSED = 4, 40
AT_ONCE = 16_384
"""Rows decoded at a time."""


@dataclass(frozen=True)
class Place:
    """A file that is being written: its vectors are in it, and lists may follow from `start` on."""

    path: Path
    file: BinaryIO
    start: int

    def clear(self) -> None:
        """Take away what was written there."""
        self.file.seek(self.start)
        self.file.truncate()


class Maker(Protocol):
    """Makes cells in one of the places where they may lie."""

    @property
    def is_on_disk(self) -> bool:
        """Which, as opposed to memory, then stands in the kind of a snapshot."""

    def codes(self, dim: int) -> Iterator[str]:
        """How vectors may be compressed, by FAISS's names, the best first."""

    def make(self, rows: Rows, code: str, place: Place | None) -> Cells:
        """Cells with every row in one of them, asked as little as is worth trying. Raises OSError."""


class InMemory:
    """As `Maker`."""

    is_on_disk = False

    def codes(self, dim: int) -> Iterator[str]:
        """As `Maker`: two bits for each number, or eight."""
        if dim % 2 == 0:
            yield f"PQ{dim // 2}x4fsr"
        yield "SQ8"

    def make(self, rows: Rows, code: str, place: Place | None) -> Cells:
        """As `Maker`."""
        index = learn(rows, code)
        for part in parts_of(np.arange(len(rows))):
            index.add(rows.take(part))
        return Cells(index, FEWEST_PROBES, FEWEST_PROPOSED)


IN_MEMORY = InMemory()


def learn(rows: Rows, code: str, most: int | None = None) -> Any:
    """An empty FAISS index, trained on a sample of `most` rows at most; as many cells as the square root of all."""
    cells = 1 << round(np.log2(np.sqrt(len(rows))))
    index: Any = faiss.index_factory(rows.dim, f"IVF{cells},{code}", faiss.METRIC_INNER_PRODUCT)
    index.cp.niter = STEPS
    index.cp.max_points_per_centroid = LEARNED_FROM
    if isinstance(index, faiss.IndexIVFPQ):
        index.pq.cp.niter = STEPS
    size = cells * LEARNED_FROM
    index.train(rows.take(sample(len(rows), size if most is None else min(size, most))))
    return index


def parts_of(rows: Ids) -> Iterator[Ids]:
    """These rows, some thousands at a time."""
    for start in range(0, len(rows), AT_ONCE):
        yield rows[start : start + AT_ONCE]


def sample(count: int, size: int) -> Ids:
    """Some numbers below `count`, ascending, the same at each call."""
    chosen = np.random.default_rng(0).choice(count, min(size, count), replace=False)
    return np.sort(chosen)
