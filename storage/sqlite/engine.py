"""The catalog's database connection: SQLite in WAL mode, whose errors arrive as ours."""

import logging
import math
import os
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, NullPool, QueuePool, create_engine, event
from sqlalchemy.engine import ExceptionContext
from sqlalchemy.exc import DisconnectionError
from sqlalchemy.pool import ConnectionPoolEntry

from storage.dialects import path_contains
from storage.errors import CatalogDamagedError, GlimpseError, LibraryLockedError, StorageError
from storage.sqlite.backups import backups

__all__ = [
    "check",
    "damaged",
    "errors_as_ours",
    "is_damage",
    "open_engine",
    "reading",
    "refuse_network_folder",
]

log = logging.getLogger(__name__)

NETWORK_FILESYSTEMS = {"nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "afs", "ceph", "fuse.sshfs"}


FUNCTIONS: tuple[tuple[str, int, Callable[..., float | None]], ...] = (
    # Not every SQLite is compiled with mathematics.
    ("sin", 1, lambda x: None if x is None else math.sin(x)),
    ("cos", 1, lambda x: None if x is None else math.cos(x)),
    ("path_contains", 4, path_contains),
)
"""What our SQL may call."""

CONNECTIONS = 64
"""Kept open: as many as ask at once. More are opened and closed again, which takes as long as a question."""

FILE = "file"
"""Under which a connection notes the file that it is to."""

MOUNTS = Path("/proc/self/mounts")


def open_engine(catalog: Path, busy_timeout_s: float) -> Engine:
    """An engine over the catalog file, made if missing.

    A connection with the execution option `write=True` takes the write lock as it begins, so that a
    transaction never fails half-way for want of it. On a medium that cannot be written to it is only read.
    """
    where = _address(catalog, _mode(catalog))

    def connect() -> sqlite3.Connection:
        return sqlite3.connect(where, busy_timeout_s, uri=True, check_same_thread=False)

    engine = create_engine("sqlite://", creator=connect, poolclass=QueuePool, pool_size=CONNECTIONS)

    @event.listens_for(engine, "connect")
    def _configure(connection: sqlite3.Connection, _record: Any) -> None:
        connection.isolation_level = None  # we say BEGIN ourselves, below
        for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON"):
            connection.execute(f"PRAGMA {pragma}")
        for name, arguments, function in FUNCTIONS:
            connection.create_function(name, arguments, function, deterministic=True)

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        writes = connection.get_execution_options().get("write", False)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

    @event.listens_for(engine, "handle_error")
    def _translate(context: ExceptionContext) -> None:
        ours = _as_ours(context.original_exception, catalog)
        if ours is not None:
            raise ours from context.original_exception

    _follow(engine, catalog)
    return engine


def _follow(engine: Engine, catalog: Path) -> None:
    """Let no connection be used that is to another file than the one that lies there now, as after a restore.

    While none lies there SQLite would make an empty one.
    """
    was_there = False

    @event.listens_for(engine, "do_connect")
    def _require(*_: object) -> None:
        if was_there:
            _identity(catalog)

    @event.listens_for(engine, "connect")
    def _note(_connection: sqlite3.Connection, entry: ConnectionPoolEntry) -> None:
        nonlocal was_there
        was_there = True
        entry.info[FILE] = _identity(catalog)

    @event.listens_for(engine, "checkout")
    def _compare(_connection: object, entry: ConnectionPoolEntry, _proxy: object) -> None:
        if entry.info[FILE] != _identity(catalog):
            raise DisconnectionError


def _identity(catalog: Path) -> tuple[int, int]:
    try:
        status = os.stat(catalog)
    except OSError as error:
        raise damaged(catalog, "it is missing") from error
    return status.st_dev, status.st_ino


def _address(catalog: Path, mode: str) -> str:
    return f"{Path(os.path.abspath(catalog)).as_uri()}?{mode}"


def _mode(catalog: Path) -> str:
    """How SQLite is to open it. Where it cannot lay its log beside the file, nobody else can either."""
    if not _is_read_only(catalog.parent):
        return "mode=rwc"
    return "mode=ro" if os.path.exists(f"{catalog}-wal") else "immutable=1"


def _is_read_only(folder: Path) -> bool:
    """Whether the file system is one that is mounted for reading alone."""
    try:
        return bool(os.statvfs(folder).f_flag & os.ST_RDONLY)
    except (AttributeError, OSError):  # Windows has no such call
        return False


@contextmanager
def reading(catalog: Path, *, alone: bool) -> Iterator[Connection]:
    """A connection that writes nothing into a catalog, nor beside it where it reads `alone`, without any lock.

    Its errors are SQLite's own.
    """
    where = _address(catalog, "immutable=1" if alone else "mode=ro")

    def connect() -> sqlite3.Connection:
        return sqlite3.connect(where, uri=True, isolation_level=None)

    engine = create_engine("sqlite://", creator=connect, poolclass=NullPool)
    try:
        with engine.connect() as connection:
            connection.exec_driver_sql("BEGIN")
            yield connection
            connection.exec_driver_sql("ROLLBACK")
    finally:
        engine.dispose()


def is_damage(error: BaseException | None) -> bool:
    """Whether SQLite says that the file itself is damaged."""
    if not isinstance(error, sqlite3.Error):
        return False
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    return bool(code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB))


