"""Inverted lists in a snapshot's file, behind its vectors: merged from shards, mapped, checked as they are read.

    minus how many bytes they are   int64; a file without lists has its first id there, which is above zero
    nothing                         until they are aligned
    of each cell: codes, ids        room for a whole number of eight, so that the next ones are aligned

`merge_ondisk` of FAISS's own writes such lists through a mapping: a full disk would end the process.
"""

import hashlib
import logging
import os
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, BinaryIO

import faiss
import numpy as np
from faiss.contrib.inspect_tools import get_invlist
from numpy.typing import NDArray

from storage.errors import StorageError
from storage.making import Place
from storage.mapping import Mapping
from storage.rows import DIGEST, Ids

__all__ = ["Lists", "MappedLists", "merge", "read_mark"]

log = logging.getLogger(__name__)

MARK = struct.Struct("<q")
ALIGNED = 64
TOGETHER = 8
"""Rows for which a list has room are a multiple of this."""
ID = np.dtype("<i8").itemsize
LET_GO_AFTER = 64
READ_ONLY = faiss.IO_FLAG_MMAP | faiss.IO_FLAG_READ_ONLY


@dataclass(frozen=True, eq=False)
class Lists:
    """Where lists are in a file, and what is in them."""

    start: int
    code_size: int
    sizes: Ids
    """Rows of each."""
    digests: NDArray[np.uint8]
    """(lists, 32): SHA-256 of each, with the room that it has."""

    @cached_property
    def rooms(self) -> Ids:
        """Rows that each has room for."""
        return -(-self.sizes // TOGETHER) * TOGETHER

    @cached_property
    def offsets(self) -> Ids:
        """Where each begins in the file; and where the last ends."""
        ends = np.cumsum(self.rooms * (self.code_size + ID))
        return self.start + np.concatenate([np.zeros(1, np.int64), ends])


class MappedLists:
    """Lists for FAISS to search; safe for many readers at once."""

    def __init__(self, path: Path, lists: Lists) -> None:
        """Raises OSError, and StorageError where the file is too short."""
        self._path, self._lists = path, lists
        self.faiss = _mapped(path, lists)
        whole = faiss.rev_swig_ptr(self.faiss.ptr, self.faiss.totsize)
        self._mapping = Mapping(whole[lists.start :])
        self._known = np.zeros(len(lists.sizes), np.bool_)
        self._is_told = False

    def __len__(self) -> int:
        return int(self._lists.sizes.sum())

    @property
    def lists(self) -> Lists:
        """Where they are."""
        return self._lists

    def are_whole(self, cells: Ids) -> bool:
        """Whether the lists of these cells are what was written; where not, that is told once."""
        for cell in cells[~self._known[cells]].tolist():
            if not self._is_whole(cell):
                self._tell()
                return False
            self._known[cell] = True
        return True

    def _tell(self) -> None:
        if not self._is_told:
            log.warning(
                "snapshot %s has a damaged list; queries that come upon it look at all vectors, until "
                "`glimpse verify` writes it anew",
                self._path.name,
            )
        self._is_told = True

    def check(self) -> None:
        """Read all of them. Raises StorageError where one is not what was written."""
        for cell in range(len(self._known)):
            if not self._is_whole(cell):
                raise StorageError("not what was written")
            self.let_go()

    def let_go(self) -> None:
        """Leave this process's memory, where that is much."""
        self._mapping.let_go()

    def _is_whole(self, cell: int) -> bool:
        begin, end = (self._lists.offsets[cell : cell + 2] - self._lists.start).tolist()
        digest = hashlib.sha256(self._mapping.data[begin:end].data).digest()
        return bool(digest == self._lists.digests[cell].tobytes())


def _mapped(path: Path, lists: Lists) -> Any:
    mapped: Any = faiss.OnDiskInvertedLists(len(lists.sizes), lists.code_size, str(path))
    places: Any = faiss.OnDiskOneListVector()  # type: ignore[attr-defined]
    rows = zip(lists.sizes.tolist(), lists.rooms.tolist(), lists.offsets.tolist(), strict=False)
    for size, capacity, offset in rows:
        one: Any = faiss.OnDiskOneList()
        one.size, one.capacity, one.offset = size, capacity, offset
        places.push_back(one)
    mapped.lists = places
    mapped.read_only = True
    mapped.prefetch_nthread = 0  # threads for each query, to read what has been checked just now
    mapped.totsize = int(lists.offsets[-1])
    if os.path.getsize(path) < mapped.totsize:
        raise StorageError("too short")
    try:
        mapped.do_mmap()
    except RuntimeError as error:  # FAISS opens it by its name, which the writer may have removed
        raise StorageError("no lists that can be mapped") from error
    return mapped


def merge(shards: Sequence[Path], place: Place) -> Lists:
    """Write the lists of indexes in files, each cell's one after another, and flush them. Raises OSError."""
    indexes: list[Any] = [faiss.read_index(str(shard), READ_ONLY) for shard in shards]
    parts: Any = faiss.InvertedListsPtrVector()  # type: ignore[attr-defined]
    for index in indexes:
        parts.push_back(index.invlists)
    merged: Any = faiss.HStackInvertedLists(parts.size(), parts.data())
    sizes = np.array([merged.list_size(cell) for cell in range(merged.nlist)], np.int64)
    digests = np.empty((len(sizes), DIGEST), np.uint8)
    head = _head_size(place.start)
    lists = Lists(place.start + head, merged.code_size, sizes, digests)
    place.file.write(MARK.pack(lists.start - int(lists.offsets[-1])).ljust(head, b"\0"))
    mappings = [_mapping(index) for index in indexes]
    for cell in range(len(sizes)):
        ids, codes = get_invlist(merged, cell)  # type: ignore[no-untyped-call]
        room = int(lists.rooms[cell] - sizes[cell])
        data = codes.tobytes() + bytes(room * lists.code_size) + ids.tobytes() + bytes(room * ID)
        place.file.write(data)
        digests[cell] = np.frombuffer(hashlib.sha256(data).digest(), np.uint8)
        if cell % LET_GO_AFTER == 0:
            for mapping in mappings:
                mapping.let_go()
    place.file.flush()
    return lists


def read_mark(file: BinaryIO) -> bytes:
    """What comes before lists, which are then left out; where there are none, nothing, and nothing is read."""
    at, size = file.tell(), os.fstat(file.fileno()).st_size
    head = file.read(_head_size(at))
    length = -MARK.unpack_from(head)[0] if len(head) >= MARK.size else 0
    if length <= 0:
        file.seek(at)
        return b""
    file.seek(min(at + len(head) + length, size))
    return head


def _head_size(at: int) -> int:
    """Bytes from here to where lists begin."""
    return MARK.size + -(at + MARK.size) % ALIGNED


def _mapping(index: Any) -> Mapping:
    lists: Any = faiss.downcast_InvertedLists(index.invlists)
    return Mapping(faiss.rev_swig_ptr(lists.ptr, lists.totsize))
