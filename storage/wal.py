"""The log beside the catalog, which holds commits that are not yet in the file itself; whether it is all there."""

import struct
from pathlib import Path

__all__ = ["LOST", "lost_commits", "pending_commits"]

LOST = "commits that were only in its -wal file are lost, since that file was deleted or cut"

# SQLite's index of the log, the file -shm, begins with the same header twice, and how many frames of the log are
# copied into the catalog (sqlite.org/walformat.html). Of a header we read up to the number of pages.
HEADER = struct.Struct("=3I2BH2I")
HEADER_SIZE = 48
COPIED = struct.Struct("=I")
START = 2 * HEADER_SIZE + COPIED.size
LOG_HEADER, FRAME_HEADER = 32, 24
LARGEST_PAGE = 65536
"""Bytes; stands as 1."""


def pending_commits(catalog: Path) -> bool:
    """Whether commits may lie in the log."""
    return _size(_beside(catalog, "-wal")) > 0


def lost_commits(catalog: Path) -> bool:
    """Whether commits have gone with the log that held them, as SQLite's index of it tells.

    A process that is killed leaves both; the last to end properly leaves neither.
    """
    # Looked at twice, since another process may have done something between the two files.
    return all(_lacks_frames(catalog, _read_start(_beside(catalog, "-shm"))) for _ in range(2))


def _lacks_frames(catalog: Path, index: bytes) -> bool:
    if len(index) < START or index[:HEADER_SIZE] != index[HEADER_SIZE : 2 * HEADER_SIZE]:
        return False  # none, or being written
    *_, is_whole, _, page, frames, _ = HEADER.unpack_from(index)
    (copied,) = COPIED.unpack_from(index, 2 * HEADER_SIZE)
    if not is_whole or frames <= copied:
        return False
    size: int = LOG_HEADER + frames * (FRAME_HEADER + (LARGEST_PAGE if page == 1 else page))
    return _size(_beside(catalog, "-wal")) < size


def _beside(catalog: Path, ending: str) -> Path:
    return catalog.with_name(catalog.name + ending)


def _read_start(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(START)
    except OSError:
        return b""


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0
