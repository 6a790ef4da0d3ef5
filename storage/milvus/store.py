"""A space's vectors as a collection of Milvus: published, and recovered whatever became of it.

A collection has a name of its own each time that it is written anew: of the library, the space, its model, and a
number by chance. The catalog records that name, and up to which change the collection is its own. What came later is
in memory and searched exactly; what left is masked, until the collection is brought up to date.

Order is what makes it safe: a new collection is filled before it is recorded, and dropped ones go last. To bring one
up to date its mark is moved first; a mark that is not the recorded change tells of a process that was stopped, or of
another catalog, and the collection is written anew.
"""

import logging
import secrets
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace

import numpy as np

from storage import embedded, snapshots
from storage.catalog import Catalog
from storage.errors import StorageError
from storage.milvus import tuning
from storage.milvus.address import Address
from storage.milvus.catalog_rows import CatalogRows
from storage.milvus.collection import Collection, Tuned, listed
from storage.milvus.proposals import Proposals, refuse_large
from storage.milvus.serving import Server, UnreachableError
from storage.records import VECTOR_DTYPE, SnapshotRecord, SpaceRecord
from storage.rows import Ids, Rows, Vectors, unit
from storage.segments import Segment
from storage.snapshots import (
    IN_MILVUS,
    LEAST_TAIL,
    METRIC,
    NO_WORDS,
    SMALL_SHARE,
    published,
    record_snapshot,
    with_tail,
)
from storage.vectors import VectorIndex
from storage.view import View

__all__ = ["MilvusStore", "recorded_collection"]

log = logging.getLogger(__name__)

TOLD_EVERY_S = 10.0


