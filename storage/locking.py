"""One writer at a time, across processes: an advisory lock on a file in the library's folder."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from storage.errors import LibraryLockedError

__all__ = ["is_being_written", "writer_lock"]

LOCK = "writer.lock"


def is_being_written(folder: Path) -> bool:
    """Whether a process has the library's write lock now."""
    from filelock import FileLock, Timeout  # deferred as below

    if not (folder / LOCK).exists():
        return False
    try:
        with FileLock(folder / LOCK, timeout=0):
            return False
    except Timeout:
        return True


@contextmanager
def writer_lock(folder: Path, timeout_s: float = 0) -> Iterator[None]:
    """Hold the library's write lock; LibraryLockedError names the process that still has it after that time.

    The kernel drops the lock when its holder ends, however it ends.
    """
    # Deferred for start-up time: who only reads takes no lock.
    from filelock import FileLock, Timeout

    holder = folder / "writer.pid"  # apart from the lock, whose file is emptied by whoever tries it
    lock = FileLock(folder / LOCK, timeout=timeout_s)
    try:
        lock.acquire()
    except Timeout:
        pid = (holder.read_text() if holder.exists() else "") or "unknown"
        raise LibraryLockedError(
            f"{folder} is locked by process {pid}, which is writing to it; wait for it or stop it"
        ) from None
    try:
        holder.write_text(str(os.getpid()))
        yield
    finally:
        lock.release()
