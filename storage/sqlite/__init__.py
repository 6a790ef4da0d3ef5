"""A catalog in a file of the library's folder, by SQLite."""

from storage.sqlite.backend import SqliteBackend

__all__ = ["SqliteBackend"]
