"""The bytes of one file, as they stood at one moment."""

import errno
import os
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import BinaryIO

from indexer.errors import PictureError
from indexer.pictures.limits import Limits
from storage.records import Signature

__all__ = ["open_file", "read_file"]

_ATTEMPTS = 3
_PAUSE_S = 0.05
# A FIFO must not make open() wait, and no child of ours is to inherit the descriptor. The
# flags that a system lacks are left out: O_BINARY is Windows', the others are the rest's.
_FLAGS = os.O_RDONLY | sum(
    getattr(os, name, 0) for name in ("O_NONBLOCK", "O_CLOEXEC", "O_NOCTTY", "O_BINARY")
)
_NO_LINKS = getattr(os, "O_NOFOLLOW", 0)
_REASONS = {
    errno.ENOENT: "no longer there",
    errno.ENOTDIR: "no longer there",
    errno.EACCES: "no permission to read it",
    errno.EPERM: "no permission to read it",
    errno.ELOOP: "a link",
    errno.ENXIO: "not a regular file",  # a socket
    errno.EISDIR: "a folder",
}


class _ChangedError(Exception):
    """The file was written to while it was read."""


def read_file(
    path: bytes | str, limits: Limits, *, follow_links: bool = True
) -> tuple[bytes, Signature]:
    """Read a regular file whole, with its signature at that moment.

    Never waits on a FIFO, a socket or a device. Raises PictureError, whose message is the reason.
    """
    for attempt in range(_ATTEMPTS):
        if attempt:
            time.sleep(_PAUSE_S)
        try:
            with _failures_as_reasons():
                return _read_once(path, limits, follow_links)
        except _ChangedError:
            continue
    raise PictureError("changing while it is read")


def open_file(path: bytes | str, limits: Limits, *, follow_links: bool = True) -> BinaryIO:
    """Open a regular file for reading, without waiting. Raises PictureError as `read_file` does."""
    with _failures_as_reasons():
        descriptor = _open(os.fsencode(path), 0 if follow_links else _NO_LINKS)
        try:
            status = os.fstat(descriptor)
            if not stat.S_ISREG(status.st_mode):
                raise PictureError("not a regular file")
            limits.check_bytes(status.st_size)
            return open(descriptor, "rb")
        except BaseException:
            os.close(descriptor)
            raise


@contextmanager
def _failures_as_reasons() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        reason = _REASONS.get(error.errno or 0, f"cannot be read ({error.strerror or error})")
        raise PictureError(reason) from error
    except ValueError as error:  # a NUL in it
        raise PictureError("not a path") from error


def _read_once(path: bytes | str, limits: Limits, follow_links: bool) -> tuple[bytes, Signature]:
    with open_file(path, limits, follow_links=follow_links) as file:
        before = os.fstat(file.fileno())
        data = file.read(before.st_size + 1)  # the one byte more shows that it has grown
        signature = _signature(os.fstat(file.fileno()))
    if signature != _signature(before) or len(data) != before.st_size:
        raise _ChangedError
    return data, signature


def _signature(status: os.stat_result) -> Signature:
    return Signature(status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_dev)


def _open(path: bytes, flags: int) -> int:
    try:
        return os.open(path, _FLAGS | flags)
    except OSError as error:
        if error.errno != errno.ENAMETOOLONG or os.open not in os.supports_dir_fd:
            raise
        return _open_stepwise(path, flags)


def _open_stepwise(path: bytes, flags: int) -> int:
    """Open a path that is too long for the kernel (4096 bytes on Linux), folder by folder."""
    *folders, name = path.split(b"/")
    descriptor = os.open(b"/" if path.startswith(b"/") else b".", _FLAGS)
    for folder in filter(None, folders):
        try:
            below = os.open(folder, _FLAGS | os.O_DIRECTORY, dir_fd=descriptor)
        finally:
            os.close(descriptor)
        descriptor = below
    try:
        return os.open(name, _FLAGS | flags, dir_fd=descriptor)
    finally:
        os.close(descriptor)
