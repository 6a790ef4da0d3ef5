"""What holds of a library at every moment, whatever ended the process that wrote to it."""

import os
import sqlite3
from contextlib import closing
from pathlib import Path

import numpy as np

from storage import embedded, snapshots
from storage.catalog import Catalog
from storage.homes import CATALOG
from storage.records import SpaceRecord
from storage.view import View

__all__ = ["BrokenPromiseError", "embedded_ever", "litter", "promise", "sound"]


class BrokenPromiseError(AssertionError):
    """A promise of the library does not hold."""


def promise(holds: bool, otherwise: str) -> None:
    """Raise BrokenPromiseError, saying what is the case instead."""
    if not holds:
        raise BrokenPromiseError(otherwise)


def sound(library: Path) -> None:
    """Look over the catalog, and hold what its snapshots give against it. Raises BrokenPromiseError."""
    with closing(sqlite3.connect(library / CATALOG)) as database:
        (finding,) = database.execute("PRAGMA integrity_check").fetchone()
        promise(finding == "ok", f"catalog: {finding}")
        strays = database.execute("PRAGMA foreign_key_check").fetchall()
        promise(not strays, f"rows that refer to nothing: {strays}")
    with closing(Catalog.open(library)) as catalog, catalog.view() as view:
        for space in view.spaces():
            _same_vectors(view, library, space)
        _nothing_is_later(view)
        _photos_have_their_contents(view)


def _same_vectors(view: View, library: Path, space: SpaceRecord) -> None:
    """By what was published, and by the catalog alone."""
    index = snapshots.load(view, library, space)
    ids, vectors = embedded.rows(view, space, after=0)
    promise(index.ids().tolist() == ids.tolist(), f"{space.name}: FAISS has other ids")
    same = np.allclose(index.vectors(ids), vectors, atol=1e-6)
    promise(same, f"{space.name}: FAISS has other vectors")


def _nothing_is_later(view: View) -> None:
    """No row comes from a transaction after the last."""
    for table, column in (
        ("embeddings", "change_seq"),
        ("removals", "change_seq"),
        ("snapshots", "max_seq"),
    ):
        latest = view.connection.exec_driver_sql(f"SELECT max({column}) FROM {table}").scalar()
        promise((latest or 0) <= view.change_seq(), f"{table}: {latest} is still to come")


def _photos_have_their_contents(view: View) -> None:
    """A photo has its bytes or a reason; bytes are called orphans just where no photo has them."""
    for fault, where in {
        "photos without bytes or reason": "FROM photos WHERE content_id IS NULL AND reason IS NULL",
        "bytes marked wrongly": "FROM contents WHERE (orphaned_at IS NULL) = (id NOT IN "
        "(SELECT content_id FROM photos WHERE content_id IS NOT NULL))",
    }.items():
        count = view.connection.exec_driver_sql(f"SELECT count(*) {where}").scalar()
        promise(not count, f"{count} {fault}")


def embedded_ever(library: Path) -> int:
    """How many contents ever came in, each with its vectors: ids are given once."""
    with closing(sqlite3.connect(library / CATALOG)) as database:
        query = "SELECT seq FROM sqlite_sequence WHERE name = 'contents'"
        return int(database.execute(query).fetchone()[0])


def litter(library: Path) -> list[str]:
    """Files that nothing refers to: snapshots without a record, and what was left half-written."""
    with closing(sqlite3.connect(library / CATALOG)) as database:
        recorded = {name for (name,) in database.execute("SELECT file FROM snapshots")}
    published = set((library / snapshots.SNAPSHOTS).glob("*"))
    orphans = {path for path in published if path.name not in recorded}
    unfinished = {path for path in library.rglob("*") if ".tmp" in path.name}
    return sorted(os.path.relpath(path, library) for path in orphans | unfinished)
