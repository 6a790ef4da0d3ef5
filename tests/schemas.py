"""The schema of a catalog: what is in it, and how to take it back to the first."""

import sqlite3
from contextlib import closing
from pathlib import Path

__all__ = ["columns_of", "indices_of", "make_first"]


def make_first(path: Path) -> None:
    """Bring a catalog that has no tags back to the first schema."""
    with closing(sqlite3.connect(path)) as database:
        database.executescript(
            "DROP TABLE tags; ALTER TABLE contents DROP COLUMN phash;"
            "DROP INDEX contents_orphaned; DROP INDEX embeddings_without_vector;"
            "DROP INDEX embeddings_by_content;"
            "ALTER TABLE snapshots DROP COLUMN folder;"
            "UPDATE meta SET value = '1' WHERE key = 'schema_version'"
        )


def columns_of(path: Path) -> set[tuple[str, str, str, int, int]]:
    """Table, column, type, whether it must be set, and its place in the key."""
    with closing(sqlite3.connect(path)) as database:
        tables = database.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
        return {
            (table, column, kind, not_null, key)
            for (table,) in tables
            for _, column, kind, not_null, _, key in database.execute(f"PRAGMA table_info({table})")
        }


def indices_of(path: Path) -> set[tuple[str, str, str]]:
    """Name, table and statement."""
    with closing(sqlite3.connect(path)) as database:
        found = database.execute(
            "SELECT name, tbl_name, sql FROM sqlite_master WHERE sql LIKE '%INDEX%'"
        )
        return {(name, table, " ".join(sql.split())) for name, table, sql in found}
