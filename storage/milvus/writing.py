"""A space's collection written anew, or brought up to date.

A collection has a name of its own each time that it is written anew: of the library, the space, its model, and a
number by chance. Order is what makes it safe: it is filled before it is recorded. To bring one up to date its mark
is moved first; a mark that is not the recorded change tells of a process that was stopped, or of another catalog.
"""

import logging
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from storage import embedded
from storage.errors import StorageError
from storage.milvus import tuning
from storage.milvus.catalog_rows import CatalogRows
from storage.milvus.collection import Collection, Tuned
from storage.milvus.serving import Server
from storage.records import VECTOR_DTYPE, SnapshotRecord, SpaceRecord
from storage.rows import Vectors, unit
from storage.snapshots import IN_MILVUS, METRIC, SMALL_SHARE, published
from storage.view import View

__all__ = ["Writing", "prefix_of", "recorded_collection"]

log = logging.getLogger(__name__)

TOLD_EVERY_S = 10.0


@dataclass(frozen=True)
class Writing:
    """One moment of a space, on its way into Milvus; what it gives back is still to be recorded."""

    server: Server
    view: View
    space: SpaceRecord
    words: Callable[[], Vectors]
    at: Callable[[str], None]

    def is_outgrown(self, record: SnapshotRecord) -> bool:
        """Whether another index is due for so many vectors, or was asked for."""
        return self._index(self._count()) != Tuned.parse(record.kind).name

    def bring_up(self, record: SnapshotRecord, collection: Collection) -> SnapshotRecord:
        """Put what came, delete what left, in the recorded collection."""
        seq = self.view.change_seq()
        self.at("mark")
        collection.set_mark(self.space.dim, seq)
        self.at("put")
        came = embedded.ids(self.view, self.space, after=record.max_seq)
        self._fill(collection, record.max_seq, seq)
        self.at("delete")
        left = np.setdiff1d(embedded.removed(self.view, self.space, after=record.max_seq), came)
        collection.drop_rows(left)
        self.at("settle")
        collection.settle()
        collection.compact()
        count = self._count()
        if len(collection) != count:
            log.warning("collection %s has not as many vectors as the catalog", collection.name)
            return self.write()
        new = replace(record, max_seq=seq, count=count)
        if (len(came) + len(left)) * SMALL_SHARE <= count:
            return new
        tuned, recall = self._tuned(collection, count)
        return replace(new, kind=str(tuned), recall=recall)

    def write(self) -> SnapshotRecord:
        """Make a new collection of everything."""
        seq, count = self.view.change_seq(), self._count()
        collection = Collection(self.server, _new_name(self.view, self.space))
        self.at("create")
        collection.create(self.space.dim, self._index(count), tuning.cells_for(count))
        collection.set_mark(self.space.dim, seq)
        self.at("fill")
        self._fill(collection, 0, seq)
        self.at("settle")
        collection.settle()
        if len(collection) != count:
            raise StorageError(
                f"{self.server} has {len(collection)} vectors of {count} that were written; build again"
            )
        tuned, recall = self._tuned(collection, count)
        dim, model = self.space.dim, self.space.fingerprint
        return SnapshotRecord(
            collection.name, "", seq, count, dim, METRIC, str(tuned), recall, model
        )

    def _fill(self, collection: Collection, after: int, seq: int) -> None:
        count, done = embedded.count(self.view, self.space, after), 0
        due = time.monotonic() + TOLD_EVERY_S
        for part in embedded.parts(self.view, self.space, after):
            halves = np.frombuffer(part.vectors, VECTOR_DTYPE).reshape(-1, self.space.dim)
            collection.put(part.ids, unit(halves.astype(np.float32)), seq, new=not after)
            done += len(part.ids)
            if time.monotonic() >= due and done < count:
                log.warning("%s: %d of %d vectors are written", self.server, done, count)
                due = time.monotonic() + TOLD_EVERY_S

    def _tuned(self, collection: Collection, count: int) -> tuple[Tuned, float]:
        ids = embedded.ids(self.view, self.space, after=0)
        rows = CatalogRows(self.view.connection.engine, self.space, ids)
        return tuning.tune(rows, collection, ids, self._index(count), self.words)

    def _index(self, count: int) -> str:
        return tuning.index_for(self.server.address, count)

    def _count(self) -> int:
        return embedded.count(self.view, self.space, after=0)


def recorded_collection(view: View, space: SpaceRecord) -> SnapshotRecord | None:
    """What the catalog tells of the space's collection; None where it has none, or one of another model."""
    records = published(view, space)
    if len(records) != 1 or not records[0].file.startswith(prefix_of(view)):
        return None
    return records[0] if records[0].fingerprint == space.fingerprint else None


def prefix_of(view: View) -> str:
    """How the names of a library's collections begin."""
    return f"{IN_MILVUS}{view.library_id()}_"


def _new_name(view: View, space: SpaceRecord) -> str:
    return f"{prefix_of(view)}{space.id}_{space.fingerprint[:12]}_{secrets.token_hex(4)}"
