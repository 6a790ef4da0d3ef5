"""What the checks of all folders share: getting at what lies there, and taking away what is wrong."""

import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from indexer.verification.findings import Ledger, Part
from storage.discarding import discard

__all__ = ["entries", "is_abandoned", "take_away"]

ABANDONED_S = 3600.0
"""So old is what was written aside when nobody writes it any more: readers write some files, without the lock."""
ACCESS = os.R_OK | os.W_OK | os.X_OK


def entries(folder: Path, part: Part, ledger: Ledger) -> Iterator[Path]:
    """What lies in a folder of derived files, by name; nothing where it is not there.

    One that cannot be entered is made so, and what is no folder is taken away.
    """
    if not os.path.lexists(folder):
        return
    if not folder.is_dir():
        take_away(folder, part, "no folder, as it should be", ledger)
        return
    if not os.access(folder, ACCESS):
        _open_up(folder, part, ledger)
    try:
        yield from sorted(folder.iterdir())
    except OSError as error:
        ledger.note(part, folder, f"cannot be listed ({error.strerror})", "left", repaired=False)


def _open_up(folder: Path, part: Part, ledger: Ledger) -> None:
    def open_up() -> None:
        folder.chmod(folder.stat().st_mode | 0o700)

    _do(open_up, folder, part, "may not be entered and written to", "made accessible", ledger)


def take_away(path: Path, part: Part, what: str, ledger: Ledger, done: str = "deleted") -> bool:
    """Delete what is wrong, if repairing, and tell of it; whether that worked."""
    return _do(lambda: discard(path), path, part, what, done, ledger)


def _do(
    repair: Callable[[], object], path: Path, part: Part, what: str, done: str, ledger: Ledger
) -> bool:
    try:
        if ledger.repairing:
            repair()
    except OSError as error:
        ledger.note(
            part, path, what, f"left, since it cannot be {done} ({error.strerror})", repaired=False
        )
        return False
    ledger.note(part, path, what, done)
    return True


def is_abandoned(path: Path) -> bool:
    """Whether what was written aside is no longer being written."""
    try:
        return time.time() - path.lstat().st_mtime > ABANDONED_S
    except OSError:  # just now renamed
        return False
