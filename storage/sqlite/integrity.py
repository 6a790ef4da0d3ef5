"""Whether a catalog of SQLite's is sound: its own checks, and what must hold between its rows. Writes nothing.

What is damaged here is nowhere else to be had, so nothing repairs it: it is told, with the newest backup that is
sound itself, and how to put that in its place.
"""

from collections.abc import Iterator
from pathlib import Path

from sqlalchemy.exc import DatabaseError

from storage.checks import CHECKS, Look, OnStep, findings
from storage.errors import StorageError
from storage.sqlite import engine, wal
from storage.sqlite.backups import was_changed
from storage.view import View

__all__ = ["damage"]

MOST_FINDINGS = 10
"""Of SQLite's: a page that is damaged may be behind hundreds."""


def damage(catalog: Path, on_step: OnStep = lambda *_: None, *, is_copy: bool = False) -> list[str]:
    """What is wrong with a catalog's file, in words; nothing where it is sound.

    Of a copy (`is_copy`) it does not matter that the library has come further since. Raises LibraryVersionError
    for a schema that is not this program's, and StorageError for a file that cannot be read.
    """
    if not catalog.is_file():
        return ["it is no file" if catalog.exists() else "it is missing"]
    if is_copy and _was_changed(catalog):
        return ["it is not what was written"]
    if not is_copy and wal.lost_commits(catalog, cut=True):
        return [wal.LOST]
    alone = is_copy or not wal.pending_commits(catalog)
    before = _moment(catalog)
    found = _look(catalog, on_step, alone=alone, is_copy=is_copy)
    if alone and _moment(catalog) != before:  # it was not alone
        return _look(catalog, on_step, alone=False, is_copy=is_copy)
    return found


def _was_changed(copy: Path) -> bool:
    try:
        return was_changed(copy)
    except OSError as error:
        raise StorageError(f"{copy} cannot be read ({error.strerror})") from error


def _moment(catalog: Path) -> tuple[int, int, bool]:
    try:
        now = catalog.stat()
    except OSError as error:
        raise StorageError(f"{catalog} cannot be read ({error.strerror})") from error
    return now.st_size, now.st_mtime_ns, wal.pending_commits(catalog)


def _look(catalog: Path, on_step: OnStep, *, alone: bool, is_copy: bool) -> list[str]:
    try:
        with engine.reading(catalog, alone=alone) as connection:
            look = Look(View(connection), str(catalog), catalog.parent, on_step, is_copy)
            return findings(look, (_by_sqlite, *CHECKS))
    except DatabaseError as error:
        if not engine.is_damage(error.orig) and hasattr(error.orig, "sqlite_errorcode"):
            raise StorageError(f"{catalog} cannot be read ({error.orig})") from error
        return [" ".join(str(error.orig).split())]


def _by_sqlite(look: Look) -> Iterator[str]:
    look.on_step("pages of the catalog", 0, 0)
    execute = look.view.connection.exec_driver_sql
    for (line,) in execute(f"PRAGMA integrity_check({MOST_FINDINGS})"):
        if line != "ok":
            yield " ".join(str(line).split())
    for table, row, other, _ in execute("PRAGMA foreign_key_check"):
        yield f"row {row} of {table} names a row of {other} that is not there"
