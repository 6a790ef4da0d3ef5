"""A space in Milvus, and the same vectors looked at one by one."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from storage import embedded
from storage.catalog import Catalog
from storage.milvus import auditing
from storage.milvus.collection import Collection
from storage.milvus.store import MilvusStore
from storage.milvus.writing import recorded_collection
from storage.records import SnapshotRecord, SpaceRecord
from storage.vectors import Allowed, VectorIndex
from tests.spaces import Vectors, made

COUNT = 600
NOWHERE = "http://127.0.0.1:9"


def load(store: MilvusStore, catalog: Catalog, space: SpaceRecord) -> VectorIndex:
    with catalog.view() as view:
        return store.load(view, space)


class Exact(NamedTuple):
    """All of the catalog's vectors."""

    ids: NDArray[np.int64]
    vectors: Vectors

    def best(self, query: Vectors, k: int, allowed: Allowed | None) -> Vectors:
        among = np.isin(self.ids, allowed.ids) if allowed else np.ones(len(self.ids), np.bool_)
        return np.sort(self.vectors[among] @ query)[::-1][:k]


def exact(catalog: Catalog, space: SpaceRecord) -> Exact:
    with catalog.view() as view:
        return Exact(*embedded.rows(view, space, after=0))


def recorded(catalog: Catalog, space: SpaceRecord) -> SnapshotRecord:
    with catalog.view() as view:
        record = recorded_collection(view, space)
    assert record is not None
    return record


def stored(store: MilvusStore, catalog: Catalog, space: SpaceRecord) -> Collection:
    return store.collection(recorded(catalog, space))


def is_stale(store: MilvusStore, catalog: Catalog, space: SpaceRecord) -> bool:
    with catalog.view() as view:
        return store.needs_publishing(view, space)


def assert_exact(index: VectorIndex, known: Exact, allowed: Allowed | None = None) -> None:
    """The k nearest, whatever k; what is equally near, within rounding, may come in any order."""
    assert index.ids().tolist() == known.ids.tolist()
    for query in made(5, 99):
        for k in (1, 10, 300, 1000):
            ids, scores = index.search(query, k, allowed)
            assert np.allclose(scores, known.best(query, k, allowed), atol=1e-6)
            assert np.allclose(
                scores, known.vectors[np.searchsorted(known.ids, ids)] @ query, atol=1e-6
            )
            assert len(set(ids.tolist())) == len(ids)
            assert allowed is None or np.isin(ids, allowed.ids).all()


def assert_sound(store: MilvusStore, catalog: Catalog, space: SpaceRecord) -> None:
    """The collection is the catalog's, row by row."""
    record = recorded(catalog, space)
    with catalog.view() as view:
        assert not auditing.why_unusable(store, view, space, record, settled=True)
        assert not auditing.compare(view, space, record, store.collection(record))
        assert not store.strays(view)
