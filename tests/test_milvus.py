"""Vectors in Milvus: the same answers as without it; a collection that is not the catalog's is noticed and mended."""

import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
from numpy.typing import NDArray

from indexer import Config, Library
from indexer.errors import ConfigError, StorageError
from storage import choosing, embedded, snapshots
from storage.catalog import Catalog
from storage.engine import CATALOG
from storage.milvus import auditing, catalog_rows, lite, proposals, serving
from storage.milvus.address import Address
from storage.milvus.collection import Collection, listed
from storage.milvus.store import MilvusStore
from storage.milvus.writing import recorded_collection
from storage.records import (
    ContentRecord,
    EmbeddingRecord,
    FileRecord,
    Signature,
    SnapshotRecord,
    SpaceRecord,
)
from storage.vectors import Allowed, VectorIndex
from tests.conftest import MakePicture, Run, environment

pytest.importorskip("pymilvus", reason="vectors in Milvus need pymilvus")
pytest.importorskip("milvus_lite", reason="they are tested with Milvus Lite")

pytestmark = [
    # Of pymilvus and Milvus Lite themselves.
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]

DIM, COUNT = 16, 600
NOWHERE = "http://127.0.0.1:9"
FILE = '[library]\nvectors = "milvus"\n'
Vectors = NDArray[np.float32]


