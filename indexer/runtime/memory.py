"""What freed memory does."""

import ctypes
import sys

__all__ = ["return_large_blocks"]

_M_MMAP_THRESHOLD = -3  # of malloc.h
_LARGE = 1 << 20


def return_large_blocks() -> None:
    """Have the C library give freed blocks of a megabyte and more back to the system at once; glibc only.

    It would raise its limit to the size of the first such block that is freed, and keep those below: of a network in
    ONNX Runtime that has gone, 400 MB stayed.
    """
    if sys.platform != "linux":
        return
    try:
        ctypes.CDLL(None).mallopt(_M_MMAP_THRESHOLD, _LARGE)
    except AttributeError:  # another C library than glibc
        return
