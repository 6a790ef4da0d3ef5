"""Copies of the catalog, made with SQLite's online backup while others go on reading; the newest good one is named.

A copy is written aside, looked over by SQLite, flushed, and only then given its name: what has a name was whole. The
name ends with how the copy's SHA-256 begins, so that it can be told whether it still is.
"""

import hashlib
import os
import re
import sqlite3
import time
from collections.abc import Iterable
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy import Engine

from storage.discarding import discard
from storage.disk import flush
from storage.errors import StorageError

__all__ = ["ENDING", "back_up", "backups", "drop_backups", "is_due", "was_changed"]

ENDING = ".backup"
ASIDE = ".tmp"
DIGITS = 16
NAMED = re.compile(rf"-([0-9a-f]{{{DIGITS}}}){re.escape(ENDING)}$")
REGULAR = "regular"
PAGES = 4096
"""Copied at a time; between two such steps writers get their turn."""
DAY_S = 86_400


def backups(catalog: Path, label: str = "") -> list[Path]:
    """The copies beside a catalog file, the oldest first; those of one label, or all."""
    found = catalog.parent.glob(f"{catalog.name}.{label}*{ENDING}")
    return sorted(found, key=lambda path: path.lstat().st_mtime_ns)


def is_due(catalog: Path, every_days: int) -> bool:
    """Whether it is time for a regular copy; never with 0 days."""
    if not every_days:
        return False
    made = backups(catalog, REGULAR)
    return not made or time.time() - made[-1].lstat().st_mtime > every_days * DAY_S


def back_up(engine: Engine, catalog: Path, label: str = REGULAR, keep: int | None = None) -> Path:
    """Copy the catalog beside itself, and keep the newest `keep` of this label; the copy.

    The writer alone does this: what one that was killed left behind goes. Raises StorageError, such as for a full
    disk, and then leaves all as it was.
    """
    stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%S%f")
    aside = catalog.with_name(f"{catalog.name}.{label}-{stamp}{ENDING}{ASIDE}")
    try:
        _drop(_leftovers(catalog))
        _copy(engine, aside)
        digest = _digest(aside)[:DIGITS]
        target = catalog.with_name(f"{catalog.name}.{label}-{stamp}-{digest}{ENDING}")
        os.replace(aside, target)
        flush(target.parent)
    except (OSError, sqlite3.Error) as error:
        raise StorageError(f"no copy of {catalog} could be made ({error}); make room") from error
    finally:
        _drop(_leftovers(catalog))
    if keep is not None:
        _drop(backups(catalog, label)[:-keep])
    return target


def was_changed(copy: Path) -> bool:
    """Whether a copy is not as it was made; those of an earlier Glimpse do not tell. Raises OSError."""
    named = NAMED.search(copy.name)
    return named is not None and not _digest(copy).startswith(named[1])


def drop_backups(catalog: Path) -> None:
    """Delete every copy: what is to be forgotten is in them, too."""
    _drop([*backups(catalog), *_leftovers(catalog)])


def _leftovers(catalog: Path) -> list[Path]:
    """Copies that were not finished, with SQLite's journals of them."""
    return list(catalog.parent.glob(f"{catalog.name}.*{ENDING}{ASIDE}*"))


def _copy(engine: Engine, target: Path) -> None:
    with engine.connect() as connection, closing(sqlite3.connect(target)) as copy:
        source = connection.connection.driver_connection
        assert isinstance(source, sqlite3.Connection)
        source.backup(copy, pages=PAGES)
        finding = copy.execute("PRAGMA quick_check(1)").fetchone()[0]
    if finding != "ok":
        raise sqlite3.DatabaseError(f"the copy is damaged: {finding}")
    with target.open("rb") as file:
        os.fsync(file.fileno())


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _drop(paths: Iterable[Path]) -> None:
    for path in paths:
        discard(path)