@pytest.fixture(autouse=True)
def _small_is_large(monkeypatch: pytest.MonkeyPatch) -> None:
    """Milvus is asked from a size that a test can make, and reaches its limits there."""
    monkeypatch.setattr(catalog_rows, "FEW", 5)
    monkeypatch.setattr(proposals, "IDS", 100)
    monkeypatch.setattr(proposals, "MOST", 400)
    monkeypatch.setattr(snapshots, "LEAST_TAIL", 0)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A Milvus at a port, as a cluster is: Milvus Lite in a process of its own."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    folder = tmp_path_factory.mktemp("server") / "data"
    command = [sys.executable, "-c", "from milvus_lite.cmdline import main; main()", "server"]
    command += ["--host", "127.0.0.1", "--port", port, "--data-dir", str(folder)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        assert process.stdout is not None
        process.stdout.readline()  # it listens
        yield f"http://127.0.0.1:{port}"
        process.terminate()


@pytest.fixture
def catalog(tmp_path: Path) -> Iterator[Catalog]:
    opened = Catalog.open(tmp_path / "library", create=True)
    yield opened
    opened.close()


@pytest.fixture
def space(catalog: Catalog) -> SpaceRecord:
    with catalog.batch() as batch:
        batch.add_root(b"/photos")
        batch.add_space("test", "test", "f" * 64, DIM, True)
        return batch.spaces()[0]


@pytest.fixture(params=["file", "server"])
def address(request: pytest.FixtureRequest, tmp_path: Path) -> Address:
    if request.param == "file":
        return Address(str(tmp_path / "milvus.db"))
    return Address(request.getfixturevalue("server"))


@pytest.fixture
def store(server: str) -> MilvusStore:
    return MilvusStore(Address(server))


def made(count: int, seed: int) -> Vectors:
    """Unit vectors in scenes of 20."""
    rng = np.random.default_rng(seed)
    scenes = rng.normal(size=(-(-count // 20), DIM)).repeat(20, axis=0)[:count]
    vectors = scenes + rng.normal(size=(count, DIM)) / 3
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors.astype(np.float32)


def add(catalog: Catalog, space: SpaceRecord, names: range, seed: int = 0) -> None:
    with catalog.batch() as batch:
        ids = [batch.add_content(ContentRecord(b"%032d" % i, 1, 1, 1, "PNG")) for i in names]
        for i, id in zip(names, ids, strict=True):
            batch.put_file(FileRecord(1, b"", b"%d" % i, Signature(1, 1, 1, 1), 1, id))
        rows = zip(ids, made(len(names), seed), strict=True)
        batch.put_embeddings(EmbeddingRecord(space.id, id, vector) for id, vector in rows)


def remove(catalog: Catalog, names: range) -> None:
    with catalog.batch() as batch:
        known = batch.known_files(1, b"", None)
        batch.remove_files([known[b"%d" % name].id for name in names])


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


def test_a_catalog_put_back_from_a_copy_does_not_take_the_collection_for_its_own(
    catalog: Catalog, space: SpaceRecord, store: MilvusStore, tmp_path: Path
) -> None:
    add(catalog, space, range(COUNT))
    store.publish(catalog, space)
    catalog.back_up(keep=1)
    (copy,) = catalog.folder.glob("*.backup")
    remove(catalog, range(50))
    store.publish(catalog, space)
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


@pytest.mark.parametrize("everything", [False, True])
@pytest.mark.parametrize(
    "step", ["create", "fill", "settle", "mark", "put", "delete", "record", "tidy"]
)
def test_a_publication_that_stops_anywhere_loses_nothing_and_leaves_no_litter(
    catalog: Catalog, space: SpaceRecord, store: MilvusStore, step: str, everything: bool
) -> None:
    class StopHereError(Exception):
        pass

    def stop(at: str) -> None:
        if at == step:
            raise StopHereError

    add(catalog, space, range(60))
    store.publish(catalog, space)
    add(catalog, space, range(60, 100), seed=1)
    remove(catalog, range(20))
    if step in (("mark", "put", "delete") if everything else ("create", "fill", "settle")):
        pytest.skip("no step of this")
    with pytest.raises(StopHereError):
        store.publish(catalog, space, everything=everything, at=stop)
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
    for count, allowed in (
        (300, None),
        (60, Allowed(index.ids()[::10])),
        (300, Allowed(index.ids()[::2])),
    ):
        assert (
            len(index.search(made(1, 99)[0], 300, allowed)[0]) == count
        )  # however few cells hold them
    other = MilvusStore(Address(server, index="FLAT"))
    other.publish(catalog, space)  # another index was asked for
    assert recorded(catalog, space).kind == "Milvus FLAT"


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


def test_a_token_comes_from_the_settings_or_the_environment_and_is_shown_nowhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("GLIMPSE_MILVUS_TOKEN", raising=False)
    said = {"milvus": {"uri": "https://milvus.example:443", "token": "s3cret"}}
    config = Config.from_mapping(said, "here")
    address = config.milvus.address(tmp_path)
    assert address.token == "s3cret"
    assert "s3cret" not in f"{config!r} {config} {address!r} {MilvusStore(address)._server}"
    monkeypatch.setenv("GLIMPSE_MILVUS_TOKEN", "from outside")
    assert config.milvus.address(tmp_path).token == "s3cret"
    assert Config().milvus.address(tmp_path).token == "from outside"
    for wrong in ({"token": 12345}, {"uri": "http://me:12345@host:19530"}):
        with pytest.raises(ConfigError, match=r"milvus\.(token|uri)") as told:
            Config.from_mapping({"milvus": wrong}, "here")
        assert "12345" not in str(told.value)


@pytest.mark.parametrize(
    ("uri", "file"),
    [("", "library/milvus.db"), ("~/mine.db", "home/mine.db"), ("http://host:19530", None)],
)
def test_a_uri_is_a_server_or_a_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, uri: str, file: str | None
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    address = Config.from_mapping({"milvus": {"uri": uri}}, "x").milvus.address(
        tmp_path / "library"
    )
    assert address.file == (tmp_path / file if file else None)


@pytest.mark.parametrize("uri", ["ftp://host", "milvus.sqlite", "file:///milvus.db"])
def test_what_is_neither_is_refused(uri: str) -> None:
    with pytest.raises(ConfigError, match=r"milvus\.uri"):
        Config.from_mapping({"milvus": {"uri": uri}}, "x")


def test_a_missing_package_is_named_with_what_brings_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pymilvus", None)
    serving._require.cache_clear()
    with pytest.raises(StorageError, match=r"pip install 'glimpse\[milvus\]'"):
        MilvusStore(Address(NOWHERE)).reach()


def collections_of(folder: Path, address: Address) -> list[str]:
    catalog = Catalog.open(folder)
    with catalog.view() as view:
        prefix = f"glimpse_{view.library_id()}_"
    catalog.close()
    return [collection.name for collection in listed(MilvusStore(address)._server, prefix)]


def by_milvus(uri: str) -> Config:
    return Config.from_mapping({"library": {"vectors": "milvus"}, "milvus": {"uri": uri}}, "here")


def configure(folder: Path, text: str) -> None:
    """For commands that run in `folder`."""
    (folder / "config.toml").write_text(text)


def test_the_command_keeps_its_vectors_in_a_file_of_milvus_lite(
    glimpse: Run, library_folder: Path, photos: Path, picture: MakePicture, tmp_path: Path
) -> None:
    configure(tmp_path, FILE)
    for number, colour in enumerate(["red", "green", "blue", "yellow"]):
        picture(f"{colour}.png", colour, mark=number)
    built = glimpse("build", photos)
    assert built.returncode == 0, built.stderr
    found = glimpse("search", "blue", "--filepath-only", "--top", "1")
    assert found.stdout.decode().strip() == str(photos / "blue.png")
    assert found.stderr == b""
    status = glimpse("status").stdout.decode()
    assert "Milvus FLAT" in status
    assert "milvus.db" in status
    assert not list(library_folder.glob("snapshots/*"))
    verified = glimpse("verify")
    assert verified.returncode == 0, verified.stderr
    assert b"1 collection" in verified.stdout + verified.stderr
    before = collections_of(library_folder, Address(str(library_folder / "milvus.db")))
    removed = glimpse("remove", photos, "--yes")
    assert removed.returncode == 0, removed.stderr
    after = collections_of(library_folder, Address(str(library_folder / "milvus.db")))
    assert len(before) == len(after) == 1
    assert before != after
    assert not list(library_folder.rglob(f"{before[0]}*"))  # no vector is left in any file


def test_verify_puts_back_what_the_collection_lost_and_takes_away_what_it_should_not_have(
    library_folder: Path, photos: Path, picture: MakePicture, server: str
) -> None:
    for number in range(8):
        picture(f"{number}.png", "red", mark=number + 1)
    with Library.open(library_folder, config=by_milvus(server)) as library:
        library.build([photos])
        catalog, store = Catalog.open(library_folder), MilvusStore(Address(server))
        with catalog.view() as view:
            space = view.spaces()[0]
        collection = stored(store, catalog, space)
        ids, vectors = exact(catalog, space)
        collection.drop_rows(ids[:2])
        collection.put(ids[3:4], -vectors[3:4], 1)
        collection.put(np.array([900, 901]), vectors[:2], 1)  # as many rows as before
        looked = library.verify(dry_run=True).findings
        assert [(finding.count, finding.what) for finding in looked] == [
            (2, "vectors missing"),
            (1, "vectors not the catalog's"),
            (2, "vectors of nothing in the catalog"),
        ]
        assert library.verify().is_repaired
        assert_sound(store, catalog, space)
        assert recorded(catalog, space).file == collection.name  # mended, not written anew
        stray = Collection(store._server, f"{collection.name[:-8]}deadbeef")
        stray.create(DIM, "FLAT", 1)
        collection.drop()
        told = library.verify()
        assert {finding.what for finding in told.findings} == {"recorded nowhere", "it is missing"}
        assert told.is_repaired
        assert_sound(store, catalog, space)
        assert library.verify().is_sound
        catalog.close()


def test_a_reader_sees_what_another_process_builds(
    glimpse: Run,
    library_folder: Path,
    photos: Path,
    picture: MakePicture,
    tmp_path: Path,
    address: Address,
) -> None:
    text = f'{FILE}[milvus]\nuri = "{address.uri}"\n'
    configure(tmp_path, text)
    picture("red.png", "red")
    assert glimpse("build", photos).returncode == 0
    with Library.open(library_folder, config=Config.load(tmp_path / "config.toml")) as library:
        assert len(library.search("red")) == 1
        picture("blue.png", "blue")
        assert glimpse("build").returncode == 0  # takes turns with us, where it is a file
        assert library.search("blue")[0].path.name == "blue.png"
        (photos / "red.png").unlink()
        assert glimpse("build", "--yes").returncode == 0
        assert [hit.path.name for hit in library.search("red")] == ["blue.png"]


def test_a_build_without_its_server_says_so_within_seconds_and_changes_nothing(
    glimpse: Run, library_folder: Path, photos: Path, picture: MakePicture, tmp_path: Path
) -> None:
    configure(tmp_path, f'{FILE}[milvus]\nuri = "{NOWHERE}"\ntoken = "s3cret"\ntimeout_s = 1.0\n')
    picture("red.png", "red")
    before = (library_folder / CATALOG).read_bytes()
    began = time.monotonic()
    told = glimpse("build", photos)
    assert told.returncode == 1
    assert told.stderr.count(b"\n") == 1
    assert f"Milvus at {NOWHERE} cannot be reached (connection refused)".encode() in told.stderr
    assert time.monotonic() - began < 60  # on a machine that does much else
    with Library.open(library_folder, config=Config.load(tmp_path / "config.toml")) as library:
        for ask in (library.verify, lambda: library.remove(photos)):
            with pytest.raises(StorageError, match="cannot be reached"):
                ask()
    assert (library_folder / CATALOG).read_bytes() == before


def test_a_server_that_does_not_answer_is_given_up_in_time() -> None:
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        port = deaf.getsockname()[1]
        began = time.monotonic()
        with pytest.raises(StorageError, match="cannot be reached within 1 s"):
            MilvusStore(Address(f"http://127.0.0.1:{port}", timeout_s=1)).reach()
        assert time.monotonic() - began < 5


def test_a_library_goes_from_faiss_to_milvus_and_back(
    library_folder: Path, photos: Path, picture: MakePicture, caplog: pytest.LogCaptureFixture
) -> None:
    picture("red.png", "red")
    for config in (Config(), by_milvus(""), Config()):
        with Library.open(library_folder, config=config) as library:
            library.build([photos])
            assert library.search("red")[0].path == photos / "red.png"
            assert caplog.text == ""
            (space,) = library.status().spaces
            assert ("Milvus" in space.index) == (config.library.vectors == "milvus")
            assert library.verify().is_sound


def test_a_search_without_it_imports_nothing_of_it(
    library_folder: Path, photos: Path, picture: MakePicture, tmp_path: Path
) -> None:
    code = """if True:
        import sys
        from indexer import Library
        with Library.open(sys.argv[1]) as library:
            library.search("red")
        print([name for name in sys.modules if name.split(".")[0] in ("pymilvus", "milvus_lite", "grpc")])
        print([name for name in sys.modules if name.startswith("storage.milvus.")])"""
    command = [sys.executable, "-c", code, str(library_folder)]
    told = subprocess.run(
        command, capture_output=True, text=True, cwd=tmp_path, env=environment(), check=True
    )
    assert told.stdout == "[]\n['storage.milvus.address']\n"


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
