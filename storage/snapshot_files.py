"""The file of a snapshot: what is in it, written and read.

    an exact FAISS index over float16 vectors   (count, dim), mapped, its blocks checked as they are read
    lists           of cells that lie on disk, or nothing; mapped, each checked as it is read
    ids             int64 (count,), ascending    }
    digests         SHA-256 of each block        } read, and checked by the record's SHA-256, on opening
    cells           a FAISS index, or nothing    }    (without its lists where they are above)

So a file of a gigabyte opens in the time of its small part, and no byte of it is used unchecked.
"""

import hashlib
import os
import struct
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import BinaryIO, NamedTuple

import faiss
import numpy as np
from numpy.typing import NDArray

from storage.cells import Cells
from storage.choosing import Choice
from storage.embedded import Part
from storage.errors import StorageError
from storage.making import Place
from storage.ondisk.cells import DiskCells
from storage.ondisk.lists import read_mark
from storage.records import VECTOR_DTYPE
from storage.rows import (
    BLOCK,
    DIGEST,
    Halves,
    Ids,
    MappedRows,
    Rows,
    digests_of,
    flat_index,
    map_flat,
)

__all__ = ["SUFFIX", "Snapshot", "read", "read_back", "read_unrecorded", "read_whole", "write"]

SUFFIX = ".vectors"
OTHER_BLOCK = "not what was written"
OTHER_BYTES = "not what was recorded"


def write(
    path: Path,
    dim: int,
    count: int,
    parts: Iterable[Part],
    choose: Callable[[Rows, Place], Choice],
) -> tuple[str, Choice]:
    """Write and flush `count` rows with the index chosen for them; its SHA-256 for the record, and the choice.

    Memory stays bounded, whatever the count. Raises OSError.
    """
    ids, digests = [np.empty(0, np.int64)], list[bytes]()
    header = _header(dim, count)
    with open(path, "wb") as file:
        file.write(header)
        for part in parts:
            file.write(part.vectors)
            ids.append(part.ids)
            digests.append(digests_of(part.vectors, dim))
        file.flush()
        place = Place(path, file, file.tell())
        choice = choose(MappedRows(path, _as_rows(b"".join(digests)), _refuse), place)
        rest = [np.concatenate(ids).tobytes(), *digests]
        if choice.cells is not None:
            rest.append(choice.cells.to_bytes())
        checked = hashlib.sha256(header + _mark(path, place.start))
        for piece in rest:
            file.write(piece)
            checked.update(piece)
        file.flush()
        os.fsync(file.fileno())
    return checked.hexdigest(), choice


class Snapshot(NamedTuple):
    """What a file holds."""

    ids: Ids
    rows: MappedRows
    cells: Cells | None


def read(
    path: Path, dim: int, count: int, sha256: str, recover: Callable[[Ids], Halves]
) -> Snapshot:
    """Open a file. Raises OSError, and StorageError where it is not what was recorded.

    `recover` reads vectors (n, dim) from the catalog by their ids, should a block turn out damaged.
    """
    header = _header(dim, count)
    with open(path, "rb") as file:
        mark, rest = _rest(file, header, count * dim * VECTOR_DTYPE.itemsize, sha256)
    blocks = -(-count // BLOCK)
    ids = np.frombuffer(rest, np.int64, count).copy()
    digests = rest[ids.nbytes :][: blocks * DIGEST]
    cells = memoryview(rest)[ids.nbytes + len(digests) :]
    return Snapshot(
        ids,
        MappedRows(path, _as_rows(digests), lambda: recover(ids)),
        _cells(path, cells, on_disk=bool(mark)),
    )


def read_whole(path: Path, dim: int, count: int, sha256: str) -> Snapshot:
    """Open a file and check every byte of it. Raises OSError, and StorageError where it is not what was recorded."""
    opened = read(path, dim, count, sha256, _refuse)
    opened.rows.check()
    if isinstance(opened.cells, DiskCells):
        opened.cells.check()
    return opened


def read_unrecorded(path: Path, dim: int, start: str) -> Snapshot:
    """The same for a file that no record tells of, whose SHA-256 starts like this."""
    rows = Rows(map_flat(path))
    if rows.dim != dim:
        raise StorageError(f"of {rows.dim} dimensions, not {dim}")
    count = len(rows)
    with open(path, "rb") as file:
        header = _header(dim, count)
        *_, sha256 = _read_rest(file, header, count * dim * VECTOR_DTYPE.itemsize)
    if not sha256.startswith(start):
        raise StorageError(OTHER_BYTES)
    return read_whole(path, dim, count, sha256)


def read_back(path: Path, dim: int, count: int, sha256: str) -> None:
    """Read a whole file. Raises StorageError where it is not what was written."""
    try:
        read_whole(path, dim, count, sha256)
    except StorageError as error:
        raise StorageError(
            f"{path} does not read back as it was written; is the disk full?"
        ) from error


def _refuse(*_: object) -> Halves:
    raise StorageError(OTHER_BLOCK)


def _as_rows(digests: bytes) -> NDArray[np.uint8]:
    return np.frombuffer(digests, np.uint8).reshape(-1, DIGEST)


def _cells(path: Path, data: memoryview, *, on_disk: bool) -> Cells | None:
    if on_disk:
        return DiskCells.from_file(data, path)
    return Cells.from_bytes(data) if len(data) else None


def _rest(file: BinaryIO, header: bytes, vectors_size: int, sha256: str) -> tuple[bytes, bytes]:
    """The mark of lists, and what follows vectors and lists, once both are known to be whole."""
    mark, rest, found = _read_rest(file, header, vectors_size)
    if found != sha256:  # FAISS loads flipped bits without a word
        raise StorageError(OTHER_BYTES)
    return mark, rest


def _read_rest(file: BinaryIO, header: bytes, vectors_size: int) -> tuple[bytes, bytes, str]:
    """The same, and the SHA-256 of that and of the header."""
    checked = hashlib.sha256(file.read(len(header)))
    file.seek(len(header) + vectors_size)
    mark = read_mark(file)
    rest = file.read()
    checked.update(mark)
    checked.update(rest)
    return mark, rest, checked.hexdigest()


def _mark(path: Path, start: int) -> bytes:
    """The mark of lists that were written; nothing where none were."""
    with open(path, "rb") as file:
        file.seek(start)
        return read_mark(file)


def _header(dim: int, count: int) -> bytes:
    """How FAISS begins a file of that many vectors; they follow, and an empty index ends with their size, 0."""
    index = flat_index(dim)
    index.ntotal = count
    size = struct.pack("<Q", count * index.code_size)
    return faiss.serialize_index(index).tobytes()[: -len(size)] + size