class MilvusStore:
    """As `VectorStore`."""

    def __init__(self, address: Address) -> None:
        self._server = Server(address)
        self._told = set[int]()

    def reach(self) -> None:
        """As `VectorStore`."""
        self._server.reach()

    def load(self, view: View, space: SpaceRecord) -> VectorIndex:
        """As `VectorStore`. Without the collection the catalog is searched, which is told, up to `FALLBACK`.

        Raises StorageError where there are more.
        """
        seq = view.change_seq()
        record = recorded_collection(view, space)
        until = min(record.max_seq, seq) if record else seq
        ids = embedded.ids_until(view, space, until)
        proposals = self._proposals(view, space, record, ids)
        segment = Segment(ids, CatalogRows(view.connection.engine, space, ids), proposals)
        tail = Segment(np.empty(0, np.int64), Rows.of(np.empty((0, space.dim), VECTOR_DTYPE)))
        return with_tail(view, space, VectorIndex(space.dim, until, (segment, tail)))

    def _proposals(
        self, view: View, space: SpaceRecord, record: SnapshotRecord | None, ids: Ids
    ) -> Proposals | None:
        if not len(ids):
            return None
        try:
            if record is None:
                raise StorageError(
                    f"{self._server} has no collection of space {space.name}; `glimpse build` makes it"
                )
            return Proposals(self.sound(view, space, record), ids, Tuned.parse(record.kind))
        except StorageError as reason:
            refuse_large(reason, len(ids))
            log.warning("%s; vectors are read from the catalog", reason)
            return None

    def refresh(self, view: View, space: SpaceRecord, index: VectorIndex) -> VectorIndex:
        """As `VectorStore`."""
        if view.change_seq() == index.change_seq:
            return index
        record = recorded_collection(view, space)
        if record and (record.max_seq > index.change_seq or record.file != _held_by(index)):
            return self.load(
                view, space
            )  # removals may be no longer listed, or the collection gone
        return with_tail(view, space, index)

    def needs_publishing(self, view: View, space: SpaceRecord) -> bool:
        """As `VectorStore`."""
        record = recorded_collection(view, space)
        if record is None:
            return embedded.changes(view, space, after=0) > 0
        if embedded.changes(view, space, after=record.max_seq) > LEAST_TAIL:
            return True
        return self._usable(view, space, record) is None

    def publish(
        self,
        catalog: Catalog,
        space: SpaceRecord,
        *,
        everything: bool = False,
        words: Callable[[], Vectors] = lambda: NO_WORDS,
        at: Callable[[str], None] = lambda step: None,
    ) -> None:
        """As `VectorStore`. `at` is told each step's name before it is taken, for a test to stop there."""
        with catalog.view() as view:
            replaced = recorded_collection(view, space)
            record = None if everything else replaced
            old = self._usable(view, space, record) if record else None
            if record and old and not self._has_outgrown(view, space, record):
                new = self._bring_up(view, space, record, old, words, at)
            else:
                new = self._write(view, space, words, at)
        at("record")
        with catalog.batch() as batch:
            record_snapshot(batch, space, new, after=0)
        at("tidy")
        if replaced and replaced.file != new.file:
            # By its name: Milvus Lite lists nothing while one of its collections is damaged.
            with suppress(StorageError):  # it may be missing
                self.collection(replaced).drop()
        self.remove_orphans(catalog)

    def remove_orphans(self, catalog: Catalog) -> None:
        """As `VectorStore`; files of snapshots as well, once the space is in Milvus."""
        with catalog.view() as view:
            named = {record.file for space in view.spaces() for record in published(view, space)}
            prefix = _prefix(view)
        for collection in listed(self._server, prefix):
            if collection.name not in named:
                collection.drop()
        snapshots.remove_orphans(catalog)

    def collection(self, record: SnapshotRecord) -> Collection:
        """What a record tells of."""
        return Collection(self._server, record.file)

    def strays(self, view: View) -> list[Collection]:
        """Collections of this library that no record names; also what is being written just now."""
        named = {record.file for space in view.spaces() for record in published(view, space)}
        return [c for c in listed(self._server, _prefix(view)) if c.name not in named]

    def _usable(self, view: View, space: SpaceRecord, record: SnapshotRecord) -> Collection | None:
        """The recorded collection, unless it must be written anew, which is told. The writer asks."""
        try:
            return self.sound(view, space, record, exactly=True)
        except UnreachableError:
            raise
        except StorageError as reason:
            if space.id not in self._told:
                log.warning("%s; it is written anew from the catalog", reason)
                self._told.add(space.id)
            return None

    def sound(
        self, view: View, space: SpaceRecord, record: SnapshotRecord, *, exactly: bool = False
    ) -> Collection:
        """The recorded collection as it was recorded. Raises StorageError.

        To a reader it may be ahead of its record, while another process is bringing it up to date.
        """
        collection = self.collection(record)
        try:
            collection.require()
            mark = collection.mark()
            if mark != record.max_seq and (exactly or not record.max_seq < mark <= _newest(view)):
                raise StorageError(f"it is of change {mark}, not {record.max_seq}")
            count = len(collection)
            if count != record.count and mark == record.max_seq == collection.mark():
                raise StorageError(f"it has {count} vectors, not {record.count}")
        except UnreachableError:
            raise
        except StorageError as error:
            raise StorageError(
                f"collection {collection.name} of {self._server} is not what was recorded: {error}"
            ) from error
        return collection

    def _has_outgrown(self, view: View, space: SpaceRecord, record: SnapshotRecord) -> bool:
        """Whether another index is due for so many vectors, or was asked for."""
        count = embedded.count(view, space, after=0)
        return tuning.index_for(self._server.address, count) != Tuned.parse(record.kind).name

    def _bring_up(
        self,
        view: View,
        space: SpaceRecord,
        record: SnapshotRecord,
        collection: Collection,
        words: Callable[[], Vectors],
        at: Callable[[str], None],
    ) -> SnapshotRecord:
        """Put what came, delete what left, in the recorded collection."""
        seq = view.change_seq()
        at("mark")
        collection.set_mark(space.dim, seq)
        at("put")
        came = embedded.ids(view, space, after=record.max_seq)
        self._fill(view, space, collection, record.max_seq, seq)
        at("delete")
        left = np.setdiff1d(embedded.removed(view, space, after=record.max_seq), came)
        collection.drop_rows(left)
        collection.settle()
        collection.compact()
        count = embedded.count(view, space, after=0)
        if len(collection) != count:
            log.warning("collection %s has not as many vectors as the catalog", collection.name)
            return self._write(view, space, words, at)
        new = replace(record, max_seq=seq, count=count)
        if (len(came) + len(left)) * SMALL_SHARE <= count:
            return new
        tuned, recall = self._tuned(view, space, collection, count, words)
        return replace(new, kind=str(tuned), recall=recall)

    def _write(
        self,
        view: View,
        space: SpaceRecord,
        words: Callable[[], Vectors],
        at: Callable[[str], None],
    ) -> SnapshotRecord:
        """Make a new collection of everything."""
        seq, count = view.change_seq(), embedded.count(view, space, after=0)
        collection = Collection(self._server, _name(view, space))
        index = tuning.index_for(self._server.address, count)
        at("create")
        collection.create(space.dim, index, tuning.cells_for(count))
        collection.set_mark(space.dim, seq)
        at("fill")
        self._fill(view, space, collection, 0, seq)
        at("settle")
        collection.settle()
        if len(collection) != count:
            raise StorageError(
                f"{self._server} has {len(collection)} vectors of {count} that were written; build again"
            )
        tuned, recall = self._tuned(view, space, collection, count, words)
        return SnapshotRecord(
            collection.name,
            "",
            seq,
            count,
            space.dim,
            METRIC,
            str(tuned),
            recall,
            space.fingerprint,
        )

    def _fill(
        self, view: View, space: SpaceRecord, collection: Collection, after: int, seq: int
    ) -> None:
        count, done = embedded.count(view, space, after), 0
        due = time.monotonic() + TOLD_EVERY_S
        for part in embedded.parts(view, space, after):
            halves = np.frombuffer(part.vectors, VECTOR_DTYPE).reshape(-1, space.dim)
            collection.put(part.ids, unit(halves.astype(np.float32)), seq, new=not after)
            done += len(part.ids)
            if time.monotonic() >= due and done < count:
                log.warning("%s: %d of %d vectors are written", self._server, done, count)
                due = time.monotonic() + TOLD_EVERY_S

    def _tuned(
        self,
        view: View,
        space: SpaceRecord,
        collection: Collection,
        count: int,
        words: Callable[[], Vectors],
    ) -> tuple[Tuned, float]:
        index = tuning.index_for(self._server.address, count)
        ids = embedded.ids(view, space, after=0)
        rows = CatalogRows(view.connection.engine, space, ids)
        return tuning.tune(rows, collection, ids, index, words)


def _newest(view: View) -> int:
    """The catalog's newest change, which a view that is open for long does not see."""
    with view.connection.engine.connect() as connection, connection.begin():
        return View(connection).change_seq()


def _held_by(index: VectorIndex) -> str | None:
    """The name of the collection that it asks."""
    held = (segment.cells for segment in index.segments)
    return next((each.name for each in held if isinstance(each, Proposals)), None)


def _prefix(view: View) -> str:
    """How the names of a library's collections begin."""
    return f"{IN_MILVUS}{view.library_id()}_"


def _name(view: View, space: SpaceRecord) -> str:
    """A new name for a collection of a space."""
    return f"{_prefix(view)}{space.id}_{space.fingerprint[:12]}_{secrets.token_hex(4)}"


def recorded_collection(view: View, space: SpaceRecord) -> SnapshotRecord | None:
    """What the catalog tells of the space's collection; None where it has none, or one of another model."""
    records = published(view, space)
    if len(records) != 1 or not records[0].file.startswith(_prefix(view)):
        return None
    return records[0] if records[0].fingerprint == space.fingerprint else None
