"""Cells whose lists lie on disk: built in bounded memory, checked as they are read, made again whatever happens."""

import os
import resource
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from contextlib import contextmanager
from functools import wraps
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from faiss.contrib.inspect_tools import get_invlist

from benchmarks.mortal import Mortal, Tell
from benchmarks.promises import litter, sound
from indexer import Config
from indexer.config import RuntimeConfig
from indexer.errors import StorageError
from indexer.spaces import Spaces
from indexer.vector_stores import vector_store
from indexer.verification.findings import Ledger
from indexer.verification.snapshots import check_snapshots
from storage import auditing, cells, choosing, mapping, snapshot_files, snapshots
from storage.catalog import Catalog
from storage.making import learn
from storage.ondisk import lists, making, shards
from storage.ondisk.cells import DiskCells
from storage.records import SnapshotRecord, SpaceRecord
from storage.stores import SnapshotStore
from tests.conftest import environment
from tests.spaces import COUNT, DIM, add, assert_equals_catalog, files, lay, load, made, remove

SHARD = 800


def make_small_large(patch: pytest.MonkeyPatch) -> None:
    """Cells, and several shards, from a size that a test can make."""
    patch.setattr(choosing, "EXACT_BELOW", 1000)
    patch.setattr(cells, "COSTLIER", 1)
    patch.setattr(making, "SHARD", SHARD)


@pytest.fixture(autouse=True)
def _small_is_large(monkeypatch: pytest.MonkeyPatch) -> None:
    make_small_large(monkeypatch)


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A library of `COUNT` vectors, of which nothing is published."""
    folder = tmp_path_factory.mktemp("ondisk") / "library"
    catalog = Catalog.open(folder, create=True)
    lay(catalog)
    catalog.close()
    return folder


@pytest.fixture(scope="module")
def published(large: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same with its snapshot."""
    folder = tmp_path_factory.mktemp("published") / "library"
    shutil.copytree(large, folder)
    with pytest.MonkeyPatch.context() as patch:
        make_small_large(patch)
        publish(folder)
    return folder


@pytest.fixture
def catalog(published: Path, tmp_path: Path) -> Iterator[Catalog]:
    shutil.copytree(published, tmp_path / "library")
    opened = Catalog.open(tmp_path / "library")
    yield opened
    opened.close()


@pytest.fixture
def space(catalog: Catalog) -> SpaceRecord:
    with catalog.view() as view:
        return view.spaces()[0]


@pytest.fixture
def store(catalog: Catalog) -> SnapshotStore:
    return on_disk(catalog)


def on_disk(catalog: Catalog, workers: shards.Workers | None = None) -> SnapshotStore:
    config = Config.from_mapping({"library": {"vectors": "ondisk"}}, "the test")
    store = vector_store(catalog.folder, config, workers)
    assert isinstance(store, SnapshotStore)
    return store


def publish(folder: Path) -> None:
    catalog = Catalog.open(folder)
    with catalog.view() as view:
        space = view.spaces()[0]
    with catalog.writer():
        on_disk(catalog).publish(catalog, space, everything=True)
    catalog.close()


def recorded(catalog: Catalog, space: SpaceRecord) -> SnapshotRecord:
    with catalog.view() as view:
        return snapshots.published(view, space)[0]


def cells_of(catalog: Catalog, space: SpaceRecord) -> DiskCells:
    found = load(catalog, space).segments[0].cells
    assert isinstance(found, DiskCells)
    return found


def path_of(catalog: Catalog, space: SpaceRecord) -> Path:
    return catalog.folder / snapshots.SNAPSHOTS / recorded(catalog, space).file


def damage(catalog: Catalog, space: SpaceRecord, cell: int) -> None:
    """Flip every bit of the first row's code in a cell's list."""
    where = cells_of(catalog, space).lists.lists
    with path_of(catalog, space).open("r+b") as file:
        file.seek(int(where.offsets[cell]))
        code = file.read(where.code_size)
        file.seek(int(where.offsets[cell]))
        file.write(bytes(255 - byte for byte in code))


def best(query: Any, k: int) -> Any:
    return np.sort(made(COUNT, 0) @ query)[::-1][:k]


