"""From an older schema to this one: append-only steps, each in one transaction with its number.

A new library is created from `tables.py` as it stands. A step, once released, is never edited: it brings a
catalog from the version before it to its own.
"""

from collections.abc import Callable, Sequence

from sqlalchemy import Connection, Engine, select, update

from storage.errors import LibraryVersionError
from storage.tables import meta, metadata

__all__ = [
    "MIGRATIONS",
    "NEWEST",
    "Migration",
    "create_schema",
    "is_old",
    "migrate",
    "schema_version",
]

Migration = Callable[[Connection], None]


def m002_tags_and_perceptual_hashes(connection: Connection) -> None:
    """Tags, and a perceptual hash for each content."""
    connection.exec_driver_sql("ALTER TABLE contents ADD COLUMN phash BLOB")
    connection.exec_driver_sql(
        "CREATE TABLE tags (content_id INTEGER NOT NULL REFERENCES contents (id), label TEXT NOT NULL, "
        "confidence FLOAT NOT NULL, by_hand BOOLEAN NOT NULL, PRIMARY KEY (content_id, label))"
    )
    connection.exec_driver_sql("CREATE INDEX tags_by_label ON tags (label, confidence)")


def m003_indices_of_what_is_rare(connection: Connection) -> None:
    """Contents without a photo, and without a vector, are found without a look at the others."""
    connection.exec_driver_sql(
        "CREATE INDEX contents_orphaned ON contents (orphaned_at) WHERE orphaned_at IS NOT NULL"
    )
    connection.exec_driver_sql(
        "CREATE INDEX embeddings_without_vector ON embeddings (space_id, content_id) WHERE vector IS NULL"
    )


def m004_snapshots_of_several_folders(connection: Connection) -> None:
    """Each snapshot with the folder that it lies in."""
    connection.exec_driver_sql("ALTER TABLE snapshots ADD COLUMN folder TEXT NOT NULL DEFAULT ''")


def m005_index_of_what_is_forgotten(connection: Connection) -> None:
    """The vectors of a content are found without a look at those of the others."""
    connection.exec_driver_sql("CREATE INDEX embeddings_by_content ON embeddings (content_id)")


MIGRATIONS: Sequence[Migration] = (
    m002_tags_and_perceptual_hashes,
    m003_indices_of_what_is_rare,
    m004_snapshots_of_several_folders,
    m005_index_of_what_is_forgotten,
)
"""Step i brings version i + 1 to version i + 2."""

FIRST_VERSION = 1
NEWEST = FIRST_VERSION + len(MIGRATIONS)


def create_schema(connection: Connection, library_id: str) -> None:
    """Lay the newest schema into an empty database."""
    metadata.create_all(connection)
    rows = {
        "schema_version": str(NEWEST),
        "library_id": library_id,
        "change_seq": "0",
    }
    connection.execute(meta.insert(), [{"key": k, "value": v} for k, v in rows.items()])


def schema_version(connection: Connection) -> int:
    """The version that the catalog says it has; 0 where it says none."""
    value = connection.scalar(select(meta.c.value).where(meta.c.key == "schema_version"))
    return int(value) if value and value.isdecimal() else 0


def is_old(engine: Engine, name: str, migrations: Sequence[Migration] = MIGRATIONS) -> bool:
    """Whether the catalog's schema is older than the newest.

    Raises LibraryVersionError for one that is newer than this program.
    """
    newest = FIRST_VERSION + len(migrations)
    with engine.connect() as connection:
        found = schema_version(connection)
    if not FIRST_VERSION <= found <= newest:
        raise LibraryVersionError(
            f"{name} has schema {found}; this Glimpse reads {FIRST_VERSION} to {newest}. "
            f"Install the Glimpse that wrote it, or build a new library with --library"
        )
    return found < newest


def migrate(
    engine: Engine,
    name: str,
    back_up: Callable[[int], object],
    migrations: Sequence[Migration] = MIGRATIONS,
) -> None:
    """Bring the catalog to the newest schema; `back_up(version)` copies it aside before the first step.

    The writer alone does this. Raises LibraryVersionError for a schema that is newer than this program.
    """
    if not is_old(engine, name, migrations):
        return
    with engine.connect() as connection:
        found = schema_version(connection)
    back_up(found)
    for number in range(found, FIRST_VERSION + len(migrations)):
        with engine.begin() as connection:
            migrations[number - FIRST_VERSION](connection)
            connection.execute(
                update(meta).where(meta.c.key == "schema_version").values(value=str(number + 1))
            )
