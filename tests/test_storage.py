"""The catalog and its snapshots: what is damaged is noticed, what is derived is made again."""

import multiprocessing
import os
import resource
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from sqlalchemy import Connection

from indexer import Config, Library
from indexer.errors import (
    CatalogDamagedError,
    LibraryLockedError,
    LibraryNotFoundError,
    LibraryVersionError,
    StorageError,
    UsageError,
)
from storage import snapshots
from storage.catalog import Catalog
from storage.migrations import MIGRATIONS, migrate, schema_version
from storage.records import RootRecord, SpaceRecord
from storage.sqlite import engine
from storage.sqlite.backups import back_up
from storage.vectors import Allowed, VectorIndex, in_memory
from tests import spaces
from tests.conftest import MakePicture, environment
from tests.databases import Databases
from tests.schemas import columns_of, indices_of, make_first
from tests.spaces import DIM, add, load, made, remove

pytestmark = pytest.mark.both


def as_stored(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    """Unit vectors as they come back: rounded to float16, brought to length 1 again."""
    rounded = vectors.astype(np.float16).astype(np.float32)
    return np.asarray(rounded / np.linalg.norm(rounded, axis=1, keepdims=True), np.float32)


@pytest.fixture
def url(databases: Databases) -> str:
    """Of the catalog; empty for SQLite."""
    return databases.empty()


@pytest.fixture
def catalog(tmp_path: Path, url: str) -> Iterator[Catalog]:
    opened = Catalog.open(tmp_path / "library", url, create=True)
    yield opened
    opened.close()


@pytest.fixture
def space(catalog: Catalog) -> SpaceRecord:
    return spaces.empty(catalog)


def snapshot_file(catalog: Catalog) -> Path:
    (path,) = (catalog.folder / "snapshots").iterdir()
    return path


@pytest.mark.parametrize(
    "damage",
    [
        "flip in the header",
        "flip in a vector",
        "flip at the end",
        "truncate",
        "delete",
        "overwrite",
    ],
)
def test_a_damaged_snapshot_is_noticed_and_made_from_the_catalog(
    catalog: Catalog, space: SpaceRecord, damage: str, caplog: pytest.LogCaptureFixture
) -> None:
    add(catalog, space, range(10))
    snapshots.publish(catalog, space)
    before = load(catalog, space)
    ids, vectors = before.ids(), before.vectors(before.ids())
    path = snapshot_file(catalog)
    data = bytearray(path.read_bytes())
    match damage:
        case "flip in the header":
            data[40] ^= 1
            path.write_bytes(data)
        case "flip in a vector":
            data[data.index(made(10, 0)[6].astype("<f2").tobytes()) + 5] ^= 1
            path.write_bytes(data)
        case "flip at the end":
            data[-1] ^= 1
            path.write_bytes(data)
        case "truncate":
            path.write_bytes(data[:-100])
        case "delete":
            path.unlink()
        case _:
            path.write_bytes(os.urandom(len(data)))
    after = load(catalog, space)
    assert np.array_equal(ids, after.ids())
    assert np.array_equal(vectors, after.vectors(ids))
    assert len(after.search(vectors[0], 10)[0]) == 10
    assert "is passed over" in caplog.text or "read from the catalog" in caplog.text


@pytest.mark.parametrize("step", ["write", "read back", "rename", "record", "tidy"])
def test_a_publication_that_stops_anywhere_loses_nothing_and_leaves_no_litter(
    catalog: Catalog, space: SpaceRecord, step: str
) -> None:
    class StopHereError(Exception):
        pass

    def stop(at: str) -> None:
        if at == step:
            raise StopHereError

    add(catalog, space, range(10))
    snapshots.publish(catalog, space)
    add(catalog, space, range(10, 20), seed=1)
    with pytest.raises(StopHereError):
        snapshots.publish(catalog, space, at=stop)
    assert len(load(catalog, space)) == 20
    snapshots.remove_orphans(catalog)
    assert len(list((catalog.folder / "snapshots").iterdir())) == 1
    assert len(load(catalog, space)) == 20


def test_a_small_change_rewrites_no_snapshot(catalog: Catalog, space: SpaceRecord) -> None:
    add(catalog, space, range(400))
    with catalog.view() as view:
        assert snapshots.needs_publishing(view, space)
    snapshots.publish(catalog, space)
    add(catalog, space, range(400, 500))
    with catalog.view() as view:
        assert not snapshots.needs_publishing(view, space)


def test_a_snapshot_that_cannot_be_written_keeps_the_old_one(
    catalog: Catalog, space: SpaceRecord
) -> None:
    add(catalog, space, range(10))
    snapshots.publish(catalog, space)
    kept = snapshot_file(catalog)
    add(catalog, space, range(10, 20))
    before = resource.getrlimit(resource.RLIMIT_FSIZE)

    def fill(step: str) -> None:
        if step == "write":
            resource.setrlimit(resource.RLIMIT_FSIZE, (200, before[1]))

    try:
        with pytest.raises(StorageError, match="cannot be written .* nothing is lost"):
            snapshots.publish(catalog, space, at=fill)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert (snapshot_file(catalog), len(load(catalog, space))) == (kept, 20)


@pytest.mark.sqlite
def test_forgetting_a_content_reads_no_row_of_another(catalog: Catalog) -> None:
    with catalog.view() as view:
        for table in ("embeddings", "photos", "tags"):
            plan = view.connection.exec_driver_sql(
                f"EXPLAIN QUERY PLAN DELETE FROM {table} WHERE content_id IN (1, 2)"
            )
            assert all(row.detail.startswith("SEARCH") for row in plan)


def test_ids_are_never_used_again(catalog: Catalog, space: SpaceRecord) -> None:
    first = add(catalog, space, range(5))
    remove(catalog, [4])
    with catalog.batch() as batch:
        batch.purge_orphans(0)
    assert add(catalog, space, range(7, 8)) == [max(first) + 1]


@settings(deadline=None, max_examples=60)
@given(st.data())
def test_a_search_equals_the_plain_sum_of_products(data: st.DataObject) -> None:
    base_ids = np.arange(1, 1 + data.draw(st.integers(0, 30)))
    added_ids = np.arange(100, 100 + data.draw(st.integers(0, 10)))
    left = np.array(
        sorted(data.draw(st.sets(st.sampled_from(base_ids.tolist() or [1]), max_size=20))), int
    )
    left = np.intersect1d(left, base_ids)
    base, added = as_stored(made(len(base_ids), 1)), as_stored(made(len(added_ids), 2))
    (first,), (second,) = in_memory(base_ids, base).segments, in_memory(added_ids, added).segments
    index = VectorIndex(DIM, 1, (first.without(left), second))
    living = np.concatenate([np.setdiff1d(base_ids, left), added_ids])
    allowed = None
    if data.draw(st.booleans()):
        allowed = np.array(
            sorted(data.draw(st.sets(st.sampled_from([*living.tolist(), 5000])))), int
        )
        living = np.intersect1d(living, allowed)
    query, k = made(1, 3)[0], data.draw(st.integers(1, 50))
    found, scores = index.search(query, k, None if allowed is None else Allowed(allowed))
    everything = dict(
        zip([*base_ids, *added_ids], np.concatenate([base, added]) @ query, strict=True)
    )
    best = sorted((everything[id] for id in living), reverse=True)[:k]
    assert scores == pytest.approx(best, abs=1e-5)
    assert set(found) <= set(living.tolist())
    assert len(found) == min(k, len(living))


@pytest.mark.parametrize(
    ("query", "k", "complaint"),
    [
        (np.full(DIM, np.nan, np.float32), 1, "not finite"),
        (np.full(DIM, np.inf, np.float32), 1, "not finite"),
        (made(1, 0)[0, :3], 1, r"shape \(3,\); this space needs \(16,\)"),
        (made(1, 0)[0], 0, "the least is 1"),
    ],
)
def test_a_vector_that_cannot_be_searched_is_refused(
    query: NDArray[np.float32], k: int, complaint: str
) -> None:
    index = in_memory(np.arange(3), made(3, 0))
    with pytest.raises(UsageError, match=complaint):
        index.search(query, k)


def test_a_transaction_that_fails_leaves_nothing(catalog: Catalog) -> None:
    with pytest.raises(ZeroDivisionError), catalog.batch() as batch:
        batch.add_root(b"/x")
        _ = 1 / 0
    with catalog.view() as view:
        assert (view.roots(), view.change_seq()) == ([], 0)


def test_what_is_remembered_of_a_moment_is_of_no_other(catalog: Catalog) -> None:
    with catalog.view() as before:
        assert before.get_meta("remark") is None
        with catalog.batch() as batch:
            batch.set_meta("remark", "new")
        with catalog.view() as after:
            assert after.get_meta("remark") == "new"
        assert before.get_meta("remark") is None
    with catalog.view() as view:
        assert view.get_meta("remark") == "new"


def test_a_second_writer_is_told_who_writes(catalog: Catalog, url: str) -> None:
    program = (
        "import sys, time; from pathlib import Path; from storage.catalog import Catalog\n"
        "with Catalog.open(Path(sys.argv[1]), sys.argv[2]).writer(): print('held', flush=True); time.sleep(60)"
    )
    holder = subprocess.Popen(
        [sys.executable, "-c", program, catalog.folder, url],
        stdout=subprocess.PIPE,
        env=environment(),
    )
    assert holder.stdout is not None
    with holder.stdout:
        assert holder.stdout.readline() == b"held\n"
        with (
            pytest.raises(LibraryLockedError, match=f"locked by process {holder.pid}"),
            catalog.writer(),
        ):
            pass
        holder.kill()
        holder.wait()
    with catalog.writer():  # the kernel has freed it
        pass


@pytest.mark.sqlite
def test_a_catalog_held_by_another_program_is_waited_for_only_so_long(tmp_path: Path) -> None:
    folder = tmp_path / "library"
    with (
        closing(Catalog.open(folder, create=True, busy_timeout_s=0.3)) as catalog,
        closing(sqlite3.connect(folder / "catalog.sqlite", isolation_level=None)) as other,
    ):
        other.execute("BEGIN EXCLUSIVE")
        began = time.monotonic()
        with pytest.raises(LibraryLockedError, match="held by another process"), catalog.batch():
            pass
        assert time.monotonic() - began < 3


@pytest.mark.sqlite
def test_a_catalog_that_is_being_written_is_opened_without_a_wait(catalog: Catalog) -> None:
    with catalog.batch() as batch:
        batch.set_meta("remark", "half-way")
        with (
            closing(Catalog.open(catalog.folder, busy_timeout_s=0.1)) as other,
            other.view() as view,
        ):
            assert view.get_meta("remark") is None


@pytest.mark.parametrize("where", ["header", "page"])
@pytest.mark.sqlite
def test_a_damaged_catalog_is_refused_and_left_as_it_is(
    catalog: Catalog, space: SpaceRecord, where: str
) -> None:
    add(catalog, space, range(300))
    catalog.vacuum()
    catalog.close()
    path = catalog.folder / "catalog.sqlite"
    data = bytearray(path.read_bytes())
    start = 0 if where == "header" else len(data) // 8192 * 4096
    data[start : start + 4096] = os.urandom(4096) if where == "page" else b"\0" * 4096
    path.write_bytes(data)
    with (
        pytest.raises(CatalogDamagedError, match="is damaged .* no backup"),
        closing(Catalog.open(catalog.folder)) as again,
        again.writer(),
    ):
        pass
    assert path.read_bytes() == data


def test_nothing_is_written_to_a_catalog_that_turns_out_to_be_damaged(
    catalog: Catalog, space: SpaceRecord, monkeypatch: pytest.MonkeyPatch
) -> None:
    def find_late(self: Catalog) -> None:
        time.sleep(0.2)
        raise CatalogDamagedError("it is damaged")

    monkeypatch.setattr(Catalog, "check", find_late)
    with pytest.raises(CatalogDamagedError), catalog.writer(), catalog.batch() as batch:
        batch.set_meta("written", "yes")
    with catalog.view() as view:
        assert view.get_meta("written") is None


def test_a_newer_schema_is_refused(catalog: Catalog, url: str) -> None:
    with catalog.batch() as batch:
        batch.set_meta("schema_version", "99")
    with pytest.raises(LibraryVersionError, match="has schema 99; this Glimpse reads 1 to 5"):
        Catalog.open(catalog.folder, url)


@pytest.mark.sqlite
def test_an_older_schema_is_backed_up_and_brought_up_to_date(catalog: Catalog) -> None:
    def m006_add_a_column(connection: Connection) -> None:
        connection.exec_driver_sql("ALTER TABLE roots ADD COLUMN colour TEXT")

    path = catalog.folder / "catalog.sqlite"
    opened = engine.open_engine(path, 1)
    migrate(
        opened,
        "it",
        lambda v: back_up(opened, path, f"v{v}"),
        [*MIGRATIONS, m006_add_a_column],
    )
    with opened.connect() as connection:
        assert schema_version(connection) == 6
        connection.exec_driver_sql("SELECT colour FROM roots")
    (backup,) = catalog.folder.glob("*.backup")
    with (
        closing(sqlite3.connect(backup)) as database,
        pytest.raises(sqlite3.OperationalError, match="no such column"),
    ):
        database.execute("SELECT colour FROM roots")
    opened.dispose()


@pytest.mark.sqlite
def test_every_older_schema_becomes_the_newest(catalog: Catalog) -> None:
    path = catalog.folder / "catalog.sqlite"
    as_new = columns_of(path), indices_of(path)
    catalog.close()
    make_first(path)
    assert (columns_of(path), indices_of(path)) != as_new
    Catalog.open(catalog.folder).close()
    assert (columns_of(path), indices_of(path)) == as_new


@pytest.mark.sqlite
def test_a_migration_that_fails_leaves_the_catalog_as_it_was(catalog: Catalog) -> None:
    def m006_breaks(connection: Connection) -> None:
        connection.exec_driver_sql("ALTER TABLE roots ADD COLUMN colour TEXT")
        raise ZeroDivisionError

    opened = engine.open_engine(catalog.folder / "catalog.sqlite", 1)
    with pytest.raises(ZeroDivisionError):
        migrate(opened, "it", lambda v: catalog.folder, [*MIGRATIONS, m006_breaks])
    with opened.connect() as connection:
        assert schema_version(connection) == 5
        columns = connection.exec_driver_sql("SELECT name FROM pragma_table_info('roots')")
        assert "colour" not in set(columns.scalars())
    opened.dispose()


@pytest.mark.sqlite
def test_no_library_is_an_error_that_says_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(LibraryNotFoundError, match="make one with: glimpse build"):
        Library.open(tmp_path / "none", config=Config())
    assert not (tmp_path / "none").exists()


@pytest.mark.sqlite
def test_a_network_folder_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mounts = tmp_path / "mounts"
    mounts.write_text(f"/dev/sda / ext4 rw 0 0\nnas:/x {tmp_path}/my\\040share nfs4 rw 0 0\n")
    (tmp_path / "my share").mkdir()
    monkeypatch.setattr(engine, "MOUNTS", mounts)
    with pytest.raises(StorageError, match="network filesystem .nfs4."):
        Catalog.open(tmp_path / "my share", create=True)
    Catalog.open(tmp_path / "local", create=True).close()


def test_two_programs_may_make_the_same_library_at_once(tmp_path: Path, url: str) -> None:
    with multiprocessing.get_context("spawn").Pool(4) as pool:
        ids = pool.starmap(_open_and_identify, [(tmp_path / "library", url)] * 4)
    assert len(set(ids)) == 1


def _open_and_identify(folder: Path, url: str) -> str | None:
    with closing(Catalog.open(folder, url, create=True)) as catalog, catalog.view() as view:
        return view.get_meta("library_id")


def test_a_root_record_is_what_was_stored(catalog: Catalog, space: SpaceRecord) -> None:
    with catalog.view() as view:
        assert view.roots() == [RootRecord(1, b"/photos", None)]


@pytest.mark.sqlite
def test_what_a_build_commits_is_sound(
    library: Library, library_folder: Path, photos: Path, picture: MakePicture
) -> None:
    for i in range(40):
        picture(f"{i}.png", mark=i)
    library.build([photos])
    with sqlite3.connect(library_folder / "catalog.sqlite") as database:
        assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        assert database.execute("PRAGMA foreign_key_check").fetchall() == []
        assert database.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    database.close()
