"""The truth about a library: what is known of roots, photos, contents and spaces.

Reading happens in a `View`, writing in a `Batch`; each is one transaction. A batch has a number, its
`change_seq`, one higher than the batch before it.
"""

import sqlite3
import time
import uuid
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import (
    Connection,
    Engine,
    bindparam,
    delete,
    exists,
    insert,
    select,
    update,
)
from sqlalchemy.dialects.sqlite import insert as upsert

from storage import engine as sqlite
from storage import statements, wal
from storage.backups import back_up, backups, drop_backups, is_due
from storage.disk import refusals_told
from storage.errors import LibraryNotFoundError
from storage.locking import writer_lock
from storage.migrations import create_schema, is_old, migrate
from storage.records import (
    ContentRecord,
    EmbeddingRecord,
    FileRecord,
    KnownFile,
    RootRecord,
    SpaceRecord,
    State,
)
from storage.tables import (
    contents,
    embeddings,
    meta,
    photos,
    removals,
    roots,
    snapshots,
    spaces,
    tags,
)

__all__ = ["Batch", "Catalog", "View"]

CHUNK = 500  # ids in one IN (…), well below the least limit on variables that SQLite has had (999)
STATES = {state.value: state for state in State}


def chunked(ids: Sequence[int]) -> Iterator[list[int]]:
    """The ids in lists that fit one statement, as plain ints: SQLite stores a numpy integer as a blob."""
    for start in range(0, len(ids), CHUNK):
        yield [int(i) for i in ids[start : start + CHUNK]]


class Catalog:
    """The database of one library folder."""

    def __init__(self, folder: Path, engine: Engine) -> None:
        self.folder = folder
        self._engine = engine
        self._writes = engine.execution_options(write=True)
        self._checked: Future[None] | None = None

    @classmethod
    def open(cls, folder: Path, *, create: bool = False, busy_timeout_s: float = 5.0) -> "Catalog":
        """Open the library in `folder`, bringing an older schema up to date.

        Raises LibraryNotFoundError, LibraryVersionError, CatalogDamagedError, or StorageError for a
        folder on a network filesystem.
        """
        path = folder / sqlite.CATALOG
        if not create:
            cls.require(folder)
        if cls.exists(folder) and not path.exists():
            raise sqlite.damaged(path, "it is missing")
        sqlite.refuse_network_folder(folder)
        if wal.lost_commits(path):
            raise sqlite.damaged(path, wal.LOST)
        folder.mkdir(parents=True, exist_ok=True)
        catalog = cls(folder, sqlite.open_engine(path, busy_timeout_s))
        try:
            catalog._prepare(path, busy_timeout_s)
        except BaseException:
            catalog.close()
            raise
        return catalog

    @staticmethod
    def exists(folder: Path) -> bool:
        """Whether a library lies in the folder, be it the copies of its catalog alone."""
        path = folder / sqlite.CATALOG
        return path.exists() or bool(backups(path))

    @classmethod
    def require(cls, folder: Path) -> None:
        """Raise LibraryNotFoundError where no library lies in the folder."""
        if not cls.exists(folder):
            raise LibraryNotFoundError(
                f"no library at {folder}; make one with: glimpse build PATH --library {folder}"
            )

    def _prepare(self, path: Path, busy_timeout_s: float) -> None:
        # Two processes may come to an empty folder at once; the one that gets the write lock second
        # finds the schema there.
        with self._writes.begin() as connection:
            if not connection.dialect.has_table(connection, "meta"):
                if backups(path):  # of a library that was here
                    raise sqlite.damaged(path, "it is empty")
                create_schema(connection, uuid.uuid4().hex)
        if is_old(self._engine, str(self.folder)):
            with refusals_told(self.folder), writer_lock(self.folder, busy_timeout_s):
                migrate(
                    self._engine, str(self.folder), lambda v: back_up(self._engine, path, f"v{v}")
                )

    def close(self) -> None:
        """Let go of every connection."""
        self._engine.dispose()

    def check(self) -> None:
        """Raise CatalogDamagedError where SQLite finds the file damaged."""
        sqlite.check(self._engine, self.folder / sqlite.CATALOG)

    def needs_backup(self, every_days: int) -> bool:
        """Whether the newest regular copy is older than that; never with 0 days."""
        return is_due(self.folder / sqlite.CATALOG, every_days)

    def back_up(self, keep: int) -> Path:
        """Make a regular copy, and keep the newest so many. Raises StorageError."""
        return back_up(self._engine, self.folder / sqlite.CATALOG, keep=keep)

    def drop_backups(self) -> None:
        """Delete every copy, those made before a migration too."""
        drop_backups(self.folder / sqlite.CATALOG)

    def vacuum(self) -> None:
        """Give the space of deleted rows back, so that nothing of them is left in the file."""
        path = self.folder / sqlite.CATALOG
        with sqlite.errors_as_ours(path), self._engine.connect() as connection:
            driver = connection.connection.driver_connection
            assert isinstance(driver, sqlite3.Connection)
            driver.execute("VACUUM")
            driver.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    @contextmanager
    def writer(self) -> Iterator[None]:
        """Be the one writer of this library, or raise LibraryLockedError.

        The catalog is checked beside what is only read, since that takes as long as reading all of it; the
        first batch waits for the end of it. Raises CatalogDamagedError, at the latest when all is done, and
        StorageError for a disk that is full or failing.
        """
        with (
            refusals_told(self.folder),
            writer_lock(self.folder),
            ThreadPoolExecutor(1, "glimpse-check") as aside,
        ):
            self._checked = aside.submit(self.check)
            try:
                yield
                self._checked.result()
            finally:
                self._checked = None

    @contextmanager
    def view(self) -> Iterator["View"]:
        """Read in one transaction: everything seen belongs to one moment."""
        with self._engine.connect() as connection, connection.begin():
            yield View(connection)

    @contextmanager
    def batch(self) -> Iterator["Batch"]:
        """Write in one transaction, the commit point; an exception undoes all of it."""
        if self._checked is not None:
            self._checked.result()
        with self._writes.begin() as connection:
            seq = connection.scalar(statements.META, {"key": "change_seq"})
            batch = Batch(connection, int(seq or 0) + 1)
            yield batch
            batch.set_meta("change_seq", str(batch.seq))


