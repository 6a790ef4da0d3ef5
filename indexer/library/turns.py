"""Who may search now: some at a time, each on a core of its own."""

import os
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import cached_property

from threadpoolctl import ThreadpoolController

__all__ = ["Turns"]

AT_ONCE = 1 + (os.cpu_count() or 1)
"""Searches that run side by side, one of which may wait for a disk; more would pass the interpreter's lock around."""


class _OneThread:
    """BLAS in the calling thread alone, as long as anybody of this process wants it so.

    OpenBLAS has one set of threads, and whoever shares a product out among them keeps all others waiting: two
    searches would get no more done than one. So little work is not worth sharing out anyway.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._wanted = 0
        self._limit = ExitStack()

    @cached_property
    def _blas(self) -> ThreadpoolController:
        return ThreadpoolController().select(user_api="blas")

    def __enter__(self) -> None:
        with self._lock:
            if not self._wanted:
                self._limit.enter_context(self._blas.limit(limits=1))
            self._wanted += 1

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._wanted -= 1
            if not self._wanted:
                self._limit.close()


_one_thread = _OneThread()


class Turns:
    """Room for a number of searches."""

    def __init__(self, most: int = AT_ONCE) -> None:
        self._room = threading.BoundedSemaphore(most)

    @contextmanager
    def taken(self) -> Iterator[None]:
        """Wait for a turn, and have it."""
        with self._room, _one_thread:
            yield
