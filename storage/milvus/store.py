"""A space's vectors as a collection of Milvus: published, and recovered whatever became of it.

The catalog records the collection's name, and up to which change the collection is its own. What came later is in
memory and searched exactly; what left is masked, until the collection is brought up to date.
"""

import logging
from collections.abc import Callable
from contextlib import suppress

import numpy as np

from storage import embedded, snapshots
from storage.catalog import Catalog
from storage.errors import StorageError
from storage.milvus.address import Address
from storage.milvus.catalog_rows import CatalogRows
from storage.milvus.collection import Collection, Tuned, listed
from storage.milvus.proposals import Proposals, refuse_large
from storage.milvus.serving import Server, UnreachableError
from storage.milvus.writing import Writing, prefix_of, recorded_collection
from storage.records import VECTOR_DTYPE, SnapshotRecord, SpaceRecord
from storage.rows import Ids, Rows, Vectors
from storage.segments import Segment
from storage.snapshots import LEAST_TAIL, NO_WORDS, published, record_snapshot, with_tail
from storage.vectors import VectorIndex
from storage.view import View

__all__ = ["MilvusStore"]

log = logging.getLogger(__name__)


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
            # Removals may be no longer listed, or the collection gone.
            return self.load(view, space)
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
            writing = Writing(self._server, view, space, words, at)
            if record and old and not writing.is_outgrown(record):
                new = writing.bring_up(record, old)
            else:
                new = writing.write()
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
            prefix = prefix_of(view)
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
        return [c for c in listed(self._server, prefix_of(view)) if c.name not in named]

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


def _newest(view: View) -> int:
    """The catalog's newest change, which a view that is open for long does not see."""
    with view.connection.engine.connect() as connection, connection.begin():
        return View(connection).change_seq()


def _held_by(index: VectorIndex) -> str | None:
    """The name of the collection that it asks."""
    held = (segment.cells for segment in index.segments)
    return next((each.name for each in held if isinstance(each, Proposals)), None)