@contextmanager
def errors_as_ours(catalog: Path) -> Iterator[None]:
    """The same for what is asked of SQLite past SQLAlchemy."""
    try:
        yield
    except sqlite3.Error as error:
        ours = _as_ours(error, catalog)
        if ours is None:
            raise
        raise ours from error


def _as_ours(error: BaseException, catalog: Path) -> GlimpseError | None:
    if not isinstance(error, sqlite3.Error):
        return None
    if is_damage(error):
        return damaged(catalog, str(error))
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    match code:
        case sqlite3.SQLITE_BUSY | sqlite3.SQLITE_LOCKED:
            return LibraryLockedError(
                f"{catalog} is held by another process; try again when that is done"
            )
        case sqlite3.SQLITE_FULL | sqlite3.SQLITE_IOERR:
            return StorageError(
                f"{catalog.parent}: {error}; what was finished is kept. Free some space and run it again"
            )
        case sqlite3.SQLITE_READONLY | sqlite3.SQLITE_CANTOPEN | sqlite3.SQLITE_PERM:
            return StorageError(
                f"{catalog}: {error}; the library's folder must be readable and writable by you"
            )
    return None


def damaged(catalog: Path, finding: str) -> CatalogDamagedError:
    """The refusal to touch a damaged catalog, naming the newest backup beside it."""
    copies = backups(catalog)
    remedy = (
        f"The newest backup is {copies[-1]}; `glimpse verify` tells whether it is whole, and how to put it back"
        if copies
        else "There is no backup; build a new library with --library"
    )
    finding = " ".join(finding.split())
    return CatalogDamagedError(f"{catalog} is damaged ({finding}); nothing was changed. {remedy}")


def check(engine: Engine, catalog: Path) -> None:
    """Let SQLite look the catalog over; raises CatalogDamagedError with its first finding."""
    with engine.connect() as connection:
        finding = connection.exec_driver_sql("PRAGMA quick_check(1)").scalar()
    if finding != "ok":
        raise damaged(catalog, str(finding))


def refuse_network_folder(folder: Path) -> None:
    """Raise StorageError where the folder lies on a network filesystem, since WAL fails there."""
    filesystem = _filesystem_of(folder.resolve())
    if filesystem in NETWORK_FILESYSTEMS:
        raise StorageError(
            f"{folder} lies on a network filesystem ({filesystem}), where SQLite cannot keep a catalog "
            f"safe; name a folder on a local disk with --library (the photos may stay where they are)"
        )


def _filesystem_of(folder: Path) -> str | None:
    if not MOUNTS.exists():  # not Linux
        return None
    best: tuple[int, str | None] = (-1, None)
    for line in MOUNTS.read_text(errors="surrogateescape").splitlines():
        _device, mount, filesystem, *_ = line.split(" ")
        mount = mount.encode().decode("unicode_escape")  # spaces stand as \040
        if folder.is_relative_to(mount) and len(mount) >= best[0]:
            best = (len(mount), filesystem)
    return best[1]
