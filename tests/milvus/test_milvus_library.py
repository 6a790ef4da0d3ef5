"""A library whose vectors are in Milvus, by its verbs and its settings."""

import socket
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from indexer import Config, Library
from indexer.errors import ConfigError, StorageError
from storage.catalog import Catalog
from storage.homes import CATALOG
from storage.milvus import serving
from storage.milvus.address import Address
from storage.milvus.collection import Collection, listed
from storage.milvus.store import MilvusStore
from tests.conftest import MakePicture, Run, environment
from tests.milvus.spaces import NOWHERE, assert_sound, exact, recorded, stored
from tests.spaces import DIM

pytest.importorskip("pymilvus", reason="vectors in Milvus need pymilvus")
pytest.importorskip("milvus_lite", reason="they are tested with Milvus Lite")

FILE = '[library]\nvectors = "milvus"\n'


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
    configure(tmp_path, f'{FILE}[milvus]\nuri = "{address.uri}"\n')
    old, kept = picture("red.png", "red"), picture("green.png", "green")
    with Library.open(library_folder, config=Config.load(tmp_path / "config.toml")) as library:
        library.build([photos])
        assert {hit.path for hit in library.search("red")} == {old, kept}
        old.unlink()
        new = picture("blue.png", "blue")
        built = glimpse("build", "--yes")  # takes turns with us, where it is a file
        assert built.returncode == 0, built.stderr
        assert library.search("blue")[0].path == new
        assert {hit.path for hit in library.search("red")} == {new, kept}


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
        # A busy machine has been seen to take 10 s, the usual limit of its client.
        assert time.monotonic() - began < 15


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
