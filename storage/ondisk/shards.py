"""Rows sorted into cells a shard at a time, each into a file of its own: here, or by whoever reaches the files."""

import hashlib
import logging
import os
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, Future
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import faiss
import numpy as np

from storage.errors import StorageError
from storage.making import parts_of
from storage.rows import Rows, map_flat

__all__ = ["Shard", "Workers", "fill", "fill_all"]

log = logging.getLogger(__name__)

TOLD_EVERY_S = 10.0

Workers = Callable[[], AbstractContextManager[Executor]]
"""Others that reach the library's folder by the same name, as long as they are needed."""


@dataclass(frozen=True)
class Shard:
    """So many rows, and the names of files: of the rows, of the trained index, and of what comes of it."""

    rows: str
    trained: str
    file: str
    start: int
    stop: int

    def __len__(self) -> int:
        return self.stop - self.start


def fill(shard: Shard) -> str:
    """Sort a shard's rows into a copy of the trained index, in its file, whose SHA-256 is told. Raises OSError."""
    index: Any = faiss.read_index(shard.trained)
    rows = Rows(map_flat(Path(shard.rows)))  # they are checked once the snapshot is read back
    for part in parts_of(np.arange(shard.start, shard.stop)):
        index.add_with_ids(rows.take(part), part)
    data = faiss.serialize_index(index).data  # FAISS writes to a full disk without a word
    aside = f"{shard.file}.part"
    with open(aside, "wb") as file:
        file.write(data)
    os.replace(aside, shard.file)
    return hashlib.sha256(data).hexdigest()


def fill_all(shards: Sequence[Shard], workers: Workers | None) -> None:
    """Have each filled; what workers cannot do is done here, which is told. Raises OSError."""
    done, due = 0, time.monotonic() + TOLD_EVERY_S
    for shard in _filled(shards, workers):
        done += len(shard)
        if time.monotonic() >= due and done < shards[-1].stop:
            log.warning("%d of %d vectors are sorted into cells", done, shards[-1].stop)
            due = time.monotonic() + TOLD_EVERY_S


def _filled(shards: Sequence[Shard], workers: Workers | None) -> Iterator[Shard]:
    if workers is None or len(shards) == 1:
        for shard in shards:
            fill(shard)
            yield shard
        return
    is_told = False
    with workers() as executor:
        for shard, future in [(shard, executor.submit(fill, shard)) for shard in shards]:
            reason = _await(shard, future)
            if reason is not None:
                if not is_told:
                    log.warning(
                        "workers sort no vectors into cells (%s); this process does", reason
                    )
                is_told = True
                fill(shard)
            yield shard


def _await(shard: Shard, future: Future[str]) -> str | None:
    """Why a worker has not filled a shard; None where it has."""
    try:
        told = future.result()
        with open(shard.file, "rb") as file:
            if hashlib.file_digest(file, "sha256").hexdigest() != told:
                raise StorageError(f"{shard.file} is not what was written")
    except Exception as error:  # whatever a cluster raises
        return (str(error).strip().splitlines() or [type(error).__name__])[-1][:200]
    return None
