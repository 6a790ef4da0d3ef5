"""What the catalog is told, written in one transaction."""

import time
from collections.abc import Iterable, Sequence

from sqlalchemy import Connection, bindparam, delete, exists, insert, select, tuple_, update

from storage import statements
from storage.dialects import upsert
from storage.records import ContentRecord, EmbeddingRecord, FileRecord, SpaceRecord, State
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
from storage.view import View, chunked

__all__ = ["Batch"]

PLACES = 300
"""That are asked for in one statement: three values each, below the limit of SQLite."""


class Batch(View):
    """What can be written in one transaction."""

    def __init__(self, connection: Connection, seq: int, home: str = "") -> None:
        super().__init__(connection, home)
        self.seq = seq

    def set_meta(self, key: str, value: str) -> None:
        """Set a value of the library itself."""
        row = upsert(self.dialect, meta).values(key=key, value=value)
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

    def add_contents(self, records: Iterable[ContentRecord]) -> dict[bytes, int]:
        """Record many at once, those that are not known; the ids of all by their hash."""
        new = {record.sha256: record for record in records}
        known = self.content_ids(list(new))
        missing = [record.columns() for digest, record in new.items() if digest not in known]
        if missing:
            self.connection.execute(insert(contents), missing)
        return known | self.content_ids([row["sha256"] for row in missing])

    def contents_at(self, files: Sequence[FileRecord]) -> list[int]:
        """The contents that are known of the places of these files."""
        places = [(file.root_id, file.folder, file.name) for file in files]
        own = tuple_(*photos.c["root_id", "folder", "name"])
        known = select(photos.c.content_id).where(photos.c.content_id.is_not(None))
        return [
            content
            for start in range(0, len(places), PLACES)
            for content in self.connection.scalars(
                known.where(own.in_(places[start : start + PLACES]))
            )
        ]

    def put_files(self, files: Sequence[FileRecord], before: Iterable[int]) -> None:
        """Record many files as they are now; `before` are the contents that they had."""
        if files:
            self.connection.execute(
                statements.put_file(self.dialect), [file.columns() for file in files]
            )
        for ids in chunked(sorted({file.content_id or 0 for file in files})):
            lonely = contents.c.id.in_(ids) & contents.c.orphaned_at.is_not(None)
            for content_id in self.connection.scalars(select(contents.c.id).where(lonely)).all():
                self._revive(content_id)
        self._orphan(sorted(set(before)))

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
            row = upsert(self.dialect, embeddings)
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
