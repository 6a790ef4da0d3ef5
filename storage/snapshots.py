"""Publish a space's vectors as immutable files, and recover them whatever became of those.

Order is what makes it safe: a file is written aside, flushed, read back and hashed, renamed, the folder flushed,
and only then recorded in one transaction. A file without a record is an orphan; a record whose file does not
match is passed over, and at last the catalog is read, which has every vector.

A space has at most two snapshots: a large one, and a small one of what came since, so that a change costs what it
is large. The small one is written anew as it grows, and both become one when it is no longer small beside the other.
Where several folders share a catalog, each has its own.
"""

import logging
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
from sqlalchemy import ColumnElement, and_, delete, func, insert, or_, select

from storage import embedded, snapshot_files
from storage.batch import Batch
from storage.catalog import Catalog
from storage.choosing import EXACT, Choice, choose
from storage.discarding import discard
from storage.disk import flush
from storage.errors import StorageError
from storage.making import IN_MEMORY, ON_DISK, Maker
from storage.records import SnapshotRecord, SpaceRecord
from storage.rows import Rows, Vectors
from storage.segments import Segment
from storage.snapshot_files import SUFFIX
from storage.tables import removals, snapshots
from storage.vectors import VectorIndex
from storage.view import View

__all__ = [
    "SNAPSHOTS",
    "forget_elsewhere",
    "load",
    "needs_publishing",
    "publish",
    "published",
    "record_snapshot",
    "refresh",
    "remove_orphans",
    "why_unusable",
    "with_tail",
]

log = logging.getLogger(__name__)

SNAPSHOTS = "snapshots"
METRIC = "cosine"
IN_MILVUS = "glimpse_"
_IS_SHARED = snapshots.c.file.startswith(IN_MILVUS, autoescape=True)
"""How the name of a collection begins, which stands in the place of a file's."""
LEAST_TAIL = 256
"""Rows that the snapshots may lack before one is worth its writing; so many load in a millisecond."""
TAIL_SHARE = 4
"""… or one row in so many of the small snapshot, where that is more."""
SMALL_SHARE = 20
"""A small snapshot of more than one row in so many of the large one becomes part of it."""

NO_WORDS = np.empty((0, 0), np.float32)


def load(view: View, folder: Path, space: SpaceRecord) -> VectorIndex:
    """The space's vectors as of this view, from those snapshots that are whole, and from the catalog."""
    segments, seq = list[Segment](), 0
    for record in published(view, space):
        try:
            opened = _open(view, folder / SNAPSHOTS / record.file, record, space)
        except (OSError, StorageError) as reason:
            log.warning("snapshot %s is passed over: %s", record.file, reason)
            break  # what came after it counts on it
        segments = [segment.without(opened.ids) for segment in segments]
        segments.append(opened.without(embedded.removed(view, space, after=record.max_seq)))
        seq = record.max_seq
    tail = Segment(np.empty(0, np.int64), Rows.of(np.empty((0, space.dim), np.float16)))
    return with_tail(view, space, VectorIndex(space.dim, seq, (*segments, tail)))


def refresh(view: View, folder: Path, space: SpaceRecord, index: VectorIndex) -> VectorIndex:
    """The same vectors brought up to this view; the index itself when nothing came."""
    if view.change_seq() == index.change_seq:
        return index
    records = published(view, space)
    newest = records[-1].max_seq if records else 0
    if max(newest, _first_change(view, space)) > index.change_seq:
        return load(view, folder, space)  # removals before a snapshot may be no longer listed
    return with_tail(view, space, index)


def with_tail(view: View, space: SpaceRecord, index: VectorIndex) -> VectorIndex:
    """An index brought up to this view; its last segment, which is in memory, has what came and went since."""
    new_ids, new = embedded.halves(view, space, after=index.change_seq)
    left = np.union1d(embedded.removed(view, space, after=index.change_seq), new_ids)
    *stored, tail = (segment.without(left) for segment in index.segments)
    ids = np.concatenate([tail.living_ids, new_ids])
    halves = np.concatenate([tail.rows.halves(tail.find(tail.living_ids)), new])
    order = np.argsort(ids)
    tail = Segment(ids[order], Rows.of(halves[order]))
    return VectorIndex(space.dim, view.change_seq(), (*stored, tail))