def test_the_lists_are_those_of_one_index_in_memory(catalog: Catalog, space: SpaceRecord) -> None:
    opened = cells_of(catalog, space)
    rows = load(catalog, space).segments[0].rows
    own = learn(rows, f"PQ{DIM // 4}np")
    own.add(rows.take(np.arange(COUNT)))
    for cell in range(own.nlist):
        expected = get_invlist(own.invlists, cell)  # type: ignore[no-untyped-call]
        found = get_invlist(opened.lists.faiss, cell)  # type: ignore[no-untyped-call]
        assert found[0].tolist() == expected[0].tolist()
        assert (found[1] == expected[1]).all()


def test_the_index_and_its_recall_are_recorded_and_nothing_is_left_beside(
    catalog: Catalog, space: SpaceRecord
) -> None:
    record = recorded(catalog, space)
    assert record.kind.startswith(f"IVF64,PQ{DIM // 4}np on disk nprobe=")
    assert record.recall >= choosing.TARGET
    assert list(files(catalog)) == [record.file]


def test_a_damaged_list_is_found_by_the_search_that_comes_upon_it(
    catalog: Catalog, space: SpaceRecord, caplog: pytest.LogCaptureFixture
) -> None:
    victim = made(COUNT, 0)[1234]
    opened = cells_of(catalog, space)
    _, nearest = opened.index.quantizer.search(victim[None], opened.index.nlist)
    damage(catalog, space, int(nearest[0, -1]))
    index = load(catalog, space)
    assert index.search(victim, 10)[1] == pytest.approx(best(victim, 10), abs=1e-3)
    assert caplog.text == ""  # that list was not looked at
    damage(catalog, space, int(nearest[0, 0]))
    index = load(catalog, space)
    for _ in range(2):
        assert index.search(victim, 10)[1] == pytest.approx(best(victim, 10), abs=1e-3)
    assert caplog.text.count("has a damaged list") == 1


def test_verify_finds_a_damaged_list_and_writes_the_snapshot_anew(
    catalog: Catalog, space: SpaceRecord, store: SnapshotStore
) -> None:
    damage(catalog, space, 17)
    with catalog.view() as view:
        (fault,) = auditing.faults(view, catalog.folder, space)
    assert fault.what == "not what was written"
    ledger = Ledger(catalog.folder, repairing=True)
    spaces = Spaces(catalog.folder, RuntimeConfig())
    with catalog.writer():
        check_snapshots(catalog, store, spaces, ledger, settled=True)
    assert [finding.repaired for finding in ledger.findings()] == [True]
    with catalog.view() as view:
        assert auditing.faults(view, catalog.folder, space) == []
        assert list(auditing.disagreements(view, catalog.folder, space)) == []
    assert "on disk" in recorded(catalog, space).kind


@pytest.mark.parametrize("share", [0.2, 0.7, 0.85, 0.9, 0.99])
def test_a_file_that_was_cut_is_passed_over(
    catalog: Catalog, space: SpaceRecord, share: float
) -> None:
    path = path_of(catalog, space)
    os.truncate(path, int(share * path.stat().st_size))
    index = load(catalog, space)
    assert [len(segment) for segment in index.segments] == [COUNT]
    assert_equals_catalog(catalog, space, index)


