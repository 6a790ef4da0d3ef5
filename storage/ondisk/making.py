"""Cells made over any number of rows in bounded memory: learned from a sample, filled in shards, merged on disk."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import faiss

from storage.errors import StorageError
from storage.making import FEWEST_PROBES, FEWEST_PROPOSED, Place, learn
from storage.ondisk.cells import DiskCells
from storage.ondisk.lists import merge
from storage.ondisk.shards import Shard, Workers, fill_all
from storage.rows import Rows

__all__ = ["OnDisk"]

SHARD = 250_000
"""Rows in a shard: of 128 bytes each, 34 MB in memory."""
LEARNED_BYTES = 2**28
"""Of vectors, float32, that the places of cells are learned from."""


@dataclass(frozen=True)
class OnDisk:
    """As `Maker`."""

    workers: Workers | None = None
    """Who fills shards; None fills them here."""
    is_on_disk = True

    def codes(self, dim: int) -> Iterator[str]:
        """As `Maker`: two bits for each number, or eight."""
        if dim % 4 == 0:
            yield f"PQ{dim // 4}np"  # without training for Hamming distances, which takes minutes and is not asked
        yield "SQ8"

    def make(self, rows: Rows, code: str, place: Place | None) -> DiskCells:
        """As `Maker`."""
        assert place is not None
        place.clear()
        index = learn(rows, code, LEARNED_BYTES // (4 * rows.dim))
        with TemporaryDirectory(".tmp", "shards-", place.path.parent) as folder:
            shards = list(_shards(Path(folder), place.path, len(rows)))
            _write(index, shards[0].trained)
            fill_all(shards, self.workers)
            lists = merge([Path(shard.file) for shard in shards], place)
        if int(lists.sizes.sum()) != len(rows):
            raise StorageError(
                f"{place.path.parent}: shards hold other vectors than were given out"
            )
        return DiskCells.over(index, FEWEST_PROBES, FEWEST_PROPOSED, place.path, lists)


def _shards(folder: Path, rows: Path, count: int) -> Iterator[Shard]:
    for start in range(0, count, SHARD):
        file = str(folder / f"{start}.faiss")
        stop = min(start + SHARD, count)
        yield Shard(str(rows), str(folder / "trained.faiss"), file, start, stop)


def _write(index: Any, path: str) -> None:
    with open(path, "wb") as file:
        file.write(faiss.serialize_index(index).data)