class View:
    """What can be read in one transaction."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection

    def get_meta(self, key: str) -> str | None:
        """A value of the library itself, such as `default_space`."""
        return self.connection.scalar(statements.META, {"key": key})

    def library_id(self) -> str:
        """What tells the library from any other, and stays when its folder moves."""
        return self.get_meta("library_id") or ""

    def change_seq(self) -> int:
        """The number of the newest batch."""
        return int(self.get_meta("change_seq") or 0)

    def roots(self) -> list[RootRecord]:
        """Every root, in the order of their paths."""
        return [
            RootRecord(*row)
            for row in self.connection.execute(select(roots).order_by(roots.c.path))
        ]

    def spaces(self) -> list[SpaceRecord]:
        """Every embedding space, oldest first."""
        return [
            SpaceRecord(*row)
            for row in self.connection.execute(select(spaces).order_by(spaces.c.id))
        ]

    def folders(self, root_id: int) -> set[bytes]:
        """The folders of a root that hold a known file, relative to it."""
        query = select(photos.c.folder).where(photos.c.root_id == root_id).distinct()
        return set(self.connection.scalars(query))

    def known_files(
        self, root_id: int, folder: bytes, space_id: int | None
    ) -> dict[bytes, KnownFile]:
        """What is known of the files directly in a folder, by name.

        `embedded` tells whether the space has an answer for the content, a vector or a reason.
        """
        done = exists().where(
            embeddings.c.space_id == (space_id or 0), embeddings.c.content_id == photos.c.content_id
        )
        columns = photos.c["name", "state", *KnownFile._fields[:-2]]
        query = select(*columns, done).where(photos.c.root_id == root_id, photos.c.folder == folder)
        return {
            name: KnownFile._make((*known, STATES[state], is_done))
            for name, state, *known, is_done in self.connection.execute(query).all()
        }

    def content_sizes(self) -> set[int]:
        """Sizes in bytes of all known contents: only a file of such a size can be a copy of one."""
        return set(self.connection.scalars(select(contents.c.size).distinct()))

    def orphans(self, older_than_s: float) -> list[tuple[int, bytes]]:
        """Ids and hashes of contents that no photo has had for that long."""
        due = contents.c.orphaned_at <= time.time() - older_than_s
        rows = self.connection.execute(select(contents.c.id, contents.c.sha256).where(due))
        return [(id, sha256) for id, sha256 in rows]

    def content_id(self, sha256: bytes) -> int | None:
        """The content with these bytes."""
        return self.connection.scalar(statements.CONTENT_ID, {"sha256": sha256})

    def content_ids(self, hashes: Sequence[bytes]) -> dict[bytes, int]:
        """The contents with these bytes, by hash; those that are not known are left out."""
        found = dict[bytes, int]()
        for start in range(0, len(hashes), CHUNK):
            chosen = contents.c.sha256.in_(hashes[start : start + CHUNK])
            rows = self.connection.execute(select(contents.c.sha256, contents.c.id).where(chosen))
            found.update((row[0], row[1]) for row in rows)
        return found

    def with_vector(self, content_ids: Sequence[int], space_id: int) -> set[int]:
        """Those of the contents that the space has a vector for."""
        has = (embeddings.c.space_id == space_id) & embeddings.c.vector.is_not(None)
        query = select(embeddings.c.content_id).where(has)
        return {
            id
            for ids in chunked(content_ids)
            for id in self.connection.scalars(query.where(embeddings.c.content_id.in_(ids)))
        }

    def has_vector(self, content_id: int, space_id: int) -> bool:
        """Whether the space has a vector for the content."""
        asked = {"content_id": content_id, "space_id": space_id}
        return self.connection.execute(statements.VECTOR_OF, asked).first() is not None


class Batch(View):
    """What can be written in one transaction."""

    def __init__(self, connection: Connection, seq: int) -> None:
        super().__init__(connection)
        self.seq = seq

    def set_meta(self, key: str, value: str) -> None:
        """Set a value of the library itself."""
        row = upsert(meta).values(key=key, value=value)
        self.connection.execute(
            row.on_conflict_do_update(index_elements=["key"], set_={"value": value})
        )

    def add_root(self, path: bytes) -> int:
        """Record a root; its id."""
        return self._id(insert(roots).values(path=path).returning(roots.c.id))

    def set_root_offline(self, root_id: int, reason: str | None) -> None:
        """Mark a root, with its photos, as offline for a reason; None brings the root back alone."""
        self.connection.execute(
            update(roots).where(roots.c.id == root_id).values(offline_reason=reason)
        )
        if reason:
            self.connection.execute(
                update(photos)
                .where(photos.c.root_id == root_id, photos.c.state == State.PRESENT)
                .values(state=State.OFFLINE)
            )

    def add_space(self, name: str, model: str, fingerprint: str, dim: int, reads_text: bool) -> int:
        """Record an embedding space; its id."""
        values = {"name": name, "model": model, "fingerprint": fingerprint}
        row = insert(spaces).values(**values, dim=dim, reads_text=reads_text)
        return self._id(row.returning(spaces.c.id))

    def set_model(self, space: SpaceRecord) -> None:
        """Record what was found out of a space's model; its vectors and snapshots stay."""
        said = {"fingerprint": space.fingerprint}
        self.connection.execute(
            update(spaces)
            .where(spaces.c.id == space.id)
            .values(reads_text=space.reads_text, **said)
        )
        self.connection.execute(
            update(snapshots).where(snapshots.c.space_id == space.id).values(**said)
        )

    def add_content(self, content: ContentRecord) -> int:
        """Record bytes by their hash, or find them again; their id."""
        known = self.content_id(content.sha256)
        if known is not None:
            return known
        return int(self.connection.execute(statements.ADD_CONTENT, content.columns()).scalar_one())

    def add_contents(self, records: Iterable[ContentRecord]) -> dict[bytes, int]:
        """Record many at once, those that are not known; the ids of all by their hash."""
        new = {record.sha256: record for record in records}
        known = self.content_ids(list(new))
        missing = [record.columns() for digest, record in new.items() if digest not in known]
        if missing:
            self.connection.execute(insert(contents), missing)
        return known | self.content_ids([row["sha256"] for row in missing])

    def put_files(self, files: Sequence[FileRecord], before: Iterable[int]) -> None:
        """Record many files, each with content, as they are now; `before` are the contents that they had."""
        if files:
            self.connection.execute(statements.PUT_FILE, [file.columns() for file in files])
        for ids in chunked(sorted({file.content_id or 0 for file in files})):
            lonely = contents.c.id.in_(ids) & contents.c.orphaned_at.is_not(None)
            for content_id in self.connection.scalars(select(contents.c.id).where(lonely)).all():
                self._revive(content_id)
        self._orphan(sorted(set(before)))

    def put_file(self, file: FileRecord) -> None:
        """Record a file as it is now; the same path again replaces what was known of it."""
        before = self._content_of(file)
        self.connection.execute(statements.PUT_FILE, file.columns())
        if file.content_id is not None:
            self._revive(file.content_id)
        if before is not None and before != file.content_id:
            self._orphan([before])

    def move_file(self, photo_id: int, file: FileRecord) -> None:
        """Give a photo that was found elsewhere its new path; it keeps its id."""
        self.connection.execute(
            update(photos).where(photos.c.id == photo_id).values(**file.columns())
        )

    def set_states(self, photo_ids: Sequence[int], state: State) -> None:
        """Set the state of photos that are known."""
        for ids in chunked(photo_ids):
            self.connection.execute(update(photos).where(photos.c.id.in_(ids)).values(state=state))

    def remove_files(self, photo_ids: Sequence[int]) -> None:
        """Forget files; contents that no photo has any more leave every space."""
        touched: set[int] = set()
        for ids in chunked(photo_ids):
            gone = delete(photos).where(photos.c.id.in_(ids)).returning(photos.c.content_id)
            touched.update(c for c in self.connection.scalars(gone) if c is not None)
        self._orphan(sorted(touched))

    def put_embeddings(self, rows: Iterable[EmbeddingRecord]) -> None:
        """Record vectors, or why there is none; the same content again replaces what was there."""
        values = [
            {
                "space_id": row.space_id,
                "content_id": row.content_id,
                "vector": row.blob(),
                "reason": row.reason,
                "change_seq": self.seq,
            }
            for row in rows
        ]
        if values:
            row = upsert(embeddings)
            new = {name: row.excluded[name] for name in ("vector", "reason", "change_seq")}
            self.connection.execute(
                row.on_conflict_do_update(index_elements=["space_id", "content_id"], set_=new),
                values,
            )
        lost = [value for value in values if value["vector"] is None]
        if lost:
            names = ("space_id", "content_id", "change_seq")
            self.connection.execute(insert(removals), [{n: row[n] for n in names} for row in lost])

    def remove_root(self, root_id: int) -> int:
        """Forget a root and its photos; how many there were."""
        ids = self.connection.scalars(select(photos.c.id).where(photos.c.root_id == root_id)).all()
        self.remove_files(ids)
        self.connection.execute(delete(roots).where(roots.c.id == root_id))
        return len(ids)

    def absorb_root(self, inner: int, outer: int, prefix: bytes) -> None:
        """Make the photos of a root part of another one that contains it, at `prefix`."""
        folder = photos.c.folder
        moved = {bytes(f): prefix + (b"/" + f if f else b"") for f in self.folders(inner)}
        for old, new in moved.items():
            self.connection.execute(
                update(photos)
                .where(photos.c.root_id == inner, folder == old)
                .values(root_id=outer, folder=new)
            )
        self.connection.execute(delete(roots).where(roots.c.id == inner))

    def purge_orphans(self, older_than_s: float) -> list[bytes]:
        """Delete contents that no photo has had for that long, with their vectors; their hashes."""
        rows = self.orphans(older_than_s)
        for chunk in chunked([row[0] for row in rows]):
            for table in (embeddings, tags):
                self.connection.execute(delete(table).where(table.c.content_id.in_(chunk)))
            self.connection.execute(delete(contents).where(contents.c.id.in_(chunk)))
        return [row[1] for row in rows]

    def _content_of(self, file: FileRecord) -> int | None:
        place = {"root_id": file.root_id, "folder": file.folder, "name": file.name}
        return self.connection.scalar(statements.CONTENT_AT, place)

    def _orphan(self, content_ids: Sequence[int]) -> None:
        """Take contents that have no photo left out of every space's living rows."""
        has_photo = exists().where(photos.c.content_id == contents.c.id)
        for ids in chunked(content_ids):
            lonely = self.connection.scalars(
                update(contents)
                .where(contents.c.id.in_(ids), ~has_photo)
                .values(orphaned_at=time.time())
                .returning(contents.c.id)
            ).all()
            living = select(
                embeddings.c.space_id, embeddings.c.content_id, bindparam("seq", self.seq)
            ).where(embeddings.c.content_id.in_(lonely), embeddings.c.vector.is_not(None))
            self.connection.execute(
                insert(removals).from_select(["space_id", "content_id", "change_seq"], living)
            )

    def _revive(self, content_id: int) -> None:
        """Bring a content back that had no photo; to a snapshot, its vectors are new."""
        back = self.connection.execute(statements.REVIVE, {"content_id": content_id})
        if back.rowcount:
            self.connection.execute(
                update(embeddings)
                .where(embeddings.c.content_id == content_id)
                .values(change_seq=self.seq)
            )

    def _id(self, statement: object) -> int:
        return int(self.connection.execute(statement).scalar_one())  # type: ignore[call-overload]
