"""The layout of clip-retrieval's `inference`, of pictures in folders and of img2dataset's shards."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from indexer.errors import GlimpseError, UsageError
from indexer.exchange.arriving import Arriving, Chunk, Whereabouts, content_of
from indexer.exchange.manifest import Origin
from indexer.exchange.shards import numbered
from indexer.exchange.tables import batches, opened

__all__ = ["ClipRetrievalSource", "is_clip_retrieval"]

VECTORS = (r"img_emb_(\d+)\.npy", "img_emb")
METADATA = (r"metadata_(\d+)\.parquet", "metadata")
PATHS = ("path_bytes", "image_path", "url", "key")
"""What names a picture, the best name first."""
COLUMNS = (*PATHS, "sha256", "format", "width", "height")


def is_clip_retrieval(folder: Path) -> bool:
    """Whether vectors of that layout lie in the folder."""
    return bool(_files(folder, *VECTORS))


class ClipRetrievalSource:
    """Pairs of files: numbers, and what they are of."""

    def __init__(self, folder: Path, origin: Origin | None) -> None:
        self.origin, self.count, self.dim = origin, 0, origin.dim if origin else 0
        vectors, metadata = _files(folder, *VECTORS), _files(folder, *METADATA)
        for number in sorted(vectors.keys() ^ metadata.keys()):
            lonely, other = (vectors, METADATA) if number in vectors else (metadata, VECTORS)
            name = other[0].replace(r"(\d+)", lonely[number].stem.rpartition("_")[2])
            raise GlimpseError(
                f"{lonely[number]} has no {name.replace(chr(92), '')} beside it; the two go together"
            )
        self._pairs = [(vectors[number], metadata[number]) for number in vectors]
        for pair in self._pairs:
            self._check(*pair)

    def whereabouts(self) -> Iterator[Whereabouts]:
        """Where every picture lies."""
        for _, metadata in self._pairs:
            for batch in batches(metadata, PATHS, 10_000):
                yield from map(_whereabouts, batch.to_pylist())

    def chunks(self, at_once: int) -> Iterator[Chunk]:
        """The rows, so many at a time at most."""
        for vectors, metadata in self._pairs:
            numbers, done = _mapped(vectors), 0
            for batch in batches(metadata, COLUMNS, at_once):
                rows = [
                    self._arriving(f"{metadata.name}, row {number}", told)
                    for number, told in enumerate(batch.to_pylist(), start=done)
                ]
                yield Chunk(rows, np.array(numbers[done : done + len(rows)]))
                done += len(rows)

    def _check(self, vectors: Path, metadata: Path) -> None:
        rows, dim = _mapped(vectors).shape
        with opened(metadata) as file:
            described, names = file.metadata.num_rows, file.schema_arrow.names
        if rows != described:
            raise GlimpseError(
                f"{vectors} has {rows} vectors, and {metadata.name} beside it {described} rows: they are not of one "
                f"shard"
            )
        if self.dim and dim != self.dim:
            raise GlimpseError(f"{vectors} has vectors of {dim} numbers, others of {self.dim}")
        if not any(name in names for name in PATHS):
            raise UsageError(
                f"{metadata} says of no picture where it lies: it has none of the columns {', '.join(PATHS[1:])}"
            )
        self.count, self.dim = self.count + rows, dim

    def _arriving(self, row: str, told: dict[str, Any]) -> Arriving:
        if self.origin is None:
            told |= {
                "sha256": None
            }  # img2dataset's is that of what it fetched, not of what it kept
        content, fault = content_of(told)
        where = _whereabouts(told)
        return Arriving(row, where, content, fault=fault if where.path else "it names no picture")


def _files(folder: Path, pattern: str, below: str) -> dict[int, Path]:
    return numbered(folder / below, pattern) or numbered(folder, pattern)


def _mapped(path: Path) -> NDArray[np.floating]:
    """The numbers (n, dim), of which only what is asked for is read."""
    try:
        found = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise GlimpseError(f"{path} cannot be read as numbers ({error}); copy it again") from error
    if not isinstance(found, np.ndarray) or found.ndim != 2 or found.dtype.kind != "f":
        raise GlimpseError(f"{path} holds no rows of floating-point numbers")
    return found


def _whereabouts(told: dict[str, Any]) -> Whereabouts:
    """A picture's URL only where nothing names a file."""
    name = next((told[name] for name in PATHS if told.get(name)), "")
    return Whereabouts(name if isinstance(name, bytes) else str(name).encode())
