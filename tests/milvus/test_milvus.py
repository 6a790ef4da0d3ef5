"""Vectors in Milvus: the same answers as without it; a collection that is not the catalog's is noticed and mended."""

import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path

import numpy as np
import pytest

from indexer.errors import StorageError
from storage import choosing
from storage.catalog import Catalog
from storage.homes import CATALOG
from storage.milvus import catalog_rows, lite, proposals, tuning
from storage.milvus.address import Address
from storage.milvus.store import MilvusStore
from storage.records import SpaceRecord
from storage.vectors import Allowed
from tests.milvus.spaces import (
    COUNT,
    NOWHERE,
    assert_exact,
    assert_sound,
    exact,
    is_stale,
    load,
    recorded,
    stored,
)
from tests.spaces import DIM, add, made, remove

pytest.importorskip("pymilvus", reason="vectors in Milvus need pymilvus")
pytest.importorskip("milvus_lite", reason="they are tested with Milvus Lite")


def test_answers_are_those_of_looking_at_every_vector(
    catalog: Catalog, space: SpaceRecord, address: Address, caplog: pytest.LogCaptureFixture
) -> None:
    store = MilvusStore(address)
    add(catalog, space, range(COUNT))
    store.publish(catalog, space)
    index, known = load(store, catalog, space), exact(catalog, space)
    assert_exact(index, known)
    for share in (0.01, 0.1, 0.5, 0.95):  # one by one; by ids; by more results; and by nearly all
        drawn = np.sort(np.random.default_rng(1).choice(index.ids(), round(share * COUNT), False))
        in_a_row = index.ids()[20 : 20 + len(drawn)]
        for ids in (drawn, in_a_row):
            assert_exact(index, known, Allowed(ids))
    asked = np.array([300, 7, 300, 599])  # in any order, as exact copies ask
    assert np.allclose(index.vectors(asked), known.vectors[asked - 1], atol=1e-6)
    assert caplog.text == ""  # Milvus answered, not the catalog


def test_milvus_proposes_and_the_catalog_ranks(
    catalog: Catalog, space: SpaceRecord, store: MilvusStore
) -> None:
    add(catalog, space, range(COUNT))
    store.publish(catalog, space)
    index = load(store, catalog, space)
    ids = index.ids()
    # Other vectors in Milvus than in the catalog show where an answer's ids come from, and where its scores.
    query, liked = made(1, 99)[0], ids[100:130]
    vectors = np.where(np.isin(ids, liked)[:, None], query, -query)
    stored(store, catalog, space).put(ids, vectors, 1)
    found, scores = index.search(query, 5)
    assert np.isin(found, liked).all()
    assert np.allclose(scores, index.vectors(found) @ query, atol=1e-6)
    assert scores[0] < 0.999


def test_what_came_and_went_since_is_seen_before_and_after_it_is_published(
    catalog: Catalog, space: SpaceRecord, address: Address
) -> None:
    store = MilvusStore(address)
    add(catalog, space, range(COUNT))
    store.publish(catalog, space)
    name, held = recorded(catalog, space).file, load(store, catalog, space)
    add(catalog, space, range(COUNT, COUNT + 40), seed=1)
    remove(catalog, range(50, 100))
    add(catalog, space, range(5, 6), seed=2)  # embedded anew
    known = exact(catalog, space)
    with catalog.view() as view:
        assert_exact(store.refresh(view, space, held), known)
    assert_exact(load(store, catalog, space), known)
    store.publish(catalog, space)
    assert_exact(load(store, catalog, space), known)
    with catalog.view() as view:
        assert_exact(store.refresh(view, space, held), known)  # it slept meanwhile
    assert recorded(catalog, space).file == name  # brought up to date, not written anew
    assert_sound(store, catalog, space)
    assert not is_stale(store, catalog, space)


def test_a_reader_of_a_collection_that_is_replaced_goes_over_to_the_new_one(
    catalog: Catalog, space: SpaceRecord, store: MilvusStore, caplog: pytest.LogCaptureFixture
) -> None:
    add(catalog, space, range(COUNT))
    store.publish(catalog, space)
    with catalog.batch():
        pass
    held = load(store, catalog, space)
    with catalog.view() as view:
        assert view.change_seq() == held.change_seq
    store.publish(catalog, space, everything=True)
    with catalog.view() as view:
        assert_exact(store.refresh(view, space, held), exact(catalog, space))
    assert caplog.text == ""  # Milvus answered, not the catalog


