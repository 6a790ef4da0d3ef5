"""What the disk does and does not: a name that lasts, and its refusals as errors of ours."""

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from storage.errors import StorageError

__all__ = ["flush", "reason_of", "refusals_told"]

REFUSALS = {errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EROFS, errno.EFBIG, errno.EACCES}


def flush(path: Path) -> None:
    """Make a file, or the names in a folder, last through a loss of power."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def refusals_told(folder: Path) -> Iterator[None]:
    """Raise StorageError, with a remedy, where the disk is full, read-only or failing; `folder` is the library's."""
    try:
        yield
    except OSError as error:
        if error.errno not in REFUSALS:
            raise
        raise StorageError(
            f"{error.filename or folder}: {error.strerror}; what was finished is kept. "
            f"Make sure that the disk has room and can be written to, and run it again"
        ) from error


def reason_of(error: Exception) -> str:
    """Why a file cannot be used, without its name."""
    if isinstance(error, FileNotFoundError):
        return "missing"
    if isinstance(error, OSError):
        return f"cannot be read ({error.strerror or error})"
    return str(error)
