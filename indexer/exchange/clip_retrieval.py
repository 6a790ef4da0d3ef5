"""The layout that clip-retrieval's `inference` writes, and its `index` and `back` read.

    img_emb/img_emb_0.npy         float16 (n, dim)
    metadata/metadata_0.parquet   the same n rows: image_path, caption, and whatever else is known

The numbers are padded with zeros, since both sides are put together in the order of their names.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from indexer.exchange.manifest import Origin, flushed
from indexer.exchange.names import exact, readable
from indexer.exchange.options import ExportOptions
from indexer.exchange.shards import padded, shard_sizes
from indexer.exchange.vectors import unit
from storage.exchange import Departing
from storage.records import UNSEEN

__all__ = ["NAMES", "Writer"]

SCHEMA = pa.schema(
    [
        ("image_path", pa.string()),
        ("caption", pa.string()),
        ("path_bytes", pa.binary()),
        ("sha256", pa.string()),
        ("format", pa.string()),
        ("width", pa.int32()),
        ("height", pa.int32()),
    ]
)
NAMES = ("img_emb/img_emb_*.npy", "metadata/metadata_*.parquet")
"""Patterns of what is written."""


class Writer:
    """Writes pairs of files."""

    def __init__(self, folder: Path, origin: Origin, options: ExportOptions, total: int) -> None:
        self._folder, self._dim = folder, origin.dim
        self._sizes = shard_sizes(total, options.shard_rows)
        self._dtype = np.dtype("<f4" if options.float32 else "<f2")
        self._written = list[Path]()

    def shards(self) -> Sequence[int]:
        """How many photos go into each pair."""
        return self._sizes

    @contextmanager
    def shard(self, number: int, of: int, rows: int) -> Iterator[Any]:
        """One pair."""
        name = padded(number, of)
        vectors = self._folder / "img_emb" / f"img_emb_{name}.npy"
        metadata = self._folder / "metadata" / f"metadata_{name}.parquet"
        for path in (vectors, metadata):
            path.parent.mkdir(exist_ok=True)
        shape = (rows, self._dim)
        header = {"descr": self._dtype.str, "fortran_order": False, "shape": shape}
        with (
            flushed(vectors),
            flushed(metadata),
            vectors.open("wb") as numbers,
            pq.ParquetWriter(metadata, SCHEMA) as table,
        ):
            np.lib.format.write_array_header_1_0(numbers, header)

            def put(part: Departing) -> None:
                halves = self._dtype.itemsize == 2
                numbers.write((part.vectors if halves else unit(part.vectors)).tobytes())
                table.write_table(_table(part))

            yield put
        self._written += [vectors, metadata]

    def finish(self) -> None:
        """Nothing comes after the last pair."""

    def files(self) -> Sequence[Path]:
        """Every file that was written."""
        return self._written


def _table(part: Departing) -> pa.Table:
    rows = []
    for photo in part.photos:
        content = photo.content
        assert content is not None  # it has a vector
        seen = content.format != UNSEEN
        rows.append(
            {
                "image_path": readable(photo.path),
                "caption": ", ".join(tag.label for tag in part.tags.get(photo.id, ())),
                "path_bytes": exact(photo.path),
                "sha256": content.sha256.hex() if seen else None,
                "format": content.format if seen else None,
                "width": content.width or None,
                "height": content.height or None,
            }
        )
    return pa.Table.from_pylist(rows, SCHEMA)
