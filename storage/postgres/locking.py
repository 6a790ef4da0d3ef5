"""One writer at a time, across machines: an advisory lock that a connection of its own holds.

The server frees it as that connection ends, however it ends. A writer whose connection was lost may find the lock
with another, so each of its transactions first makes sure that it still has it.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from sqlalchemy import Connection, Engine, text

from storage.errors import LibraryLockedError, StorageError

__all__ = ["Lock", "is_being_written"]

AGAIN_S = 0.1
"""After so long a lock that another has is tried again."""
GRACE_S = 1.0
"""The server may need so long to see that a process has ended."""
LOCK = 0x676C6D70
"""Ours, among all that a database is used for; the second number tells libraries in schemas of one database apart."""
TRY = text("SELECT pg_try_advisory_lock(:lock, hashtext(current_schema()))")
FREE = text("SELECT pg_advisory_unlock(:lock, hashtext(current_schema()))")
HELD = (
    "pg_locks WHERE locktype = 'advisory' AND granted AND objsubid = 2 AND classid = :lock "
    "AND objid = hashtext(current_schema())::oid "
    "AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
)
IS_HELD = text(f"SELECT EXISTS (SELECT FROM {HELD})")
IS_OURS = text(f"SELECT EXISTS (SELECT FROM {HELD} AND pid = :pid)")
HOLDER = text(
    f"SELECT application_name FROM pg_stat_activity WHERE pid IN (SELECT pid FROM {HELD})"
)
LAST = text("SELECT value FROM meta WHERE key = 'change_seq' FOR UPDATE")


def is_being_written(engine: Engine) -> bool:
    """Whether anybody has the lock now."""
    with engine.connect() as connection:
        return bool(connection.scalar(IS_HELD, {"lock": LOCK}))


class Lock:
    """The lock of the catalog of that name."""

    def __init__(self, engine: Engine, name: str) -> None:
        self._engine, self._name = engine, name
        self._holder: int | None = None
        """The process on the server that has it for us."""

    @contextmanager
    def held(self, timeout_s: float) -> Iterator[None]:
        """Hold it, or raise LibraryLockedError, which names its holder, after that time."""
        with self._engine.connect() as pooled:
            connection = pooled.execution_options(isolation_level="AUTOCOMMIT")
            connection.detach()  # so that it ends with us
            self._take(connection, timeout_s)
            self._settle()
            self._holder = connection.scalar(text("SELECT pg_backend_pid()"))
            try:
                yield
            finally:
                self._holder = None
                with suppress(StorageError):  # the connection is lost, and the lock with it
                    connection.scalar(FREE, {"lock": LOCK})

    def require(self, connection: Connection) -> None:
        """Raise StorageError where the lock was ours and is no more; for a transaction that holds up all others."""
        if self._holder is None:
            return
        if not connection.scalar(IS_OURS, {"lock": LOCK, "pid": self._holder}):
            raise StorageError(
                f"the connection that kept {self._name} for this process was lost, so nothing more is written; "
                f"what was finished is kept. Run it again"
            )

    def _take(self, connection: Connection, timeout_s: float) -> None:
        deadline = time.monotonic() + max(timeout_s, GRACE_S)
        while not connection.scalar(TRY, {"lock": LOCK}):
            if time.monotonic() >= deadline:
                holder = connection.scalar(HOLDER, {"lock": LOCK}) or "a process unknown"
                raise LibraryLockedError(
                    f"{self._name} is locked by {_as_process(str(holder))}, which is writing to it; "
                    f"wait for it or stop it"
                )
            time.sleep(AGAIN_S)

    def _settle(self) -> None:
        """Wait for the last transaction of a writer that lost the lock to us."""
        with self._engine.begin() as connection:
            connection.execute(LAST)


def _as_process(application: str) -> str:
    return application.replace("glimpse ", "process ", 1)
