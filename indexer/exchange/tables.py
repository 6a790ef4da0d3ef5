"""Parquet files as they are read: a few thousand rows at a time."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from indexer.errors import GlimpseError

__all__ = ["batches", "opened"]


@contextmanager
def opened(path: Path) -> Iterator[pq.ParquetFile]:
    """A file; one that cannot be read, now or later, is a GlimpseError that names it."""
    try:
        with pq.ParquetFile(path) as file:
            yield file
    except (OSError, pa.ArrowException) as error:
        reason = str(error).splitlines()[0]
        raise GlimpseError(f"{path} cannot be read as Parquet ({reason}); copy it again") from error


def batches(path: Path, columns: Sequence[str], at_once: int) -> Iterator[pa.RecordBatch]:
    """The file's rows, of those of the columns that it has."""
    with opened(path) as file:
        there = [name for name in columns if name in file.schema_arrow.names]
        yield from file.iter_batches(batch_size=at_once, columns=there)
