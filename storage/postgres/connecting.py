"""Connections to PostgreSQL, whose errors arrive as ours."""

import os
import socket
from contextlib import suppress
from typing import Any

import psycopg
from sqlalchemy import URL, Engine, create_engine, event
from sqlalchemy.engine import ExceptionContext
from tzlocal import get_localzone_name

from storage.postgres.address import named
from storage.postgres.refusals import as_ours

__all__ = ["open_engine"]

CONNECT_TIMEOUT_S = 5
KEPT_OPEN, MORE = 8, 56
"""Connections: as many as are worth a process on the server, and as many as may be asked for at once."""
NAME_BYTES = 63
"""Of what a connection calls itself; PostgreSQL cuts what is longer."""
SETTINGS = {
    # A machine that has lost its power, or its network, is noticed within a minute, and its lock is free.
    "tcp_keepalives_idle": "30",
    "tcp_keepalives_interval": "10",
    "tcp_keepalives_count": "3",
}


class _Cursor(psycopg.Cursor[Any]):
    """Takes values as bytes, not as text: a vector is half as long then."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self.format = psycopg.pq.Format.BINARY


class _StreamedCursor(psycopg.ServerCursor[Any]):
    """The same of what is fetched in parts."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self.format = psycopg.pq.Format.BINARY


def open_engine(url: URL, busy_timeout_s: float) -> Engine:
    """An engine over the database; whoever waits for a lock on it gives up after that time.

    A connection that was lost while nobody used it is replaced.
    """
    given = {"connect_timeout": CONNECT_TIMEOUT_S, "application_name": _application_name()}
    engine = create_engine(
        url,
        connect_args={name: value for name, value in given.items() if name not in url.query}
        | {"cursor_factory": _Cursor},
        pool_size=KEPT_OPEN,
        max_overflow=MORE,
        pool_pre_ping=True,
        use_native_hstore=False,
    )
    settings = SETTINGS | {"lock_timeout": f"{max(1, round(busy_timeout_s * 1000))}ms"}

    @event.listens_for(engine, "connect")
    def _configure(connection: psycopg.Connection[Any], _record: Any) -> None:
        connection.server_cursor_factory = _StreamedCursor
        connection.autocommit = True
        calls = ", ".join(["set_config(%s, %s, false)"] * len(settings))
        values = [part for setting in settings.items() for part in setting]
        connection.execute(f"SELECT {calls}".encode(), values)
        with suppress(psycopg.DataError):  # a server that does not know our time zone keeps its own
            connection.execute("SELECT set_config('TimeZone', %s, false)", [get_localzone_name()])
        connection.autocommit = False

    @event.listens_for(engine, "handle_error")
    def _translate(context: ExceptionContext) -> None:
        if context.is_pre_ping:
            return
        ours = as_ours(context.original_exception, named(url))
        if ours is not None:
            raise ours from context.original_exception

    return engine


def _application_name() -> str:
    return f"glimpse {os.getpid()} on {socket.gethostname()}"[:NAME_BYTES]
