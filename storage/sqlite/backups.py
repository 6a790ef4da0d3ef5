"""Copies of the catalog, made with SQLite's online backup while others go on reading; the newest good one is named.

A copy is written aside, looked over by SQLite, flushed, and only then given its name: what has a name was whole. The
name ends with how the copy's SHA-256 begins, so that it can be told whether it still is.
"""

import hashlib
import math
import os
import re
import sqlite3
import time
from collections.abc import Iterable
from contextlib import closing, suppress
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
GRAIN_S = 10
"""That a copy may be ahead of the clock; one further ahead, made while the clock was wrong, counts as oldest."""


def backups(catalog: Path, label: str = "") -> list[Path]:
    """The copies beside a catalog file, the oldest first; those of one label, or all."""
    made = _made_at(catalog, label)
    return sorted(made, key=lambda path: (made[path], path.name))


def is_due(catalog: Path, every_days: int) -> bool:
    """Whether it is time for a regular copy; never with 0 days."""
    if not every_days:
        return False
    newest = max(_made_at(catalog, REGULAR).values(), default=-math.inf)
    return time.time() - newest > every_days * DAY_S


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
        older = [copy for copy in backups(catalog, label) if copy != target]
        _drop(older[: max(0, len(older) + 1 - keep)])
    return target


def was_changed(copy: Path) -> bool:
    """Whether a copy is not as it was made; those of an earlier Glimpse do not tell. Raises OSError."""
    named = NAMED.search(copy.name)
    return named is not None and not _digest(copy).startswith(named[1])


def drop_backups(catalog: Path) -> None:
    """Delete every copy: what is to be forgotten is in them, too."""
    _drop([*backups(catalog), *_leftovers(catalog)])


def _made_at(catalog: Path, label: str) -> dict[Path, float]:
    """When each copy was made; one that another program has deleted meanwhile is left out."""
    now, made = time.time(), dict[Path, float]()
    for path in catalog.parent.glob(f"{catalog.name}.{label}*{ENDING}"):
        with suppress(FileNotFoundError):
            moment = path.lstat().st_mtime
            made[path] = moment if moment <= now + GRAIN_S else -math.inf
    return made


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
