"""Snapshots of large spaces: cells lose no result, a small change writes little, damage is never answered with."""

import itertools
import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import faiss
import numpy as np
import pytest

from storage import cells, choosing, mapping, rows, snapshots
from storage.catalog import Catalog
from storage.making import IN_MEMORY, Maker
from storage.ondisk import making
from storage.ondisk.making import OnDisk
from storage.records import SpaceRecord
from storage.stores import SnapshotStore
from storage.vectors import Allowed
from tests.databases import Databases
from tests.spaces import (
    COUNT,
    DIM,
    Vectors,
    add,
    assert_equals_catalog,
    files,
    lay,
    load,
    made,
    remove,
)

pytestmark = pytest.mark.both  # but for what is FAISS's alone


@pytest.fixture(autouse=True)
def _small_is_large(monkeypatch: pytest.MonkeyPatch) -> None:
    """Cells from a size that a test can make."""
    monkeypatch.setattr(choosing, "EXACT_BELOW", 1000)
    monkeypatch.setattr(cells, "COSTLIER", 1)
    monkeypatch.setattr(making, "SHARD", 800)


@pytest.fixture(scope="module")
def large(databases: Databases, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A library of `COUNT` vectors, whose snapshot is not yet published, and the URL of its catalog."""
    folder, url = tmp_path_factory.mktemp("snapshots") / "library", databases.empty()
    catalog = Catalog.open(folder, url, create=True)
    lay(catalog)
    catalog.close()
    return folder, url


@pytest.fixture
def catalog(databases: Databases, large: tuple[Path, str], tmp_path: Path) -> Iterator[Catalog]:
    shutil.copytree(large[0], tmp_path / "library")
    opened = Catalog.open(tmp_path / "library", databases.copy(large[1]))
    yield opened
    opened.close()


@pytest.fixture
def space(catalog: Catalog) -> SpaceRecord:
    with catalog.view() as view:
        return view.spaces()[0]


@pytest.fixture(params=[IN_MEMORY, OnDisk()], ids=["in memory", "on disk"])
def store(request: pytest.FixtureRequest, catalog: Catalog) -> SnapshotStore:
    """Snapshots whose cells lie in memory, or on disk."""
    maker: Maker = request.param
    return SnapshotStore(catalog.folder, maker)


def needs_publishing(
    catalog: Catalog, space: SpaceRecord, store: SnapshotStore | None = None
) -> bool:
    with catalog.view() as view:
        return (store or SnapshotStore(catalog.folder)).needs_publishing(view, space)


@pytest.mark.sqlite
def test_a_large_snapshot_has_cells_whose_recall_is_measured_and_recorded(
    catalog: Catalog, space: SpaceRecord, store: SnapshotStore
) -> None:
    store.publish(catalog, space)
    with catalog.view() as view:
        (record,) = snapshots.published(view, space)
    index = load(catalog, space)
    vectors, found = index.vectors(index.ids()), 0
    near = vectors[::60] + np.random.default_rng(7).normal(scale=0.05, size=(50, DIM))
    for query in (near / np.linalg.norm(near, axis=1, keepdims=True)).astype(np.float32):
        best = index.ids()[np.argsort(-(vectors @ query))[:10]]
        found += len(np.intersect1d(index.search(query, 10)[0], best))
    assert index.segments[0].cells is not None
    assert record.kind.startswith("IVF64,")
    assert record.recall >= choosing.TARGET
    assert found / 500 > 0.95


@pytest.mark.sqlite
def test_words_far_from_all_pictures_take_part_in_the_tuning(
    catalog: Catalog, space: SpaceRecord
) -> None:
    def effort(words: Vectors) -> int:
        snapshots.publish(catalog, space, everything=True, words=lambda: words)
        proposer = load(catalog, space).segments[0].cells
        return proposer.probes * proposer.proposed if isinstance(proposer, cells.Cells) else COUNT

    far = -np.mean(made(COUNT, 0), axis=0) + 0.3 * np.random.default_rng(3).normal(size=(50, DIM))
    far = (far / np.linalg.norm(far, axis=1, keepdims=True)).astype(np.float32)
    assert effort(far) > effort(np.empty((0, DIM), np.float32))


@pytest.mark.sqlite
@pytest.mark.parametrize("k", [1, 10, 200, 2 * COUNT])
@pytest.mark.parametrize("share", [0.002, 0.01, 0.1, 0.5, 1])
def test_a_filter_never_gives_fewer_results_than_there_are(
    catalog: Catalog, space: SpaceRecord, store: SnapshotStore, share: float, k: int
) -> None:
    store.publish(catalog, space)
    index = load(catalog, space)
    rng = np.random.default_rng(1)
    passing = np.sort(rng.choice(index.ids(), int(share * COUNT), replace=False))
    for query in made(5, seed=9):
        ids, cosines = index.search(query, k, Allowed(passing))
        assert len(ids) == min(k, len(passing))
        assert np.isin(ids, passing).all()
        assert cosines == pytest.approx(index.vectors(ids) @ query, abs=1e-5)


@pytest.mark.sqlite
def test_what_passes_may_lie_far_from_the_query(
    catalog: Catalog, space: SpaceRecord, store: SnapshotStore
) -> None:
    store.publish(catalog, space)
    index = load(catalog, space)
    ids = index.ids()
    query = made(1, seed=11)[0]
    farthest = np.sort(ids[np.argsort(index.vectors(ids) @ query)[:100]])
    cosines = index.search(query, 10, Allowed(farthest))[1]
    best = np.sort(index.vectors(farthest) @ query)[::-1][:10]
    assert cosines == pytest.approx(best, abs=1e-5)


def test_a_small_change_leaves_the_large_snapshot_as_it_is(
    catalog: Catalog, space: SpaceRecord, store: SnapshotStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(snapshots, "LEAST_TAIL", 20)
    store.publish(catalog, space)
    large = files(catalog)
    add(catalog, space, range(COUNT, COUNT + 50), seed=1)
    remove(catalog, range(5))
    add(catalog, space, range(10, 13), seed=2)  # embedded anew
    assert needs_publishing(catalog, space, store)
    store.publish(catalog, space)
    small = {name: when for name, when in files(catalog).items() if name not in large}
    assert files(catalog) == large | small
    assert len(small) == 1
    assert not needs_publishing(catalog, space, store)
    assert [len(each) for each in load(catalog, space).segments] == [COUNT - 8, 53, 0]
    assert_equals_catalog(catalog, space, load(catalog, space))

    add(catalog, space, range(COUNT + 50, COUNT + 80), seed=3)
    remove(catalog, range(COUNT + 10, COUNT + 12))
    add(catalog, space, range(5), seed=4)  # back again
    assert_equals_catalog(catalog, space, load(catalog, space))
    store.publish(catalog, space)
    assert large.items() <= files(catalog).items()
    assert len(files(catalog)) == 2
    assert not small.items() & files(catalog).items()
    assert_equals_catalog(catalog, space, load(catalog, space))


def test_what_is_no_longer_small_is_written_as_one(catalog: Catalog, space: SpaceRecord) -> None:
    snapshots.publish(catalog, space)
    large = files(catalog)
    add(catalog, space, range(COUNT, COUNT + 200), seed=1)
    snapshots.publish(catalog, space)
    assert len(files(catalog)) == 1
    assert not large.items() & files(catalog).items()
    assert_equals_catalog(catalog, space, load(catalog, space))


def test_a_reader_keeps_up_with_snapshots_and_changes(
    catalog: Catalog, space: SpaceRecord, store: SnapshotStore
) -> None:
    held = load(catalog, space)
    for step in range(6):
        add(catalog, space, range(COUNT + 20 * step, COUNT + 20 * step + 20), seed=step)
        remove(catalog, range(7 * step, 7 * step + 7))
        if step % 2:
            store.publish(catalog, space)
        with catalog.view() as view:
            held = snapshots.refresh(view, catalog.folder, space, held)
        assert_equals_catalog(catalog, space, held)


@pytest.mark.parametrize("which", ["large", "small"])
def test_without_one_of_two_snapshots_nothing_is_missing(
    catalog: Catalog, space: SpaceRecord, store: SnapshotStore, which: str
) -> None:
    store.publish(catalog, space)
    (large,) = files(catalog)
    add(catalog, space, range(COUNT, COUNT + 50), seed=1)
    remove(catalog, range(5))
    store.publish(catalog, space)
    (small,) = files(catalog).keys() - {large}
    (catalog.folder / "snapshots" / (large if which == "large" else small)).unlink()
    assert_equals_catalog(catalog, space, load(catalog, space))


def test_a_flipped_bit_is_found_by_the_search_that_comes_upon_it(
    catalog: Catalog, space: SpaceRecord, store: SnapshotStore, caplog: pytest.LogCaptureFixture
) -> None:
    store.publish(catalog, space)
    (name,) = files(catalog)
    path = catalog.folder / "snapshots" / name
    victim = made(COUNT, 0)[1234]
    data = bytearray(path.read_bytes())
    at = data.index(victim.astype("<f2").tobytes())
    data[at : at + 2 * DIM] = (-victim).astype("<f2").tobytes()
    path.write_bytes(data)
    index = load(catalog, space)
    found, cosines = index.search(victim, 5)
    assert found[0] == index.ids()[1234]
    assert cosines[0] == pytest.approx(1, abs=1e-3)
    assert "its vectors are read from the catalog" in caplog.text


def test_a_reader_reads_on_in_a_snapshot_that_the_writer_has_replaced(
    catalog: Catalog, space: SpaceRecord, store: SnapshotStore
) -> None:
    store.publish(catalog, space)
    index = load(catalog, space)
    before = files(catalog)
    add(catalog, space, range(COUNT, COUNT + 200), seed=1)
    store.publish(catalog, space)
    assert not before.keys() & files(catalog).keys()
    index.check()
    assert np.allclose(index.vectors(index.ids()), made(COUNT, 0), atol=1e-3)


def test_a_snapshot_that_the_writer_removes_while_it_is_opened_is_passed_over(
    catalog: Catalog,
    space: SpaceRecord,
    store: SnapshotStore,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    store.publish(catalog, space)

    def removed_first(path: str, flags: int) -> object:
        Path(path).unlink()
        return read_index(path, flags)

    read_index = faiss.read_index
    monkeypatch.setattr(faiss, "read_index", removed_first)
    assert_equals_catalog(catalog, space, load(catalog, space))
    assert "is passed over: no vectors that can be mapped" in caplog.text


def test_a_snapshot_of_an_earlier_layout_is_written_anew(
    catalog: Catalog, space: SpaceRecord
) -> None:
    snapshots.publish(catalog, space)
    (name,) = files(catalog)
    folder = catalog.folder / "snapshots"
    (folder / name).rename(folder / "1-2-abc.faiss")
    with catalog.batch() as batch:
        batch.connection.exec_driver_sql("UPDATE snapshots SET file = '1-2-abc.faiss'")
    assert_equals_catalog(catalog, space, load(catalog, space))
    assert needs_publishing(catalog, space)
    snapshots.publish(catalog, space)
    assert [Path(name).suffix for name in files(catalog)] == [".vectors"]


@pytest.mark.sqlite
def test_a_mapping_that_is_dropped_comes_back(
    catalog: Catalog, space: SpaceRecord, monkeypatch: pytest.MonkeyPatch
) -> None:
    dropped, sizes, unmap = list[None](), itertools.count(), mapping.unmap
    for module in (rows, mapping):
        monkeypatch.setattr(module, "MAPPED", 0)
    monkeypatch.setattr(mapping, "mapped", lambda: next(sizes))
    monkeypatch.setattr(mapping, "unmap", lambda data: dropped.append(unmap(data)))
    snapshots.publish(catalog, space)
    index = load(catalog, space)
    before = len(dropped)
    query = index.vectors(index.ids()[7:8])[0]
    assert index.search(query, 3)[0][0] == index.ids()[7]
    assert len(dropped) > before


@pytest.mark.sqlite
def test_many_threads_get_what_one_gets(
    catalog: Catalog, space: SpaceRecord, store: SnapshotStore
) -> None:
    store.publish(catalog, space)
    index = load(catalog, space)
    queries = made(64, seed=5)
    alone = [index.search(query, 20)[0].tolist() for query in queries]
    fresh = load(catalog, space)  # none of its blocks is checked yet
    with ThreadPoolExecutor(16) as pool:
        together = list(pool.map(lambda query: fresh.search(query, 20)[0].tolist(), queries))
    assert together == alone