@pytest.mark.parametrize("damage", ["lost", "a row less", "ahead", "no mark", "another library's"])
def test_a_collection_that_is_not_what_was_recorded_is_noticed_and_written_anew(
    catalog: Catalog,
    space: SpaceRecord,
    store: MilvusStore,
    damage: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    add(catalog, space, range(COUNT))
    store.publish(catalog, space)
    collection = stored(store, catalog, space)
    match damage:
        case "lost":
            collection.drop()
        case "a row less":
            collection.drop_rows(np.array([7]))
        case "ahead":
            collection.set_mark(DIM, 99)
        case "no mark":
            collection.drop_rows(np.array([0]))
        case _:
            with catalog.batch() as batch:
                batch.set_meta("library_id", "e" * 32)
    assert_exact(load(store, catalog, space), exact(catalog, space))
    assert "vectors are read from the catalog" in caplog.text
    caplog.clear()
    assert is_stale(store, catalog, space)
    store.publish(catalog, space)
    assert len(caplog.records) == (0 if damage.startswith("another") else 1)  # one line
    assert recorded(catalog, space).file != collection.name
    assert_sound(store, catalog, space)
    assert not is_stale(store, catalog, space)


class StopHereError(Exception):
    """Of a test, which is like the end of the process."""


def stop_at(step: str) -> Callable[[str], None]:
    def stop(at: str) -> None:
        if at == step:
            raise StopHereError

    return stop


@pytest.mark.parametrize("stopped", [False, True])
def test_a_catalog_put_back_from_a_copy_does_not_take_the_collection_for_its_own(
    catalog: Catalog, space: SpaceRecord, store: MilvusStore, stopped: bool
) -> None:
    add(catalog, space, range(COUNT))
    store.publish(catalog, space)
    catalog.back_up(keep=1)
    (copy,) = catalog.folder.glob("*.backup")
    remove(catalog, range(50))
    add(catalog, space, range(COUNT, COUNT + 50), seed=1)  # as many as before
    with pytest.raises(StopHereError) if stopped else nullcontext():
        store.publish(catalog, space, at=stop_at("settle" if stopped else "never"))
    catalog.close()
    for path in catalog.folder.glob(f"{CATALOG}-*"):
        path.unlink()
    shutil.copy(copy, catalog.folder / CATALOG)
    again = Catalog.open(catalog.folder)
    assert_exact(load(store, again, space), exact(again, space))
    assert is_stale(store, again, space)
    store.publish(again, space)
    assert_sound(store, again, space)
    again.close()


@pytest.mark.parametrize(
    ("step", "everything"),
    [
        *((step, False) for step in ("mark", "put", "delete", "settle", "record", "tidy")),
        *((step, True) for step in ("create", "fill", "settle", "record", "tidy")),
    ],
)
def test_a_publication_that_stops_anywhere_loses_nothing_and_leaves_no_litter(
    catalog: Catalog, space: SpaceRecord, store: MilvusStore, step: str, everything: bool
) -> None:
    add(catalog, space, range(60))
    store.publish(catalog, space)
    add(catalog, space, range(60, 100), seed=1)
    remove(catalog, range(20))
    with pytest.raises(StopHereError):
        store.publish(catalog, space, everything=everything, at=stop_at(step))
    assert_exact(load(store, catalog, space), exact(catalog, space))
    if is_stale(store, catalog, space):
        store.publish(catalog, space)
    store.remove_orphans(catalog)
    assert_sound(store, catalog, space)


def test_an_index_that_is_not_exact_is_tuned_and_its_recall_recorded(
    catalog: Catalog, space: SpaceRecord, server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(choosing, "ASKED", 40)
    store = MilvusStore(Address(server, index="IVF_FLAT"))
    add(catalog, space, range(COUNT))
    store.publish(catalog, space)
    record = recorded(catalog, space)
    assert record.kind.startswith("Milvus IVF_FLAT nprobe=")
    assert choosing.TARGET <= record.recall <= 1
    index, known, found = load(store, catalog, space), exact(catalog, space), 0
    for query in made(30, 99):
        found += int(np.sum(index.search(query, 10)[1] >= known.best(query, 10, None)[-1] - 1e-6))
    assert found / 300 > 0.95
    other = MilvusStore(Address(server, index="FLAT"))
    other.publish(catalog, space)  # another index was asked for
    assert recorded(catalog, space).kind == "Milvus FLAT"


def test_however_few_a_query_looks_at_it_gives_as_many_as_there_are(
    catalog: Catalog, space: SpaceRecord, server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tuning, "NARROW", 1)
    monkeypatch.setattr(choosing, "TARGET", 0.0)
    monkeypatch.setattr(choosing, "ASKED", 5)
    store = MilvusStore(Address(server, index="IVF_FLAT"))
    add(catalog, space, range(COUNT))
    store.publish(catalog, space)
    assert recorded(catalog, space).kind == "Milvus IVF_FLAT nprobe=1"
    index = load(store, catalog, space)
    cosines = made(1, 99)[0] @ exact(catalog, space).vectors.T
    far = Allowed(np.sort(index.ids()[np.argsort(cosines)[:60]]))  # in none of the nearest cells
    for k, allowed, count in ((150, None, 150), (50, far, 50), (300, far, 60)):
        assert len(index.search(made(1, 99)[0], k, allowed)[0]) == count


def test_without_its_server_a_small_library_is_searched_and_a_large_one_says_so(
    catalog: Catalog,
    space: SpaceRecord,
    store: MilvusStore,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    add(catalog, space, range(COUNT))
    store.publish(catalog, space)
    held = load(store, catalog, space)
    gone = MilvusStore(Address(NOWHERE, timeout_s=0.5))
    assert_exact(load(gone, catalog, space), exact(catalog, space))
    assert f"Milvus at {NOWHERE} cannot be reached (connection refused)" in caplog.text
    assert "vectors are read from the catalog" in caplog.text
    assert len(caplog.records) == 1
    monkeypatch.setattr(proposals, "FALLBACK", COUNT - 1)
    with pytest.raises(StorageError, match=f"cannot be reached.*{COUNT} vectors are too many"):
        load(gone, catalog, space)
    stored(store, catalog, space).drop()  # while an index that needs it is held
    with pytest.raises(StorageError, match=f"{COUNT} vectors are too many"):
        held.search(made(1, 99)[0], 10)
    monkeypatch.undo()
    monkeypatch.setattr(catalog_rows, "FEW", 5)
    assert len(held.search(made(1, 99)[0], 10)[0]) == 10


def test_a_file_is_let_go_for_others_and_one_that_is_held_is_named(
    catalog: Catalog, space: SpaceRecord, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = MilvusStore(Address(str(tmp_path / "milvus.db")))
    add(catalog, space, range(20))
    store.publish(catalog, space)
    other = """if True:
        import sys, time
        from milvus_lite import MilvusLite
        opened = MilvusLite(sys.argv[1])
        print("open", flush=True)
        time.sleep(60)"""
    end = time.monotonic() + 20
    while lite.lite_file(tmp_path / "milvus.db")._client is not None:
        assert time.monotonic() < end
        time.sleep(0.1)
    command = [sys.executable, "-c", other, str(tmp_path / "milvus.db")]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"open\n"
        monkeypatch.setattr(lite, "WAITS_S", 0.3)
        with pytest.raises(StorageError, match="held by another process.*one at a time"):
            store.reach()
        process.kill()
    store.reach()


@pytest.mark.parametrize("what", ["*.parquet", "manifest.json*", "schema.json", "whole"])
def test_a_file_that_was_damaged_is_made_anew(
    catalog: Catalog, space: SpaceRecord, tmp_path: Path, what: str
) -> None:
    """What Milvus Lite keeps, cut to half, while nobody has it open."""
    file = tmp_path / "milvus.db"
    store = MilvusStore(Address(str(file), is_own=True))
    add(catalog, space, range(COUNT))
    store.publish(catalog, space)
    lite.lite_file(file).let_go()
    if what == "whole":
        shutil.rmtree(file)
        file.write_bytes(b"SQLite format 3\0")
    for path in file.rglob(what) if file.is_dir() else ():
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    assert_exact(load(store, catalog, space), exact(catalog, space))
    if is_stale(store, catalog, space):
        store.publish(catalog, space)
    assert_exact(load(store, catalog, space), exact(catalog, space))
    assert_sound(store, catalog, space)
