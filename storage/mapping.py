"""A file's bytes in this process's memory, which they leave again when they have become too many."""

import ctypes
import mmap
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

__all__ = ["MAPPED", "Mapping"]

MAPPED = 448 * 2**20
"""Bytes of files that may count as this process's memory; what is beyond stays in the system's cache."""
MEMORY = Path("/proc/self/statm")


class Mapping:
    """Bytes that are mapped from a file, and stay so."""

    def __init__(self, data: NDArray[np.uint8]) -> None:
        self.data = data
        self._others = mapped()

    def let_go(self) -> None:
        """Drop the pages once they have grown too many: a row that is read may bring two megabytes of them."""
        if mapped() - self._others > MAPPED:
            unmap(self.data)


def mapped() -> int:
    """Bytes of files that this process has in memory; 0 where the system does not tell."""
    try:
        with open(MEMORY, "rb", buffering=0) as told:
            return int(told.read().split()[2]) * mmap.PAGESIZE
    except OSError:
        return 0


def unmap(data: NDArray[np.uint8]) -> None:
    """Drop the pages of a mapped file from this process; they come back when they are read."""
    if not hasattr(mmap, "MADV_DONTNEED"):  # not on every system
        return
    start = data.ctypes.data // mmap.PAGESIZE * mmap.PAGESIZE
    length = data.ctypes.data + data.nbytes - start
    ctypes.CDLL(None).madvise(ctypes.c_void_p(start), ctypes.c_size_t(length), mmap.MADV_DONTNEED)
