"""Cells whose lists are mapped from a snapshot's file, and asked once those are known to be whole."""

import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import faiss
import numpy as np

from storage.cells import HEAD, Cells
from storage.ondisk.lists import Lists, MappedLists
from storage.rows import DIGEST, Ids, Vectors

__all__ = ["DiskCells"]

PLACE = struct.Struct("<qq")
NONE = np.empty(0, np.int64)


@dataclass(frozen=True)
class DiskCells(Cells):
    """As `Cells`; `index` has no lists of its own."""

    lists: MappedLists

    @classmethod
    def over(cls, index: Any, probes: int, proposed: int, path: Path, lists: Lists) -> "DiskCells":
        """Give a trained index lists in a file. Raises OSError, and StorageError where it is too short."""
        mapped = MappedLists(path, lists)
        index.replace_invlists(mapped.faiss, False)
        index.ntotal = len(mapped)
        return cls(index, probes, proposed, mapped)

    def _nearest(self, query: Vectors, wanted: int, parameters: faiss.SearchParametersIVF) -> Ids:
        """As `Cells`; none where a list is not what was written, and so all rows had better be asked."""
        cosines, cells = self.index.quantizer.search(query[None], parameters.nprobe)
        if not self.lists.are_whole(cells[0]):
            return NONE
        scores, rows = np.empty(wanted, np.float32), np.empty(wanted, np.int64)
        given = map(faiss.swig_ptr, (cells, cosines, scores, rows))
        # Not `search_preassigned`, which takes no parameters.
        self.index.search_preassigned_c(1, faiss.swig_ptr(query), wanted, *given, False, parameters)
        self.lists.let_go()
        return rows[rows >= 0]

    def check(self) -> None:
        """Read every list. Raises StorageError where one is not what was written."""
        self.lists.check()

    def to_bytes(self) -> bytes:
        """As `Cells`, without what is in the lists."""
        lists = self.lists.lists
        head = HEAD.pack(self.probes, self.proposed) + PLACE.pack(lists.start, len(lists.sizes))
        empty = faiss.ArrayInvertedLists(len(lists.sizes), lists.code_size)
        self.index.replace_invlists(empty, False)
        self.index.ntotal = 0
        trained = faiss.serialize_index(self.index).tobytes()
        self.index.replace_invlists(self.lists.faiss, False)
        self.index.ntotal = len(self.lists)
        return head + lists.sizes.tobytes() + lists.digests.tobytes() + trained

    @classmethod
    def from_file(cls, data: memoryview, path: Path) -> "DiskCells":
        """What `to_bytes` gave, of a file; the caller has checked that the bytes are whole.

        Raises OSError, and StorageError where the file is too short.
        """
        probes, proposed = HEAD.unpack(data[: HEAD.size])
        start, count = PLACE.unpack(data[HEAD.size :][: PLACE.size])
        rest = data[HEAD.size + PLACE.size :]
        sizes = np.frombuffer(rest, np.int64, count)
        digests = np.frombuffer(rest[sizes.nbytes :], np.uint8, count * DIGEST).reshape(-1, DIGEST)
        trained = np.frombuffer(rest[sizes.nbytes + digests.nbytes :], np.uint8)
        index: Any = faiss.deserialize_index(trained)
        lists = Lists(start, index.code_size, sizes, digests)
        return cls.over(index, probes, proposed, path, lists)
