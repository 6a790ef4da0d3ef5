"""What SQLite and PostgreSQL say each in its own way, in one place."""

import os
from collections.abc import Sequence
from typing import Any, Final

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Dialect,
    Table,
    Text,
    TypeDecorator,
    bindparam,
    cast,
    func,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.expression import FunctionElement
from sqlalchemy.types import Boolean, TypeEngine

__all__ = [
    "TEXT",
    "among",
    "calls_python",
    "is_no_blob",
    "local_time",
    "path_contains",
    "unindexed",
    "upsert",
]

POSTGRESQL = "postgresql"


class _PostgresText(TypeDecorator[str]):
    """Text in the order of its code points, as SQLite has it; PostgreSQL takes no NUL in it."""

    impl = Text(collation="C")
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:
        return str(value).replace("\0", "\ufffd") if value else value


TEXT: Final[TypeEngine[str]] = Text().with_variant(_PostgresText(), POSTGRESQL)
"""The type of every column of text."""


def upsert(dialect: str, table: Table) -> sqlite.Insert | postgresql.Insert:
    """An INSERT, in the dialect of that name, that may say what is to be done about a row that is there already."""
    return postgresql.insert(table) if dialect == POSTGRESQL else sqlite.insert(table)


def calls_python(dialect: str) -> bool:
    """Whether statements may call functions of the program's, such as `path_contains`."""
    return dialect != POSTGRESQL


def path_contains(text: str, *parts: bytes) -> bool:
    """Whether a path has this text in it, in any case."""
    path = "/".join(os.fsdecode(part).rstrip("/") for part in parts if part)
    return text.casefold() in path.casefold()


def among(dialect: str, column: ColumnElement[int], ids: Sequence[int]) -> ColumnElement[bool]:
    """Whether a column is one of so many ids that they could not be bound one by one."""
    plain = [int(id) for id in ids]
    if dialect == POSTGRESQL:
        array = cast(bindparam("among", plain, unique=True), postgresql.ARRAY(BigInteger))
        return column == func.any(array)
    return column.in_(bindparam("among", plain, unique=True, expanding=True, literal_execute=True))


class local_time(FunctionElement[str]):  # noqa: N801
    """Nanoseconds since 1970 as "2023-05-01T17:30:00", by the clocks of where the program runs."""

    type = TEXT
    inherit_cache = True


@compiles(local_time)
def _local_time_sqlite(element: local_time, compiler: SQLCompiler, **how: Any) -> str:
    ns = compiler.process(element.clauses, **how)
    return f"strftime('%Y-%m-%dT%H:%M:%S', {ns} / 1000000000, 'unixepoch', 'localtime')"


@compiles(local_time, POSTGRESQL)
def _local_time_postgresql(element: local_time, compiler: SQLCompiler, **how: Any) -> str:
    ns = compiler.process(element.clauses, **how)  # the session has our time zone
    return f"""to_char(to_timestamp({ns} / 1000000000), 'YYYY-MM-DD"T"HH24:MI:SS') COLLATE "C\""""


class unindexed(FunctionElement[str]):  # noqa: N801
    """A column that nearly all rows have the same value in: SQLite's index of it would lead through all of them."""

    type = TEXT
    inherit_cache = True


@compiles(unindexed)
def _unindexed_sqlite(element: unindexed, compiler: SQLCompiler, **how: Any) -> str:
    return f"+{compiler.process(element.clauses, **how)}"


@compiles(unindexed, POSTGRESQL)
def _unindexed_postgresql(element: unindexed, compiler: SQLCompiler, **how: Any) -> str:
    return compiler.process(element.clauses, **how)  # its planner counts


class is_no_blob(FunctionElement[bool]):  # noqa: N801
    """Whether a value is not of its column's type, bytes; only SQLite lets that be."""

    type = Boolean()
    inherit_cache = True


@compiles(is_no_blob)
def _is_no_blob_sqlite(element: is_no_blob, compiler: SQLCompiler, **how: Any) -> str:
    return f"(typeof({compiler.process(element.clauses, **how)}) <> 'blob')"


@compiles(is_no_blob, POSTGRESQL)
def _is_no_blob_postgresql(element: is_no_blob, compiler: SQLCompiler, **how: Any) -> str:
    return "FALSE"
