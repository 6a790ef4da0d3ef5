"""A catalog in a PostgreSQL database; the library's folder has what is made from it, for one machine.

PostgreSQL looks after its own files, and its own tools make copies of a database: Glimpse makes none.
"""

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path

from sqlalchemy import Connection, Engine, inspect, text

from storage.errors import StorageError
from storage.homes import CATALOG, mark_folder
from storage.locking import is_being_written, writer_lock
from storage.migrations import create_schema
from storage.postgres.address import named, parse
from storage.tables import meta, metadata
from storage.view import View

try:
    from storage.postgres import locking
    from storage.postgres.connecting import open_engine
    from storage.postgres.vacuuming import vacuum
except ImportError as error:
    raise StorageError(
        f"a catalog on PostgreSQL needs its driver ({error}); install it with: pip install 'glimpse[postgres]'"
    ) from error

__all__ = ["PostgresBackend"]

CREATING = 0x676C6D71
"""Of the lock of those who come to an empty database at once."""
CREATOR = text("SELECT pg_advisory_xact_lock(:lock, hashtext(current_schema()))")
COLUMNS = text(
    "SELECT count(*) FROM pg_attribute "
    "WHERE attrelid = to_regclass('meta') AND attname IN ('key', 'value')"
)
READING = {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True}


class PostgresBackend:
    """PostgreSQL, at the URL of a database. Raises UsageError for a URL that is none."""

    def __init__(self, folder: Path, url: str, busy_timeout_s: float) -> None:
        self.folder = folder
        self.home = ""
        self._url = parse(url)
        self._busy_timeout_s = busy_timeout_s

    @property
    def name(self) -> str:
        return named(self._url)

    @cached_property
    def writes(self) -> Engine:
        return open_engine(self._url, self._busy_timeout_s)

    @cached_property
    def reads(self) -> Engine:
        return self.writes.execution_options(**READING)

    @cached_property
    def _lock(self) -> locking.Lock:
        return locking.Lock(self.writes, self.name)

    def exists(self) -> bool:
        with self.reads.connect() as connection:
            return _is_ours(connection)

    def connect(self) -> None:
        if (self.folder / CATALOG).exists():
            raise StorageError(
                f"{self.folder} holds a catalog of its own, and `catalog` under [library] names {self.name}; name "
                f"another folder with --library, or leave `catalog` out"
            )
        with self.reads.connect() as connection:
            self._require_unicode(connection)
            is_there = _is_ours(connection)
        if not is_there:
            self._create()
        with self.reads.connect() as connection:
            library = View(connection).library_id()
        self.home = mark_folder(self.folder, library, self.name).folder

    def close(self) -> None:
        if "writes" in vars(self):
            self.writes.dispose()

    def check(self) -> None:
        pass  # the server notices damage as it reads

    @contextmanager
    def writing(self, timeout_s: float = 0) -> Iterator[None]:
        self.folder.mkdir(parents=True, exist_ok=True)
        with writer_lock(self.folder, timeout_s), self._lock.held(timeout_s):
            yield

    def is_being_written(self) -> bool:
        return is_being_written(self.folder) or locking.is_being_written(self.writes)

    def admit(self, connection: Connection) -> None:
        self._lock.require(connection)

    def back_up_before(self, version: int) -> object:
        return None  # each step is one transaction

    def needs_backup(self, every_days: int) -> bool:
        return False

    def back_up(self, keep: int) -> Path:
        raise StorageError(f"Glimpse makes no copies of {self.name}; PostgreSQL's own pg_dump does")

    def drop_backups(self) -> None:
        pass

    def vacuum(self) -> bool:
        """Write the tables anew; where somebody reads for long, only have PostgreSQL use the space again."""
        with self.writes.connect() as pooled:
            connection = pooled.execution_options(isolation_level="AUTOCOMMIT")
            for table in metadata.tables:
                vacuum(connection, table)
        return True

    def size(self) -> int:
        tables = ", ".join(f"('{table}')" for table in metadata.tables)
        query = f"SELECT sum(pg_total_relation_size(name::regclass)) FROM (VALUES {tables}) AS ours (name)"
        with self.reads.connect() as connection:
            return int(connection.scalar(text(query)) or 0)

    def _create(self) -> None:
        """Lay the schema into an empty database; of those who come to it at once, one does."""
        with self.writes.begin() as connection:
            connection.execute(CREATOR, {"lock": CREATING})
            if _is_ours(connection):
                return
            others = sorted(metadata.tables.keys() & set(inspect(connection).get_table_names()))
            if others:
                raise StorageError(
                    f"{self.name} has tables of another program that are called as ours ({', '.join(others)}); "
                    f"give Glimpse a database of its own: createdb"
                )
            create_schema(connection, uuid.uuid4().hex)

    def _require_unicode(self, connection: Connection) -> None:
        driver = connection.connection.driver_connection
        encoding = driver.info.parameter_status("server_encoding") if driver else None
        if encoding != "UTF8":
            raise StorageError(
                f"{self.name} has the encoding {encoding}, which has not every character; make another database: "
                f"createdb --encoding UTF8 --template template0"
            )


def _is_ours(connection: Connection) -> bool:
    """Whether there is a catalog, and not just a table of such a name."""
    return connection.scalar(COLUMNS) == len(meta.columns) and bool(View(connection).library_id())
