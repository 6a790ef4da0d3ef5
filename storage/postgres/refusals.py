"""What PostgreSQL and its driver refuse, as errors of ours: each in one line, with a remedy."""

import psycopg
from psycopg import errors

from storage.errors import CatalogDamagedError, GlimpseError, LibraryLockedError, StorageError

__all__ = ["as_ours"]

BEGAN = "connection failed"
"""How the driver's own words about a connection that did not come about begin."""
KEPT = "what was finished is kept"

# libpq tells why there is no connection in the server's words alone, which are English unless the server was told
# otherwise; the words are shown in any case.
REFUSED = {
    "password": "give the right one in PGPASSWORD, or in the file ~/.pgpass (PGPASSFILE names another)",
    "authentication failed": "name a user that the server lets in",
    "no pg_hba.conf entry": "let the server accept this user from here",
    "role": "name a user that the server has: postgresql+psycopg://USER@HOST/DATABASE",
    "database": "make it with: createdb",
    "too many": "let fewer programs at it, or raise the server's max_connections",
}
UNREACHABLE = "is the server running, and are host and port right?"


def as_ours(error: BaseException, name: str) -> GlimpseError | None:
    """The error for a catalog of that name; None for one that tells of a fault of the program's own."""
    if not isinstance(error, psycopg.Error):
        return None
    words = _one_line(error)
    match error:
        case errors.LockNotAvailable():
            return LibraryLockedError(
                f"{name} is held by another process; try again when that is done"
            )
        case errors.DataCorrupted() | errors.IndexCorrupted():
            return CatalogDamagedError(
                f"{name} is damaged ({words}); put back a copy that PostgreSQL's own tools have made"
            )
        case errors.InsufficientPrivilege():
            return StorageError(
                f"{name}: {words}; give Glimpse a database that its user owns: createdb --owner USER DATABASE"
            )
        case errors.ReadOnlySqlTransaction():
            return StorageError(
                f"{name} can only be read ({words}); name the server that is written to"
            )
        case errors.DiskFull() | errors.IoError():
            return StorageError(
                f"{name}: {words}; {KEPT}. Make room on the server and run it again"
            )
        case psycopg.OperationalError() if error.sqlstate is None and words.startswith(BEGAN):
            return StorageError(f"{name} cannot be opened ({_reason(words)}); {_remedy(words)}")
        case psycopg.OperationalError() | psycopg.InterfaceError():
            return StorageError(f"{name} answers no more ({words}); {KEPT}. Run it again")
    return None


def _one_line(error: psycopg.Error) -> str:
    if error.diag.message_primary:
        return " ".join(error.diag.message_primary.split())
    return next(iter(str(error).strip().splitlines()), type(error).__name__)


def _reason(words: str) -> str:
    return words.removeprefix(BEGAN).removeprefix(":").strip()


def _remedy(words: str) -> str:
    said = words.rpartition("failed:")[2]
    return next((remedy for word, remedy in REFUSED.items() if word in said), UNREACHABLE)
