"""Whether a catalog is sound: SQLite's own checks, and what must hold between its rows. Writes nothing.

What is damaged here is nowhere else to be had, so nothing repairs it: it is told, with the newest backup that is
sound itself, and how to put that in its place.
"""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from sqlalchemy import func, select
from sqlalchemy.exc import DatabaseError

from storage import auditing, wal
from storage import engine as sqlite
from storage.backups import was_changed
from storage.errors import LibraryVersionError, StorageError
from storage.migrations import NEWEST, schema_version
from storage.records import VECTOR_DTYPE, SpaceRecord
from storage.rules import rules
from storage.tables import embeddings, meta
from storage.view import View

__all__ = ["OnStep", "damage"]

OnStep = Callable[[str, int, int], object]
"""Gets what is looked at, how much of it is done, and of how much."""

MOST_FINDINGS = 10
"""Of SQLite's: a page that is damaged may be behind hundreds."""
EXAMPLES = 3
AT_ONCE = 4096
LENGTH_OFF = 2e-3
"""How far from 1 a vector's length may be: float16 rounds it off by at most half a thousandth."""


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
    now = catalog.stat()
    return now.st_size, now.st_mtime_ns, wal.pending_commits(catalog)


def _look(catalog: Path, on_step: OnStep, *, alone: bool, is_copy: bool) -> list[str]:
    try:
        with sqlite.reading(catalog, alone=alone) as connection:
            for check in (_by_sqlite, _by_tables, _by_rows, _by_vectors, _by_snapshots):
                found = list(check(View(connection), catalog, on_step, is_copy))
                if found:  # what comes after counts on it
                    return found
    except DatabaseError as error:
        if not sqlite.is_damage(error.orig) and hasattr(error.orig, "sqlite_errorcode"):
            raise StorageError(f"{catalog} cannot be read ({error.orig})") from error
        return [" ".join(str(error.orig).split())]
    return []


def _by_sqlite(view: View, catalog: Path, on_step: OnStep, is_copy: bool) -> Iterator[str]:
    on_step("pages of the catalog", 0, 0)
    for (line,) in view.connection.exec_driver_sql(f"PRAGMA integrity_check({MOST_FINDINGS})"):
        if line != "ok":
            yield " ".join(str(line).split())


def _by_tables(view: View, catalog: Path, on_step: OnStep, is_copy: bool) -> Iterator[str]:
    if not view.connection.dialect.has_table(view.connection, meta.name):
        yield "it is empty"
        return
    version = schema_version(view.connection)
    if not version:
        yield "it does not say which schema it has"
        return
    if version > NEWEST or (version < NEWEST and not is_copy):
        raise LibraryVersionError(
            f"{catalog} has schema {version}, and this Glimpse checks {NEWEST}; "
            + ("install the Glimpse that wrote it" if version > NEWEST else OLDER)
        )
    if version < NEWEST:
        return
    if not view.library_id() or not (view.get_meta("change_seq") or "").isdecimal():
        yield "it does not say which library it is, or how far it has come"


OLDER = "let another verb bring it up to date first, such as: glimpse status"


def _by_rows(view: View, catalog: Path, on_step: OnStep, is_copy: bool) -> Iterator[str]:
    on_step("rows of the catalog", 0, 0)
    if schema_version(view.connection) < NEWEST:  # a copy made before a migration
        return
    for table, row, other, _ in view.connection.exec_driver_sql("PRAGMA foreign_key_check"):
        yield f"row {row} of {table} names a row of {other} that is not there"
    for what, query in rules(view.change_seq()):
        rows = query.subquery()
        count = view.connection.scalar(select(func.count()).select_from(rows))
        if count:
            ids = view.connection.scalars(query.limit(EXAMPLES))
            yield f"{what}: {count} ({', '.join(map(str, ids))}{', …' if count > EXAMPLES else ''})"


def _by_vectors(view: View, catalog: Path, on_step: OnStep, is_copy: bool) -> Iterator[str]:
    for space in view.spaces():
        bad = list[int]()
        for done, (ids, vectors) in enumerate(_vectors(view, space)):
            on_step("vectors", done * AT_ONCE, 0)
            lengths = np.linalg.norm(vectors, axis=1)
            sound = np.isfinite(lengths) & (np.abs(lengths - 1) <= LENGTH_OFF)
            bad += ids[~sound].tolist()
        if bad:
            some = ", ".join(map(str, bad[:EXAMPLES]))
            more = ", …" if len(bad) > EXAMPLES else ""
            yield f"vectors of space {space.name} have not the length 1: {len(bad)} (content {some}{more})"


def _vectors(view: View, space: SpaceRecord) -> Iterator[tuple[Any, Any]]:
    """All vectors of a space, also of contents that no photo has: ids (n,) and float32 (n, dim), in parts."""
    query = select(embeddings.c.content_id, embeddings.c.vector).where(
        embeddings.c.space_id == space.id, embeddings.c.vector.is_not(None)
    )
    for part in view.connection.execute(query).partitions(AT_ONCE):
        joined = b"".join(row[1] for row in part)
        vectors = np.frombuffer(joined, VECTOR_DTYPE).reshape(-1, space.dim)
        yield np.array([row[0] for row in part]), vectors.astype(np.float32)


def _by_snapshots(view: View, catalog: Path, on_step: OnStep, is_copy: bool) -> Iterator[str]:
    on_step("vectors beside the snapshots", 0, 0)
    for space in view.spaces():
        yield from auditing.disagreements(view, catalog.parent, space)
    for path in () if is_copy else auditing.ahead(view, catalog.parent):
        yield (
            f"{path} was written later than all that it knows, so what came between is lost; if you put an older "
            f"catalog there yourself, delete that file"
        )
