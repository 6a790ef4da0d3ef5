"""Publish a space's vectors as an immutable FAISS file, and recover them whatever became of it.

Order is what makes it safe: the file is written aside, flushed, read back and hashed, renamed, the folder flushed,
and only then recorded in one transaction. A file without a record is an orphan; a record whose file does not
match falls back to the record before it, and at last to the catalog, which has every vector.
"""

import hashlib
import logging
import os
from collections.abc import Callable
from pathlib import Path

import faiss
import numpy as np
from numpy.typing import NDArray
from sqlalchemy import and_, delete, func, insert, select

from storage.catalog import Batch, Catalog, View
from storage.errors import StorageError
from storage.records import VECTOR_DTYPE, SnapshotRecord, SpaceRecord
from storage.tables import contents, embeddings, removals, snapshots
from storage.vectors import (
    EXACT,
    METRIC,
    VectorIndex,
    build_index,
    check_loaded,
    deserialize,
    ids_of,
    serialize,
)

__all__ = [
    "SNAPSHOTS",
    "load",
    "needs_publishing",
    "newest",
    "publish",
    "refresh",
    "remove_orphans",
    "rows",
]

log = logging.getLogger(__name__)

SNAPSHOTS = "snapshots"
LEAST_TAIL = 256
"""Rows that a snapshot may lack before a new one is worth its writing; so many load in a millisecond."""
TAIL_SHARE = 20
"""… or one row in so many, where that is more."""

Ids = NDArray[np.int64]
Vectors = NDArray[np.float32]


def load(view: View, folder: Path, space: SpaceRecord) -> VectorIndex:
    """The space's vectors as of this view, from the newest snapshot that is whole."""
    nothing = build_index(*_nothing(space.dim))
    record = newest(view, space)
    if record is not None:
        try:
            base = _read(folder / SNAPSHOTS / record.file, record, space)
            return _with_tail(view, space, VectorIndex(space.dim, record.max_seq, base, nothing))
        except (OSError, StorageError) as reason:
            log.warning("snapshot %s is passed over: %s", record.file, reason)
    ids, vectors = rows(view, space, after=0)
    return VectorIndex(space.dim, view.change_seq(), build_index(ids, vectors, space.dim), nothing)


def refresh(view: View, folder: Path, space: SpaceRecord, index: VectorIndex) -> VectorIndex:
    """The same vectors brought up to this view; the index itself when nothing came."""
    if view.change_seq() == index.change_seq:
        return index
    record = newest(view, space)
    if record is not None and record.max_seq > index.change_seq:
        return load(view, folder, space)  # removals before that snapshot are no longer listed
    return _with_tail(view, space, index)


def _with_tail(view: View, space: SpaceRecord, index: VectorIndex) -> VectorIndex:
    new_ids, new_vectors = rows(view, space, after=index.change_seq)
    gone = _removed(view, space, after=index.change_seq)
    superseded = np.union1d(gone, new_ids)
    added_ids = ids_of(index.added)
    kept = np.setdiff1d(added_ids, superseded)
    ids = np.concatenate([kept, new_ids])
    vectors = np.concatenate([index.vectors(kept), new_vectors])
    in_base = np.intersect1d(superseded, ids_of(index.base))
    added = build_index(ids, vectors, space.dim)
    left = np.union1d(index.left, in_base)
    return VectorIndex(space.dim, view.change_seq(), index.base, added, left)


