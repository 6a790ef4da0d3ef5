"""The truth about a library: what is known of roots, photos, contents and spaces.

Reading happens in a `View`, writing in a `Batch`; each is one transaction. A batch has a number, its
`change_seq`, one higher than the batch before it.
"""

import sqlite3
import uuid
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import Engine

from storage import engine as sqlite
from storage import statements, wal
from storage.backups import back_up, backups, drop_backups, is_due
from storage.batch import Batch
from storage.disk import refusals_told
from storage.errors import LibraryNotFoundError
from storage.locking import writer_lock
from storage.migrations import create_schema, is_old, migrate
from storage.view import View

__all__ = ["Catalog"]


class Catalog:
    """The database of one library folder."""

    def __init__(self, folder: Path, engine: Engine) -> None:
        self.folder = folder
        self._engine = engine
        self._writes = engine.execution_options(write=True)
        self._checked: Future[None] | None = None

    @classmethod
    def open(cls, folder: Path, *, create: bool = False, busy_timeout_s: float = 5.0) -> "Catalog":
        """Open the library in `folder`, bringing an older schema up to date.

        Raises LibraryNotFoundError, LibraryVersionError, CatalogDamagedError, or StorageError for a
        folder on a network filesystem.
        """
        path = folder / sqlite.CATALOG
        if not create:
            cls.require(folder)
        if cls.exists(folder) and not path.exists():
            raise sqlite.damaged(path, "it is missing")
        sqlite.refuse_network_folder(folder)
        if wal.lost_commits(path):
            raise sqlite.damaged(path, wal.LOST)
        folder.mkdir(parents=True, exist_ok=True)
        catalog = cls(folder, sqlite.open_engine(path, busy_timeout_s))
        try:
            catalog._prepare(path, busy_timeout_s)
        except BaseException:
            catalog.close()
            raise
        return catalog

    @staticmethod
    def exists(folder: Path) -> bool:
        """Whether a library lies in the folder, be it the copies of its catalog alone."""
        path = folder / sqlite.CATALOG
        return path.exists() or bool(backups(path))

    @classmethod
    def require(cls, folder: Path) -> None:
        """Raise LibraryNotFoundError where no library lies in the folder."""
        if not cls.exists(folder):
            raise LibraryNotFoundError(
                f"no library at {folder}; make one with: glimpse build PATH --library {folder}"
            )

    def _prepare(self, path: Path, busy_timeout_s: float) -> None:
        # Two processes may come to an empty folder at once; the one that gets the write lock second
        # finds the schema there.
        with self._writes.begin() as connection:
            if not connection.dialect.has_table(connection, "meta"):
                if backups(path):  # of a library that was here
                    raise sqlite.damaged(path, "it is empty")
                create_schema(connection, uuid.uuid4().hex)
        if is_old(self._engine, str(self.folder)):
            with refusals_told(self.folder), writer_lock(self.folder, busy_timeout_s):
                migrate(
                    self._engine, str(self.folder), lambda v: back_up(self._engine, path, f"v{v}")
                )

    def close(self) -> None:
        """Let go of every connection."""
        self._engine.dispose()

    def check(self) -> None:
        """Raise CatalogDamagedError where SQLite finds the file damaged."""
        sqlite.check(self._engine, self.folder / sqlite.CATALOG)

    def needs_backup(self, every_days: int) -> bool:
        """Whether the newest regular copy is older than that; never with 0 days."""
        return is_due(self.folder / sqlite.CATALOG, every_days)

    def back_up(self, keep: int) -> Path:
        """Make a regular copy, and keep the newest so many. Raises StorageError."""
        return back_up(self._engine, self.folder / sqlite.CATALOG, keep=keep)

    def drop_backups(self) -> None:
        """Delete every copy, those made before a migration too."""
        drop_backups(self.folder / sqlite.CATALOG)

    def vacuum(self) -> None:
        """Give the space of deleted rows back, so that nothing of them is left in the file."""
        path = self.folder / sqlite.CATALOG
        with sqlite.errors_as_ours(path), self._engine.connect() as connection:
            driver = connection.connection.driver_connection
            assert isinstance(driver, sqlite3.Connection)
            driver.execute("VACUUM")
            driver.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    @contextmanager
    def writer(self) -> Iterator[None]:
        """Be the one writer of this library, or raise LibraryLockedError.

        The catalog is checked beside what is only read, since that takes as long as reading all of it; the
        first batch waits for the end of it. Raises CatalogDamagedError, at the latest when all is done, and
        StorageError for a disk that is full or failing.
        """
        with (
            refusals_told(self.folder),
            writer_lock(self.folder),
            ThreadPoolExecutor(1, "glimpse-check") as aside,
        ):
            self._checked = aside.submit(self.check)
            try:
                yield
                self._checked.result()
            finally:
                self._checked = None

    @contextmanager
    def view(self) -> Iterator["View"]:
        """Read in one transaction: everything seen belongs to one moment."""
        with self._engine.connect() as connection, connection.begin():
            yield View(connection)

    @contextmanager
    def batch(self) -> Iterator["Batch"]:
        """Write in one transaction, the commit point; an exception undoes all of it."""
        if self._checked is not None:
            self._checked.result()
        with self._writes.begin() as connection:
            seq = connection.scalar(statements.META, {"key": "change_seq"})
            batch = Batch(connection, int(seq or 0) + 1)
            yield batch
            batch.set_meta("change_seq", str(batch.seq))