def test_lists_that_the_writer_removes_while_they_are_opened_are_passed_over(
    catalog: Catalog, space: SpaceRecord, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = path_of(catalog, space)

    def size_of(opened: Path) -> int:
        size = opened.stat().st_size
        opened.unlink()
        return size

    monkeypatch.setattr(os.path, "getsize", size_of)
    assert_equals_catalog(catalog, space, load(catalog, space))
    assert not path.exists()


def test_any_bit_that_is_flipped_is_found(catalog: Catalog, space: SpaceRecord) -> None:
    path, chance = path_of(catalog, space), np.random.default_rng(5)
    data = path.read_bytes()
    record = recorded(catalog, space)
    for at in chance.integers(len(data), size=150).tolist():
        damaged = bytearray(data)
        damaged[at] ^= 1 << (at % 8)
        path.write_bytes(damaged)
        with pytest.raises(StorageError):
            snapshot_files.read_whole(path, DIM, COUNT, record.sha256)


def test_switching_to_and_fro_writes_anew_and_is_read_meanwhile(
    catalog: Catalog, space: SpaceRecord, store: SnapshotStore
) -> None:
    in_memory = SnapshotStore(catalog.folder)
    for before, after, is_on_disk in ((store, in_memory, False), (in_memory, store, True)):
        with catalog.view() as view:
            assert not before.needs_publishing(view, space)
            assert after.needs_publishing(view, space)
            assert_equals_catalog(catalog, space, after.load(view, space))
        after.publish(catalog, space)
        assert ("on disk" in recorded(catalog, space).kind) == is_on_disk
        assert isinstance(load(catalog, space).segments[0].cells, DiskCells) == is_on_disk
        assert len(files(catalog)) == 1


def test_what_is_removed_is_in_no_file_once_everything_is_written_anew(
    catalog: Catalog, space: SpaceRecord, store: SnapshotStore
) -> None:
    secret = made(COUNT, 0)[7].astype("<f2").tobytes()
    remove(catalog, range(7, 8))
    assert secret in path_of(catalog, space).read_bytes()
    store.publish(catalog, space, everything=True)
    (name,) = files(catalog)
    assert secret not in (catalog.folder / snapshots.SNAPSHOTS / name).read_bytes()
    assert len(cells_of(catalog, space).lists) == COUNT - 1


def test_lists_leave_memory_when_they_have_become_many(
    catalog: Catalog, space: SpaceRecord, monkeypatch: pytest.MonkeyPatch
) -> None:
    dropped, unmap, victim = list[None](), mapping.unmap, made(COUNT, 0)[3]
    index = load(catalog, space)
    expected = index.search(victim, 10)[0].tolist()
    monkeypatch.setattr(mapping, "MAPPED", -(2**40))
    monkeypatch.setattr(mapping, "unmap", lambda data: dropped.append(unmap(data)))
    assert [index.search(victim, 10)[0].tolist() for _ in range(3)] == 3 * [expected]
    assert len(dropped) >= 3


STEPS: dict[str, tuple[Any, str, int]] = {
    "learned": (making, "fill_all", 1),
    "the first shard": (shards, "fill", 2),
    "half a shard": (os, "replace", 3),
    "all shards": (making, "merge", 1),
    "half merged": (lists, "get_invlist", 30),
    "merged": (choosing, "recall_of", 1),
    "written": (os, "fsync", 1),
    "flushed": (snapshot_files, "read_back", 1),
    "named": (snapshots, "flush", 1),
    "before its record": (snapshots, "record_snapshot", 1),
    "recorded": (snapshots, "remove_orphans", 1),
}
"""What a writer is killed before, and the how many-th call of it."""


def publishing(tell: Tell, library: Path, step: str) -> None:
    choosing.EXACT_BELOW, making.SHARD = 1000, SHARD
    owner, name, calls = STEPS[step]
    real, left = getattr(owner, name), calls

    @wraps(real)
    def killed(*arguments: Any, **named: Any) -> Any:
        nonlocal left
        left -= 1
        if not left:
            os.kill(os.getpid(), signal.SIGKILL)
        return real(*arguments, **named)

    setattr(owner, name, killed)
    publish(library)


@pytest.mark.parametrize("step", STEPS)
def test_a_writer_that_is_killed_loses_nothing_and_leaves_no_litter(
    catalog: Catalog, space: SpaceRecord, store: SnapshotStore, step: str
) -> None:
    add(catalog, space, range(COUNT, COUNT + 400), seed=1)
    with Mortal(publishing, catalog.folder, step) as writer:
        assert writer.end() == -signal.SIGKILL, writer.complaint
    sound(catalog.folder)
    assert_equals_catalog(catalog, space, load(catalog, space))
    store.publish(catalog, space)
    assert litter(catalog.folder) == []
    assert_equals_catalog(catalog, space, load(catalog, space))


def publishing_into(tell: Tell, library: Path, most: int) -> None:
    choosing.EXACT_BELOW, making.SHARD = 1000, SHARD
    resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))
    catalog = Catalog.open(library)
    with catalog.view() as view:
        space = view.spaces()[0]
    try:
        on_disk(catalog).publish(catalog, space, everything=True)
    except StorageError as error:
        sys.stderr.write(str(error))


