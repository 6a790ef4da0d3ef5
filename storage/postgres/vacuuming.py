"""Writing a table anew, which waits until nobody reads it, and has all who come later wait behind it."""

import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from sqlalchemy import Connection

from storage.errors import LibraryLockedError

__all__ = ["vacuum"]

PATIENCE_MS = 200
"""For so long a search may wait behind a rewriting that waits itself."""
TRIES, PAUSE_S = 3, 0.5


def vacuum(connection: Connection, table: str) -> None:
    """Write a table anew; where somebody reads for long, only have PostgreSQL use the space again."""
    with _impatient(connection):
        is_anew = _write_anew(connection, table)
    if not is_anew:
        connection.exec_driver_sql(f"VACUUM (ANALYZE) {table}")


def _write_anew(connection: Connection, table: str) -> bool:
    for number in range(TRIES):
        time.sleep(PAUSE_S if number else 0)
        with suppress(LibraryLockedError):
            connection.exec_driver_sql(f"VACUUM (FULL, ANALYZE) {table}")
            return True
    return False


@contextmanager
def _impatient(connection: Connection) -> Iterator[None]:
    usual = connection.exec_driver_sql("SHOW lock_timeout").scalar_one()
    connection.exec_driver_sql(f"SET lock_timeout = {PATIENCE_MS}")
    try:
        yield
    finally:
        connection.exec_driver_sql(f"SET lock_timeout = '{usual}'")