def needs_publishing(view: View, space: SpaceRecord, maker: Maker = IN_MEMORY) -> bool:
    """Whether a new snapshot is worth writing: so much has come or gone, or cells are to lie elsewhere."""
    records = published(view, space)
    if not records or not _is_kept(records[0], maker):
        return embedded.changes(view, space, after=0) > 0
    small = records[1].count if len(records) > 1 else 0
    tail = embedded.changes(view, space, after=records[-1].max_seq)
    return tail > max(LEAST_TAIL, small // TAIL_SHARE)


def publish(
    catalog: Catalog,
    space: SpaceRecord,
    *,
    everything: bool = False,
    words: Callable[[], Vectors] = lambda: NO_WORDS,
    at: Callable[[str], None] = lambda step: None,
    maker: Maker = IN_MEMORY,
) -> None:
    """Write a snapshot of what came since the large one, or of `everything`; the writer alone does this.

    Everything is written where the rest would not be small. `words` gives vectors (n, dim) of texts that may be
    asked, with which a large snapshot's index is tuned, and `maker` makes its cells. `at` is told each step's name
    before it is taken, which is where a test stops the process.
    """
    folder = catalog.folder / SNAPSHOTS
    folder.mkdir(exist_ok=True)
    with catalog.view() as view:
        seq = view.change_seq()
        after = 0 if everything else _end_of_large(view, space, maker)
        aside = folder / f"{space.id}-{seq}.tmp"
        at("write")
        count = embedded.count(view, space, after)
        digest, choice = _write_aside(aside, view, space, after, count, words, maker)
    at("read back")
    snapshot_files.read_back(aside, space.dim, count, digest)
    at("rename")
    name = f"{space.id}-{seq}-{digest[:16]}{SUFFIX}"
    os.replace(aside, folder / name)
    flush(folder)
    at("record")
    with catalog.batch() as batch:
        record = SnapshotRecord(
            name,
            digest,
            seq,
            count,
            space.dim,
            METRIC,
            choice.kind,
            choice.recall,
            space.fingerprint,
        )
        record_snapshot(batch, space, record, after)
    at("tidy")
    remove_orphans(catalog)


def _end_of_large(view: View, space: SpaceRecord, maker: Maker) -> int:
    """Where the large snapshot ends, if what came since is small beside it; else 0."""
    records = published(view, space)
    if not records or not _is_kept(records[0], maker):
        return 0
    changes = embedded.changes(view, space, after=records[0].max_seq)
    return records[0].max_seq if changes * SMALL_SHARE <= records[0].count else 0


def _is_kept(record: SnapshotRecord, maker: Maker) -> bool:
    """Whether a snapshot is of today's layout, with its cells where they are to lie."""
    is_there = record.kind == EXACT or (ON_DISK in record.kind) == maker.is_on_disk
    return record.file.endswith(SUFFIX) and is_there


def remove_orphans(catalog: Catalog) -> None:
    """Delete snapshot files that no record names; the writer alone does this."""
    folder = catalog.folder / SNAPSHOTS
    with catalog.view() as view:
        ours = snapshots.c.folder == view.home
        named = set(view.connection.scalars(select(snapshots.c.file).where(ours)))
    for path in folder.iterdir() if folder.exists() else ():
        if path.name not in named:
            discard(path)


def record_snapshot(batch: Batch, space: SpaceRecord, record: SnapshotRecord, after: int) -> None:
    """Record a snapshot of what came after that change, in place of those that it covers."""
    covered = and_(_of(batch, space), snapshots.c.max_seq > after)
    batch.connection.execute(delete(snapshots).where(covered))
    values = {name: getattr(record, name) for name in SnapshotRecord.__slots__}
    home = "" if record.file.startswith(IN_MILVUS) else batch.home
    row = insert(snapshots).values(space_id=space.id, folder=home, **values)
    batch.connection.execute(row)
    if not after:  # what left before any was written is in no snapshot any more
        left = removals.c.change_seq <= _first_change(batch, space)
        batch.connection.execute(delete(removals).where(removals.c.space_id == space.id, left))


def forget_elsewhere(batch: Batch) -> None:
    """Drop the records of other folders that share the catalog, whose files then belong to nothing."""
    elsewhere = and_(snapshots.c.folder != batch.home, ~_IS_SHARED)
    batch.connection.execute(delete(snapshots).where(elsewhere))


def _first_change(view: View, space: SpaceRecord) -> int:
    """Where the oldest snapshot of the space ends, in whatever folder; removals before it are no longer listed."""
    oldest = select(func.min(snapshots.c.max_seq)).where(snapshots.c.space_id == space.id)
    return int(view.connection.scalar(oldest) or 0)


def published(view: View, space: SpaceRecord) -> list[SnapshotRecord]:
    """The records of the space's snapshots in this folder, or in Milvus for all; the large one first."""
    query = (
        select(*(snapshots.c[name] for name in SnapshotRecord.__slots__))
        .where(_of(view, space))
        .order_by(snapshots.c.id)
    )
    return [SnapshotRecord(*row) for row in view.connection.execute(query)]


def _of(view: View, space: SpaceRecord) -> ColumnElement[bool]:
    is_here = or_(snapshots.c.folder == view.home, _IS_SHARED)
    return and_(snapshots.c.space_id == space.id, is_here)


def why_unusable(path: Path, record: SnapshotRecord, space: SpaceRecord) -> str | None:
    """What speaks against a file that was recorded, before it is opened; None for nothing."""
    if record.fingerprint != space.fingerprint:
        return "made by another model"
    if path.name.startswith(IN_MILVUS):
        return "its vectors are in Milvus, which the configuration does not name"
    if path.suffix != SUFFIX:
        return "written by an earlier Glimpse"
    return None


def _open(view: View, path: Path, record: SnapshotRecord, space: SpaceRecord) -> Segment:
    reason = why_unusable(path, record, space)
    if reason:
        raise StorageError(reason)
    engine = view.connection.engine
    ids, rows, cells = snapshot_files.read(
        path,
        record.dim,
        record.count,
        record.sha256,
        lambda ids: embedded.recover(engine, space, ids),
    )
    return Segment(ids, rows, cells)


def _write_aside(
    path: Path,
    view: View,
    space: SpaceRecord,
    after: int,
    count: int,
    words: Callable[[], Vectors],
    maker: Maker,
) -> tuple[str, Choice]:
    try:
        return snapshot_files.write(
            path,
            space.dim,
            count,
            embedded.parts(view, space, after),
            lambda rows, place: choose(rows, words, maker, place),
        )
    except OSError as error:
        path.unlink(missing_ok=True)
        raise StorageError(
            f"{path.parent} cannot be written ({error.strerror}); nothing is lost, since the catalog holds "
            f"every vector. Make room, and build again"
        ) from error
