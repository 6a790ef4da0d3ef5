"""What every place of vectors promises: FAISS in memory, FAISS on disk and Milvus, over a catalog of either kind."""

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from storage import cells, choosing, embedded, snapshots
from storage.catalog import Catalog
from storage.making import IN_MEMORY
from storage.ondisk import making
from storage.ondisk.making import OnDisk
from storage.records import SpaceRecord
from storage.snapshots import LEAST_TAIL
from storage.stores import SnapshotStore, VectorStore
from storage.vectors import Allowed, VectorIndex
from tests import spaces
from tests.databases import Databases
from tests.spaces import Vectors, add, assert_equals_catalog, remove

pytestmark = pytest.mark.both
COUNT = 600
K = 10
RECALL = 0.95
"""Cells are tuned to 0.99, on a sample of questions."""


@pytest.fixture(autouse=True)
def _small_is_large(monkeypatch: pytest.MonkeyPatch) -> None:
    """Cells, and several shards of them, from a size that a test can make."""
    monkeypatch.setattr(choosing, "EXACT_BELOW", 200)
    monkeypatch.setattr(cells, "COSTLIER", 1)
    monkeypatch.setattr(making, "SHARD", 250)


@pytest.fixture
def catalog(databases: Databases, tmp_path: Path) -> Iterator[Catalog]:
    opened = Catalog.open(tmp_path / "library", databases.empty(), create=True)
    yield opened
    opened.close()


@pytest.fixture
def space(catalog: Catalog) -> SpaceRecord:
    found = spaces.empty(catalog)
    add(catalog, found, range(COUNT))
    return found


@pytest.fixture(params=["in memory", "on disk", "milvus"])
def store(request: pytest.FixtureRequest, catalog: Catalog) -> VectorStore:
    """A place of vectors, of which nothing is published."""
    if request.param == "milvus":
        return in_milvus(catalog.folder / "milvus.db")
    return SnapshotStore(catalog.folder, OnDisk() if request.param == "on disk" else IN_MEMORY)


def in_milvus(file: Path) -> VectorStore:
    pytest.importorskip("pymilvus", reason="vectors in Milvus need pymilvus")
    pytest.importorskip("milvus_lite", reason="they are tested with Milvus Lite")
    from storage.milvus.address import Address
    from storage.milvus.store import MilvusStore

    return MilvusStore(Address(str(file), is_own=True))


@dataclass
class Kept:
    """A space in a store, as readers and the writer see it."""

    catalog: Catalog
    space: SpaceRecord
    store: VectorStore

    def publish(self, *, everything: bool = False) -> None:
        self.store.publish(self.catalog, self.space, everything=everything)

    def load(self) -> VectorIndex:
        with self.catalog.view() as view:
            return self.store.load(view, self.space)

    def refresh(self, index: VectorIndex) -> VectorIndex:
        with self.catalog.view() as view:
            return self.store.refresh(view, self.space, index)

    def needs_publishing(self) -> bool:
        with self.catalog.view() as view:
            return self.store.needs_publishing(view, self.space)

    def assert_is_catalogs(self, index: VectorIndex) -> None:
        """It has the catalog's vectors, and finds the nearest of them."""
        assert_equals_catalog(self.catalog, self.space, index)
        assert self.recall(index) >= RECALL

    def recall(self, index: VectorIndex, allowed: Allowed | None = None) -> float:
        """Recall@10 of what is near a vector, against looking at each; scores are cosines, the best first."""
        with self.catalog.view() as view:
            ids, vectors = embedded.rows(view, self.space, after=0)
        among = np.isin(ids, allowed.ids) if allowed else np.ones(len(ids), np.bool_)
        drawn, found = np.random.default_rng(9), []
        for row in drawn.choice(len(ids), 40):
            query = unit(vectors[row] + drawn.normal(scale=0.05, size=spaces.DIM))
            cosines = np.where(among, vectors @ query, -2)
            best = np.sort(cosines)[::-1][:K]
            hits, scores = index.search(query, K, allowed)
            rows = np.searchsorted(ids, hits)
            assert len(set(hits.tolist())) == len(hits) == min(K, among.sum())
            assert np.allclose(scores, cosines[rows], atol=1e-6)
            assert (np.diff(scores) <= 0).all()
            found.append(np.mean(scores >= best[len(scores) - 1] - 1e-6))
        return float(np.mean(found))


