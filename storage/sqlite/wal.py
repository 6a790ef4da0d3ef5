"""The log beside the catalog, which holds commits that are not yet in the file itself; whether it is all there.

None of SQLite's files is opened here: when a process closes a file, the system drops all locks that it has on it,
those of its connections among them, and another process would then write over what they use. So a child looks.
"""

import struct
import subprocess
import sys
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
READ = "import sys; sys.stdout.buffer.write(open(sys.argv[1], 'rb').read(int(sys.argv[2])))"


def pending_commits(catalog: Path) -> bool:
    """Whether commits may lie in the log."""
    return _size(_beside(catalog, "-wal")) > 0


def lost_commits(catalog: Path, *, cut: bool = False) -> bool:
    """Whether commits have gone with the log that held them, as SQLite's index of it tells; with `cut`, in part, too.

    A process that is killed leaves both; the last to end properly leaves neither.
    """
    index, log = _beside(catalog, "-shm"), _beside(catalog, "-wal")
    if not index.exists() or (log.exists() and not cut):
        return False
    # Looked at twice, since another process may do something between the two files.
    return all(_lacks_frames(log, _read_start(index)) for _ in range(2))


def _lacks_frames(log: Path, index: bytes) -> bool:
    if len(index) < START or index[:HEADER_SIZE] != index[HEADER_SIZE : 2 * HEADER_SIZE]:
        return False  # none, or being written
    *_, is_whole, _, page, frames, _ = HEADER.unpack_from(index)
    (copied,) = COPIED.unpack_from(index, 2 * HEADER_SIZE)
    if not is_whole or frames <= copied:
        return False
    size: int = LOG_HEADER + frames * (FRAME_HEADER + (LARGEST_PAGE if page == 1 else page))
    return _size(log) < size


def _beside(catalog: Path, ending: str) -> Path:
    return catalog.with_name(catalog.name + ending)


def _read_start(path: Path) -> bytes:
    command = [sys.executable, "-I", "-S", "-c", READ, str(path), str(START)]
    return subprocess.run(command, capture_output=True).stdout


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0