def test_a_disk_that_takes_the_vectors_but_not_the_lists_ends_in_one_line(
    large: Path, tmp_path: Path
) -> None:
    shutil.copytree(large, tmp_path / "library")
    with Mortal(publishing_into, tmp_path / "library", 2 * COUNT * DIM + 4000) as writer:
        assert writer.end() == 0, writer.complaint
    assert "cannot be written (File too large); nothing is lost" in writer.complaint
    assert list((tmp_path / "library" / snapshots.SNAPSHOTS).iterdir()) == []


class Damaging(ThreadPoolExecutor):
    """Workers that spoil what they do."""

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        done = super().submit(fn, *args, **kwargs)
        done.result()
        with open(args[0].file, "r+b") as file:
            file.truncate(1000)
        return done


class Refusing(ThreadPoolExecutor):
    """Workers that do not reach the folder."""

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        def fails() -> None:
            raise FileNotFoundError(args[0].rows)

        return super().submit(fails)


@pytest.mark.parametrize("kind", [ThreadPoolExecutor, Damaging, Refusing])
def test_workers_fill_shards_and_what_they_cannot_do_is_done_here(
    catalog: Catalog,
    space: SpaceRecord,
    kind: type[ThreadPoolExecutor],
    caplog: pytest.LogCaptureFixture,
) -> None:
    @contextmanager
    def workers() -> Iterator[Executor]:
        with kind(2) as executor:
            yield executor

    before = recorded(catalog, space)
    on_disk(catalog, workers).publish(catalog, space, everything=True)
    assert recorded(catalog, space).sha256 == before.sha256  # what one process made
    assert caplog.text.count("this process does") == (kind is not ThreadPoolExecutor)


PROGRAM = """
import sys, threading, time
from pathlib import Path
import numpy as np
from storage import choosing, snapshot_files
from storage.embedded import Part
from storage.making import InMemory
from storage.ondisk import making
from storage.ondisk.making import OnDisk

DIM, COUNT, PART = 512, 40_000, 4096
folder, kind = Path(sys.argv[1]), sys.argv[2]
choosing.EXACT_BELOW, making.SHARD, choosing.TARGET, choosing.ASKED = 1_000, 5_000, 0.0, 16

def anonymous_mb():
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("RssAnon")) / 1024

class Codes(OnDisk if kind == "disk" else InMemory):
    def codes(self, dim):
        yield "SQ8"

def parts():
    rng = np.random.default_rng(0)
    for start in range(0, COUNT, PART):
        rows = rng.standard_normal((min(PART, COUNT - start), DIM), np.float32)
        rows /= np.linalg.norm(rows, axis=1, keepdims=True)
        ids = np.arange(start, start + len(rows)) + 1
        yield Part(ids, rows.astype("<f2").tobytes())

def build():
    digest, choice = snapshot_files.write(
        folder / "a.tmp", DIM, COUNT, parts(), lambda rows, place: choosing.choose(rows, words, Codes(), place)
    )
    (folder / "digest").write_text(digest)
    return choice

def serve():
    return snapshot_files.read(folder / "a.tmp", DIM, COUNT, (folder / "digest").read_text(), None)

peak = 0
def watch():
    global peak
    while True:
        peak = max(peak, anonymous_mb())
        time.sleep(0.002)

words = lambda: np.empty((0, DIM), np.float32)
before = anonymous_mb()
threading.Thread(target=watch, daemon=True).start()
held = {"build": build, "serve": serve}[sys.argv[3]]()
print(max(peak, anonymous_mb()) - before)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_neither_building_nor_serving_holds_the_codes_in_memory(tmp_path: Path) -> None:
    program = tmp_path / "program.py"
    program.write_text(PROGRAM)

    def took_mb(kind: str, what: str) -> float:
        (tmp_path / kind).mkdir(exist_ok=True)
        command = [sys.executable, str(program), str(tmp_path / kind), kind, what]
        done = subprocess.run(command, capture_output=True, text=True, env=environment())
        assert done.returncode == 0, done.stderr
        return float(done.stdout)

    codes_mb = 40_000 * 520 / 2**20
    for what in ("build", "serve"):
        assert took_mb("disk", what) + 0.7 * codes_mb < took_mb("memory", what)
