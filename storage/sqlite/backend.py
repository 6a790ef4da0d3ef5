"""A catalog in a file of the library's folder, by SQLite."""

import sqlite3
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path

from sqlalchemy import Connection, Engine

from storage.errors import StorageError
from storage.homes import CATALOG, mark_of
from storage.locking import is_being_written, writer_lock
from storage.migrations import create_schema
from storage.sqlite import engine, wal
from storage.sqlite.backups import back_up, backups, drop_backups, is_due

__all__ = ["SqliteBackend"]


class SqliteBackend:
    """SQLite, with copies of the file beside it."""

    home = ""

    def __init__(self, folder: Path, busy_timeout_s: float) -> None:
        self.folder = folder
        self._path = folder / CATALOG
        self._busy_timeout_s = busy_timeout_s

    @property
    def name(self) -> str:
        return str(self.folder)

    @cached_property
    def reads(self) -> Engine:
        return engine.open_engine(self._path, self._busy_timeout_s)

    @cached_property
    def writes(self) -> Engine:
        return self.reads.execution_options(write=True)

    def exists(self) -> bool:
        """Whether a library lies in the folder, be it the copies of its catalog alone."""
        self._refuse_marked()
        return self._path.exists() or bool(backups(self._path))

    def connect(self) -> None:
        if self.exists() and not self._path.exists():
            raise engine.damaged(self._path, "it is missing")
        engine.refuse_network_folder(self.folder)
        if wal.lost_commits(self._path):
            raise engine.damaged(self._path, wal.LOST)
        self.folder.mkdir(parents=True, exist_ok=True)
        # A writer may hold the lock for long, and whoever only searches needs none.
        with self.reads.begin() as connection:
            is_there = _has_schema(connection)
        if not is_there:
            self._create()

    def _create(self) -> None:
        """Lay the schema into an empty file; of those who come to it at once, one does."""
        with self.writes.begin() as connection:
            if _has_schema(connection):
                return
            if backups(self._path):  # of a library that was here
                raise engine.damaged(self._path, "it is empty")
            create_schema(connection, uuid.uuid4().hex)

    def _refuse_marked(self) -> None:
        if mark := mark_of(self.folder):
            raise StorageError(
                f"{self.folder} belongs to the catalog {mark.catalog}; name it as `catalog` under [library] in "
                f"config.toml, or name another folder with --library"
            )

    def close(self) -> None:
        if "reads" in vars(self):
            self.reads.dispose()

    def check(self) -> None:
        engine.check(self.reads, self._path)

    @contextmanager
    def writing(self, timeout_s: float = 0) -> Iterator[None]:
        with writer_lock(self.folder, timeout_s):
            yield

    def is_being_written(self) -> bool:
        return is_being_written(self.folder)

    def admit(self, connection: Connection) -> None:
        pass  # the kernel keeps the lock as long as the process

    def back_up_before(self, version: int) -> object:
        return back_up(self.reads, self._path, f"v{version}")

    def needs_backup(self, every_days: int) -> bool:
        return is_due(self._path, every_days)

    def back_up(self, keep: int) -> Path:
        return back_up(self.reads, self._path, keep=keep)

    def drop_backups(self) -> None:
        """Those made before a migration too."""
        drop_backups(self._path)

    def vacuum(self) -> bool:
        with engine.errors_as_ours(self._path), self.reads.connect() as connection:
            driver = connection.connection.driver_connection
            assert isinstance(driver, sqlite3.Connection)
            driver.execute("VACUUM")
            (is_busy, *_) = driver.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        return not is_busy

    def size(self) -> int:
        """With its log, and its copies."""
        return sum(file.stat().st_size for file in self.folder.glob(f"{CATALOG}*"))


def _has_schema(connection: Connection) -> bool:
    return connection.dialect.has_table(connection, "meta")
