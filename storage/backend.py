"""What a catalog needs of the database that it lies in; the two that there are, and which one is meant."""

from contextlib import AbstractContextManager
from pathlib import Path
from typing import Protocol

from sqlalchemy import Connection, Engine

from storage.sqlite import SqliteBackend

__all__ = ["Backend", "choose_backend"]


class Backend(Protocol):
    """A database for the catalog of one library; it is reached by `connect`, and by `exists` for a moment."""

    @property
    def folder(self) -> Path:
        """The library's folder."""

    @property
    def name(self) -> str:
        """Where the catalog lies, for messages; without a password."""

    @property
    def home(self) -> str:
        """The library's folder among those that share the catalog; empty for the one that holds it."""

    @property
    def reads(self) -> Engine:
        """Whose transactions see one moment, and write nothing."""

    @property
    def writes(self) -> Engine:
        """Whose transactions write."""

    def exists(self) -> bool:
        """Whether a library lies there."""

    def connect(self) -> None:
        """Reach the database, with an empty schema where there was none.

        Raises CatalogDamagedError, or StorageError for one that cannot be used.
        """

    def close(self) -> None:
        """Let go of every connection."""

    def check(self) -> None:
        """Raise CatalogDamagedError where the database finds itself damaged."""

    def writing(self, timeout_s: float = 0) -> AbstractContextManager[None]:
        """Be the one writer, or raise LibraryLockedError, which tells who is."""

    def is_being_written(self) -> bool:
        """Whether somebody is the writer now."""

    def admit(self, connection: Connection) -> None:
        """Raise StorageError within a transaction of a writer that is the writer no more."""

    def back_up_before(self, version: int) -> object:
        """Make a copy before the schema is taken from this version to a later one, where copies are made."""

    def needs_backup(self, every_days: int) -> bool:
        """Whether the newest regular copy is older than that; never with 0 days, or where none are made."""

    def back_up(self, keep: int) -> Path:
        """Make a regular copy, and keep the newest so many. Raises StorageError."""

    def drop_backups(self) -> None:
        """Delete every copy."""

    def vacuum(self) -> bool:
        """Leave nothing of deleted rows in the database's files; False where somebody reads: it is to be repeated."""

    def size(self) -> int:
        """Bytes that the catalog takes."""


def choose_backend(folder: Path, url: str, busy_timeout_s: float) -> Backend:
    """The database that a URL names; SQLite in the library's folder where it is empty.

    Raises UsageError for a URL of another kind, and StorageError where the driver for it is missing.
    """
    if not url:
        return SqliteBackend(folder, busy_timeout_s)
    from storage.postgres import PostgresBackend  # deferred: its driver need not be there

    return PostgresBackend(folder, url, busy_timeout_s)