def needs_publishing(view: View, space: SpaceRecord) -> bool:
    """Whether so much has come since the last snapshot that a new one is worth writing."""
    record = newest(view, space)
    since = record.max_seq if record else 0
    came = select(func.count()).where(
        embeddings.c.space_id == space.id, embeddings.c.change_seq > since
    )
    went = select(func.count()).where(
        removals.c.space_id == space.id, removals.c.change_seq > since
    )
    tail = (view.connection.scalar(came) or 0) + (view.connection.scalar(went) or 0)
    if record is None:
        return tail > 0
    return tail > max(LEAST_TAIL, record.count // TAIL_SHARE)


def publish(
    catalog: Catalog, space: SpaceRecord, at: Callable[[str], None] = lambda step: None
) -> None:
    """Write the space's snapshot by the protocol and drop the ones before it; the writer alone does this.

    `at` is told each step's name before it is taken, which is where a test stops the process.
    """
    with catalog.view() as view:
        ids, vectors = rows(view, space, after=0)
        seq = view.change_seq()
    folder = catalog.folder / SNAPSHOTS
    folder.mkdir(exist_ok=True)
    data = serialize(build_index(ids, vectors, space.dim))
    digest = hashlib.sha256(data).hexdigest()
    name = f"{space.id}-{seq}-{digest[:16]}.faiss"
    at("write")
    _write_aside(folder / f"{name}.tmp", data)
    at("read back")
    if hashlib.sha256((folder / f"{name}.tmp").read_bytes()).hexdigest() != digest:
        raise StorageError(
            f"{folder / name} does not read back as it was written; is the disk full?"
        )
    at("rename")
    os.replace(folder / f"{name}.tmp", folder / name)
    _flush_folder(folder)
    at("record")
    with catalog.batch() as batch:
        record = SnapshotRecord(
            name, digest, seq, len(ids), space.dim, METRIC, EXACT, 1.0, space.fingerprint
        )
        _record(batch, space, record)
    at("tidy")
    remove_orphans(catalog)


def remove_orphans(catalog: Catalog) -> None:
    """Delete snapshot files that no record names; the writer alone does this."""
    folder = catalog.folder / SNAPSHOTS
    with catalog.view() as view:
        named = set(view.connection.scalars(select(snapshots.c.file)))
    for path in folder.iterdir() if folder.exists() else ():
        if path.name not in named:
            path.unlink()


def _record(batch: Batch, space: SpaceRecord, record: SnapshotRecord) -> None:
    batch.connection.execute(delete(snapshots).where(snapshots.c.space_id == space.id))
    values = {name: getattr(record, name) for name in SnapshotRecord.__slots__}
    batch.connection.execute(insert(snapshots).values(space_id=space.id, **values))
    # What left before this snapshot was written is in no snapshot any more.
    old = and_(removals.c.space_id == space.id, removals.c.change_seq <= record.max_seq)
    batch.connection.execute(delete(removals).where(old))


def newest(view: View, space: SpaceRecord) -> SnapshotRecord | None:
    """The record of the space's newest snapshot."""
    query = (
        select(*(snapshots.c[name] for name in SnapshotRecord.__slots__))
        .where(snapshots.c.space_id == space.id)
        .order_by(snapshots.c.id.desc())
    )
    row = view.connection.execute(query).first()
    return SnapshotRecord(*row) if row else None


def _read(path: Path, record: SnapshotRecord, space: SpaceRecord) -> faiss.IndexIDMap2:
    if record.fingerprint != space.fingerprint:
        raise StorageError("it was made by another model")
    data = path.read_bytes()
    if hashlib.sha256(data).hexdigest() != record.sha256:  # FAISS loads flipped bits without a word
        raise StorageError("its bytes are not those that were recorded")
    index = deserialize(data)
    check_loaded(index, record.count, record.dim)
    return index


def rows(view: View, space: SpaceRecord, after: int) -> tuple[Ids, Vectors]:
    """Ids and unit vectors of living contents whose row came after that change, ascending."""
    query = (
        select(embeddings.c.content_id, embeddings.c.vector)
        .join(contents, contents.c.id == embeddings.c.content_id)
        .where(
            embeddings.c.space_id == space.id,
            embeddings.c.change_seq > after,
            embeddings.c.vector.is_not(None),
            contents.c.orphaned_at.is_(None),
        )
        .order_by(embeddings.c.content_id)
    )
    found = view.connection.execute(query).all()
    ids = np.fromiter((row[0] for row in found), np.int64, len(found))
    stored = np.frombuffer(b"".join(row[1] for row in found), VECTOR_DTYPE).reshape(-1, space.dim)
    vectors = stored.astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)  # float16 rounded the length off 1
    return ids, vectors


def _removed(view: View, space: SpaceRecord, after: int) -> Ids:
    query = select(removals.c.content_id).where(
        removals.c.space_id == space.id, removals.c.change_seq > after
    )
    return np.unique(np.array(list(view.connection.scalars(query)), np.int64))


def _nothing(dim: int) -> tuple[Ids, Vectors, int]:
    return np.empty(0, np.int64), np.empty((0, dim), np.float32), dim


def _write_aside(path: Path, data: bytes) -> None:
    try:
        with open(path, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        path.unlink(missing_ok=True)
        raise StorageError(
            f"{path.parent} cannot be written ({error.strerror}); nothing is lost, since the catalog holds "
            f"every vector. Make room, and build again"
        ) from error


def _flush_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
