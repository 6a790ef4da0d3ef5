"""Our own layout: Parquet files of photos, each with its vector."""

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
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
from indexer.results import Photo
from storage.exchange import Departing
from storage.records import UNSEEN, ContentRecord, PhotoRecord
from storage.tagging import Tag

__all__ = ["KEY", "NAMES", "Writer", "schema"]

KEY = b"glimpse"
"""Under which the file's metadata says, as JSON, which space the vectors are of."""
TAG = pa.struct([("label", pa.string()), ("confidence", pa.float32()), ("by_hand", pa.bool_())])
TEXTS = ["root", "format", "camera", "lens", "tags.list.element.label"]
"""Columns in which the same comes again and again."""


def schema(origin: Origin, vectors: pa.DataType, *, places: bool) -> pa.Schema:
    """The columns, and which space they are of."""
    columns = [
        ("id", pa.int64()),
        ("path", pa.string()),
        ("path_bytes", pa.binary()),
        ("root", pa.string()),
        ("root_bytes", pa.binary()),
        ("sha256", pa.string()),
        ("size", pa.int64()),
        ("mtime", pa.timestamp("ns", tz="UTC")),
        ("format", pa.string()),
        ("width", pa.int32()),
        ("height", pa.int32()),
        ("taken", pa.timestamp("s")),
        ("taken_offset_minutes", pa.int16()),
        ("camera", pa.string()),
        ("lens", pa.string()),
        *((name, pa.float64()) for name in Photo.PLACE if places),
        ("rating", pa.int8()),
        ("tags", pa.list_(TAG)),
        ("vector", pa.list_(vectors, origin.dim)),
    ]
    return pa.schema(columns, metadata={KEY: json.dumps(asdict(origin))})


NAMES = ("photos-*.parquet",)
"""Patterns of what is written."""


class Writer:
    """Writes files of at most so many photos."""

    def __init__(self, folder: Path, origin: Origin, options: ExportOptions, total: int) -> None:
        self._folder, self._sizes = folder, shard_sizes(total, options.shard_rows)
        self._dtype = np.dtype(np.float32 if options.float32 else np.float16)
        vectors = pa.from_numpy_dtype(self._dtype)
        self._schema = schema(origin, vectors, places=not options.no_places)
        self._written = list[Path]()

    def shards(self) -> Sequence[int]:
        """How many photos go into each file."""
        return self._sizes

    @contextmanager
    def shard(self, number: int, of: int, rows: int) -> Iterator[Any]:
        """One file."""
        with (
            flushed(self._folder / f"photos-{padded(number, of)}.parquet") as path,
            pq.ParquetWriter(path, self._schema, compression="zstd", use_dictionary=TEXTS) as file,
        ):
            yield lambda part: file.write_batch(self._batch(part))  # a row group each
        self._written.append(path)

    def finish(self) -> None:
        """Nothing comes after the last file."""

    def files(self) -> Sequence[Path]:
        """Every file that was written."""
        return self._written

    def _batch(self, part: Departing) -> pa.RecordBatch:
        rows = [_row(photo, part.tags.get(photo.id, [])) for photo in part.photos]
        numbers = unit(part.vectors) if self._dtype == np.float32 else part.vectors
        vectors = pa.FixedSizeListArray.from_arrays(
            pa.array(numbers.reshape(-1), self._schema.field("vector").type.value_type),
            numbers.shape[1],
        )
        columns = [
            vectors
            if field.name == "vector"
            else pa.array([row[field.name] for row in rows], field.type)
            for field in self._schema
        ]
        return pa.record_batch(columns, schema=self._schema)


def _row(photo: PhotoRecord, tags: Sequence[Tag]) -> dict[str, Any]:
    content = photo.content
    assert content is not None  # it has a vector
    seen = content.format != UNSEEN
    return {
        "id": photo.id,
        "path": readable(photo.path),
        "path_bytes": exact(photo.path),
        "root": readable(photo.root),
        "root_bytes": exact(photo.root),
        "size": photo.size if seen else None,
        "mtime": photo.mtime_ns if seen else None,
        "sha256": content.sha256.hex() if seen else None,
        "format": content.format if seen else None,
        "width": content.width or None,
        "height": content.height or None,
        "taken": _seconds(content),
        **{name: getattr(content, name) for name in ("taken_offset_minutes", "camera", "lens")},
        **{name: getattr(content, name) for name in (*Photo.PLACE, "rating")},
        "tags": [asdict(tag) for tag in tags],
    }


def _seconds(content: ContentRecord) -> int | None:
    """The wall clock as seconds since 1970 by that clock."""
    taken = content.taken_at
    return None if taken is None else int(np.datetime64(taken, "s").astype(np.int64))
