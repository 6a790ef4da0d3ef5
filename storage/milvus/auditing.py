"""A collection held against the catalog, row by row, and mended where it differs."""

from typing import NamedTuple

import numpy as np

from storage import embedded
from storage.errors import StorageError
from storage.milvus.collection import READ_AT_ONCE, Collection
from storage.milvus.serving import UnreachableError
from storage.milvus.store import MilvusStore
from storage.records import SnapshotRecord, SpaceRecord
from storage.rows import Ids, Vectors, unit
from storage.view import View

__all__ = ["Differences", "compare", "mend", "why_unusable"]

NEAR = 1e-5
"""Numbers of a unit vector that differ by less are the same, rounded otherwise."""
LAST = 2**62
NONE = np.empty(0, np.int64)


class Differences(NamedTuple):
    """Contents, by their ids."""

    missing: Ids
    """They have no vector in the collection."""
    other: Ids
    """They have another one."""
    extra: Ids
    """The catalog does not have them."""

    def __bool__(self) -> bool:
        return any(map(len, self))


def why_unusable(
    store: MilvusStore, view: View, space: SpaceRecord, record: SnapshotRecord, *, settled: bool
) -> str | None:
    """What speaks against a collection as a whole; None for nothing. Raises UnreachableError.

    While another process may be writing it (not `settled`), it may be ahead of its record.
    """
    try:
        store.sound(view, space, record, exactly=settled)
    except UnreachableError:
        raise
    except StorageError as error:
        return str(error.__cause__ or error)
    return None


def compare(
    view: View, space: SpaceRecord, record: SnapshotRecord, collection: Collection
) -> Differences:
    """Every row, some thousands at a time."""
    ids = embedded.ids_until(view, space, record.max_seq)
    pending = np.union1d(
        embedded.removed(view, space, after=record.max_seq),
        embedded.ids(view, space, after=record.max_seq),
    )
    missing, other, extra = [NONE], [NONE], [NONE]
    first = 1
    for start in range(0, max(1, len(ids)), READ_AT_ONCE):
        part = ids[start : start + READ_AT_ONCE]
        last = int(part[-1]) if start + READ_AT_ONCE < len(ids) else LAST
        there, vectors = collection.read(first, last)
        missing.append(np.setdiff1d(part, there))
        extra.append(np.setdiff1d(there, np.union1d(part, pending)))
        both = np.isin(there, part)
        ours = _vectors(view, space, there[both])
        far = np.abs(ours - vectors.reshape(-1, space.dim)[both]).max(axis=1, initial=0) > NEAR
        other.append(there[both][far])
        first = last + 1
    return Differences(*(np.concatenate(parts) for parts in (missing, other, extra)))


def mend(
    view: View,
    space: SpaceRecord,
    record: SnapshotRecord,
    collection: Collection,
    found: Differences,
) -> None:
    """Put the catalog's vectors again, and delete what it does not have; the writer alone does this."""
    wrong = np.concatenate([found.missing, found.other])
    for start in range(0, len(wrong), READ_AT_ONCE):
        part = wrong[start : start + READ_AT_ONCE]
        collection.put(part, _vectors(view, space, part), record.max_seq)
    collection.drop_rows(found.extra)
    collection.settle()


def _vectors(view: View, space: SpaceRecord, ids: Ids) -> Vectors:
    return unit(embedded.some(view.connection.engine, space, ids).astype(np.float32))
