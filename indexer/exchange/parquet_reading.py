"""Our own layout, as it comes back."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from indexer.errors import GlimpseError
from indexer.exchange.arriving import Arriving, Chunk, Whereabouts, content_of, tags_of
from indexer.exchange.manifest import Manifest, Origin
from indexer.exchange.parquet import KEY
from indexer.exchange.tables import batches, opened

__all__ = ["ParquetSource"]

NEEDED = ("path", "sha256", "vector")
PATHS = ("path", "path_bytes", "root", "root_bytes")


class ParquetSource:
    """An export of Glimpse's."""

    def __init__(self, folder: Path, manifest: Manifest) -> None:
        self.origin: Origin | None = manifest.origin
        self._fingerprint, self.dim = manifest.origin.fingerprint, manifest.origin.dim
        self.count = 0
        self._files = [folder / name for name in manifest.files]
        for path in self._files:
            self._check(path)
        if self.count != manifest.photos:
            raise GlimpseError(f"{folder} holds {self.count} photos and not {manifest.photos}")

    def whereabouts(self) -> Iterator[Whereabouts]:
        """Where every picture lies."""
        for path in self._files:
            for batch in batches(path, PATHS, 10_000):
                yield from map(_whereabouts, batch.to_pylist())

    def chunks(self, at_once: int) -> Iterator[Chunk]:
        """The rows, so many at a time at most."""
        for path in self._files:
            with opened(path) as file:
                done = 0
                for batch in file.iter_batches(batch_size=at_once):
                    yield self._chunk(path, batch, done)
                    done += len(batch)

    def _check(self, path: Path) -> None:
        with opened(path) as file:
            said, names = file.schema_arrow.metadata or {}, file.schema_arrow.names
            self.count += file.metadata.num_rows
            missing = [name for name in NEEDED if name not in names]
            if missing:
                raise GlimpseError(f"{path} has no column {missing[0]}")
            vectors = file.schema_arrow.field("vector").type
        told = json.loads(said.get(KEY, b"{}"))
        if told.get("fingerprint") != self._fingerprint:
            raise GlimpseError(f"{path} is of another space than the manifest beside it")
        if not pa.types.is_fixed_size_list(vectors) or vectors.list_size != self.dim:
            raise GlimpseError(f"{path} has vectors of type {vectors}, not of {self.dim} numbers")

    def _chunk(self, path: Path, batch: pa.RecordBatch, done: int) -> Chunk:
        column = batch.column("vector")
        if column.null_count:
            raise GlimpseError(f"{path} has rows without a vector")
        flat = column.flatten().to_numpy(zero_copy_only=False)
        vectors = flat.astype(np.float32).reshape(-1, self.dim)
        table = _plain(batch)
        rows = [
            _arriving(f"{path.name}, row {number}", told)
            for number, told in enumerate(table.to_pylist(), start=done)
        ]
        return Chunk(rows, vectors)


def _plain(batch: pa.RecordBatch) -> pa.Table:
    """All but the vectors; times as numbers, since Python's have no nanoseconds."""
    table = pa.Table.from_batches([batch]).drop_columns(["vector"])
    for number, field in enumerate(table.schema):
        if pa.types.is_timestamp(field.type):
            table = table.set_column(number, field.name, table.column(number).cast(pa.int64()))
    return table


def _whereabouts(told: dict[str, Any]) -> Whereabouts:
    path = told.get("path_bytes") or (told.get("path") or "").encode()
    root = told.get("root_bytes") or (told.get("root") or "").encode()
    return Whereabouts(path, None if b"\0" in root else root or None)


def _arriving(row: str, told: dict[str, Any]) -> Arriving:
    taken = told.get("taken")
    if taken is not None:
        told["taken_at"] = str(np.datetime64(taken, "s"))
    content, fault = content_of(told)
    return Arriving(
        row,
        _whereabouts(told),
        content,
        told.get("mtime") or 0,
        tags_of(told.get("tags") or []),
        fault,
    )
