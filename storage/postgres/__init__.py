"""A catalog on a PostgreSQL server, which several machines may share."""

from storage.postgres.backend import PostgresBackend

__all__ = ["PostgresBackend"]