def unit(vector: NDArray[np.float64]) -> Vectors:
    return np.asarray(vector / np.linalg.norm(vector), np.float32)


@pytest.fixture
def kept(catalog: Catalog, space: SpaceRecord, store: VectorStore) -> Kept:
    return Kept(catalog, space, store)


def test_answers_are_the_catalogs_before_and_after_they_are_published(kept: Kept) -> None:
    assert kept.needs_publishing()
    kept.assert_is_catalogs(kept.load())
    kept.publish()
    assert not kept.needs_publishing()
    index = kept.load()
    kept.assert_is_catalogs(index)
    for share in (0.004, 0.1, 0.9):  # fewer than asked for, a tenth, nearly all
        drawn = np.random.default_rng(1).choice(index.ids(), max(1, round(share * COUNT)), False)
        assert kept.recall(index, Allowed(np.sort(drawn))) >= RECALL


def test_what_came_and_went_since_is_seen_before_and_after_it_is_published(kept: Kept) -> None:
    kept.publish()
    held = kept.load()
    add(kept.catalog, kept.space, range(COUNT, COUNT + 40), seed=1)
    remove(kept.catalog, [3, *range(50, 100), COUNT + 7])
    add(kept.catalog, kept.space, range(5, 6), seed=2)  # embedded anew
    assert not kept.needs_publishing(), "so little is read from the catalog"
    kept.assert_is_catalogs(kept.load())
    kept.assert_is_catalogs(kept.refresh(held))
    kept.publish()
    kept.assert_is_catalogs(kept.load())
    kept.assert_is_catalogs(kept.refresh(held))  # it slept meanwhile
    add(kept.catalog, kept.space, range(1000, 1000 + LEAST_TAIL + 1), seed=3)
    assert kept.needs_publishing()


def test_what_slept_while_nothing_came_is_the_same(kept: Kept) -> None:
    kept.publish()
    held = kept.load()
    assert kept.refresh(held) is held


def test_what_left_is_in_no_publication_of_everything(kept: Kept) -> None:
    kept.publish()
    remove(kept.catalog, range(100))
    with kept.catalog.batch() as batch:
        batch.purge_orphans(0)
    kept.publish(everything=True)
    kept.store.remove_orphans(kept.catalog)
    kept.assert_is_catalogs(kept.load())
    with kept.catalog.view() as view:
        counts = [record.count for record in snapshots.published(view, kept.space)]
    assert counts == [COUNT - 100]


def test_what_is_lost_is_made_again_from_the_catalog(
    kept: Kept, caplog: pytest.LogCaptureFixture
) -> None:
    kept.publish()
    lose_everything(kept.catalog.folder)
    kept.assert_is_catalogs(kept.load())
    (told,) = caplog.messages
    assert "is passed over" in told or "read from the catalog" in told
    kept.publish(everything=True)
    caplog.clear()
    kept.assert_is_catalogs(kept.load())
    assert caplog.text == ""


def lose_everything(library: Path) -> None:
    """All that a store keeps there."""
    if (library / "milvus.db").exists():
        from storage.milvus.lite import lite_file

        lite_file(library / "milvus.db").let_go()
        shutil.rmtree(library / "milvus.db")
    shutil.rmtree(library / "snapshots", ignore_errors=True)


def test_spaces_are_kept_apart(kept: Kept) -> None:
    with kept.catalog.batch() as batch:
        batch.add_space("other", "test", "e" * 64, spaces.DIM, True)
        (other,) = (each for each in batch.spaces() if each.name == "other")
    add(kept.catalog, other, range(50), seed=5)
    kept.publish()
    kept.store.publish(kept.catalog, other)
    kept.store.remove_orphans(kept.catalog)
    kept.assert_is_catalogs(kept.load())
    beside = Kept(kept.catalog, other, kept.store)
    beside.assert_is_catalogs(beside.load())
    assert len(beside.load()) == 50
