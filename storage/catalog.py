"""The truth about a library: what is known of roots, photos, contents and spaces.

Reading happens in a `View`, writing in a `Batch`; each is one transaction. A batch has a number, its
`change_seq`, one higher than the batch before it.
"""

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Self

from storage import statements
from storage.backend import Backend, choose_backend
from storage.batch import Batch
from storage.disk import refusals_told
from storage.errors import LibraryNotFoundError
from storage.migrations import is_old, migrate
from storage.view import Moment, Remembered, View

__all__ = ["Catalog"]

BUSY_TIMEOUT_S = 5.0


class Catalog:
    """The database of one library."""

    def __init__(self, backend: Backend) -> None:
        """Use `Catalog.open`."""
        self._backend = backend
        self._checked: Future[None] | None = None
        self._remembered = Remembered()

    @property
    def folder(self) -> Path:
        """The library's folder."""
        return self._backend.folder

    @property
    def name(self) -> str:
        """Where the catalog lies, for messages; without a password."""
        return self._backend.name

    @classmethod
    def open(
        cls,
        folder: Path,
        url: str = "",
        *,
        create: bool = False,
        busy_timeout_s: float = BUSY_TIMEOUT_S,
    ) -> "Catalog":
        """Open the library in `folder`, bringing an older schema up to date.

        Its catalog is at the `url` of a database, or a file in the folder itself. Raises LibraryNotFoundError,
        LibraryVersionError, CatalogDamagedError, or StorageError for what cannot hold a catalog or be reached.
        """
        backend = choose_backend(folder, url, busy_timeout_s)
        try:
            if not create:
                _require(backend)
            backend.connect()
            if is_old(backend.reads, backend.name):
                with refusals_told(folder), backend.writing(busy_timeout_s):
                    migrate(backend.writes, backend.name, backend.back_up_before)
        except BaseException:
            backend.close()
            raise
        return cls(backend)

    @staticmethod
    def exists(folder: Path, url: str = "") -> bool:
        """Whether a library lies there. Raises StorageError for a database that cannot be reached."""
        backend = choose_backend(folder, url, BUSY_TIMEOUT_S)
        try:
            return backend.exists()
        finally:
            backend.close()

    @staticmethod
    def require(folder: Path, url: str = "") -> None:
        """Raise LibraryNotFoundError where no library lies."""
        backend = choose_backend(folder, url, BUSY_TIMEOUT_S)
        try:
            _require(backend)
        finally:
            backend.close()

    def close(self) -> None:
        """Let go of every connection."""
        self._backend.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def check(self) -> None:
        """Raise CatalogDamagedError where the database finds itself damaged."""
        self._backend.check()

    @property
    def is_shared(self) -> bool:
        """Whether it lies on a server, for folders of several machines; the server's own tools make copies of it."""
        return bool(self._backend.home)

    def needs_backup(self, every_days: int) -> bool:
        """Whether the newest regular copy is older than that; never with 0 days, or where none are made."""
        return self._backend.needs_backup(every_days)

    def back_up(self, keep: int) -> Path:
        """Make a regular copy, and keep the newest so many. Raises StorageError."""
        return self._backend.back_up(keep)

    def drop_backups(self) -> None:
        """Delete every copy, those made before a migration too."""
        self._backend.drop_backups()

    def vacuum(self) -> bool:
        """Give the space of deleted rows back, so that nothing of them is left in the database's files.

        False where somebody reads so long that something is left, and it is to be repeated.
        """
        return self._backend.vacuum()

    def size(self) -> int:
        """Bytes that the catalog takes."""
        return self._backend.size()

    def is_being_written(self) -> bool:
        """Whether somebody is the writer now."""
        return self._backend.is_being_written()

    @contextmanager
    def writer(self) -> Iterator[None]:
        """Be the one writer of this library, or raise LibraryLockedError.

        The catalog is checked beside what is only read, since that takes as long as reading all of it; the
        first batch waits for the end of it. Raises CatalogDamagedError, at the latest when all is done, and
        StorageError for a disk that is full or failing.
        """
        with (
            refusals_told(self.folder),
            self._backend.writing(),
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
        with self._backend.reads.connect() as connection, connection.begin():
            yield Moment(connection, self._backend.home, self._remembered)

    @contextmanager
    def batch(self) -> Iterator["Batch"]:
        """Write in one transaction, the commit point; an exception undoes all of it."""
        if self._checked is not None:
            self._checked.result()
        with self._backend.writes.begin() as connection:
            seq = connection.scalar(statements.CHANGE_SEQ, {"key": "change_seq"})
            self._backend.admit(connection)
            batch = Batch(connection, int(seq or 0) + 1, self._backend.home)
            following = batch.point().following()
            yield batch
            for key, value in following.items():
                batch.set_meta(key, value)


def _require(backend: Backend) -> None:
    if not backend.exists():
        raise LibraryNotFoundError(
            f"no library at {backend.name}; make one with: glimpse build PATH --library {backend.folder}"
        )
