"""A catalog on PostgreSQL: one writer among all machines, and every refusal of the server's in one line."""

import json
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from benchmarks.mortal import Mortal, Tell
from indexer import Config, Library, State
from indexer.errors import (
    LibraryLockedError,
    LibraryNotFoundError,
    StorageError,
    UsageError,
)
from storage import embedded, snapshots
from storage.catalog import Catalog
from storage.homes import MARK
from storage.migrations import NEWEST, schema_version
from storage.postgres import connecting
from tests.conftest import MakePicture, environment
from tests.databases import Server, on

PASSWORD = "hidden:sesame"
WRITER = """
import sys, time
from pathlib import Path
from storage.catalog import Catalog
with Catalog.open(Path(sys.argv[1]), sys.argv[2]).writer():
    print("held", flush=True)
    time.sleep(60)
"""


@pytest.fixture
def url(server: Server) -> str:
    return server.empty()


@pytest.fixture
def catalog(tmp_path: Path, url: str) -> Iterator[Catalog]:
    with closing(Catalog.open(tmp_path / "library", url, create=True)) as opened:
        yield opened


@pytest.fixture
def machine(template: Path, server: Server, tmp_path: Path) -> tuple[Path, str]:
    """A library's folder, without a photo, and the URL of its catalog."""
    return tmp_path / "library", server.library(template, tmp_path / "library")


def name_of(url: str) -> str:
    return url.partition("?")[0].replace("+psycopg", "")


def database_of(url: str) -> str:
    return name_of(url).rpartition("/")[2]


def refusal(folder: Path, url: str) -> str:
    """What opening says, which is one line."""
    with pytest.raises((StorageError, UsageError)) as caught:
        Catalog.open(folder, url)
    assert "\n" not in str(caught.value)
    return str(caught.value)


# Servers and databases that cannot be used


def test_a_server_that_is_not_there_is_told(tmp_path: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
        said = refusal(tmp_path, f"postgresql+psycopg://me:{PASSWORD}@127.0.0.1:{port}/photos")
    assert said.startswith(f"postgresql://me@127.0.0.1:{port}/photos cannot be opened (")
    assert "refused" in said
    assert "is the server running" in said
    assert PASSWORD not in said


def test_a_server_that_does_not_answer_is_waited_for_only_so_long(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert connecting.CONNECT_TIMEOUT_S <= 5
    monkeypatch.setattr(connecting, "CONNECT_TIMEOUT_S", 2)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        began = time.monotonic()
        said = refusal(
            tmp_path, f"postgresql+psycopg://me@127.0.0.1:{silent.getsockname()[1]}/photos"
        )
    assert "timeout" in said
    assert time.monotonic() - began < 10


def test_a_database_that_is_missing_is_told(server: Server, tmp_path: Path) -> None:
    said = refusal(tmp_path, server.url("none"))
    assert 'database "none" does not exist' in said
    assert "make it with: createdb" in said


def test_a_wrong_password_is_told_and_no_password_is_shown(
    server: Server, guarded: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = refusal(tmp_path, guarded.replace("guarded@", "guarded:wrong-one@"))
    assert "password authentication failed" in said
    assert "PGPASSWORD" in said
    assert "wrong-one" not in said
    assert "PGPASSWORD" in refusal(tmp_path, guarded)  # none given
    monkeypatch.setenv("PGPASSWORD", PASSWORD)
    with pytest.raises(LibraryNotFoundError, match="no library at postgresql://guarded@"):
        Catalog.open(tmp_path, guarded)


def test_a_password_may_come_from_a_file(
    guarded: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "passwords"
    file.write_text(f"*:*:*:guarded:{PASSWORD.replace(':', chr(92) + ':')}\n")
    file.chmod(0o600)
    monkeypatch.setenv("PGPASSFILE", str(file))
    assert not Catalog.exists(tmp_path, guarded)


@pytest.fixture
def guarded(server: Server) -> str:
    """The URL of a database for a user whom the server asks for a password."""
    quoted = f"'{PASSWORD}'"
    server.execute("DROP ROLE IF EXISTS guarded", f"CREATE ROLE guarded LOGIN PASSWORD {quoted}")
    return server.url("postgres", "guarded")


def test_the_status_shows_the_catalog_without_its_password(
    machine: tuple[Path, str], tmp_path: Path
) -> None:
    folder, url = machine
    file = tmp_path / "config.toml"
    secret = url.replace("postgres@", f"postgres:{PASSWORD.replace(':', '%3A')}@")
    file.write_text(f"[library]\ncatalog = {json.dumps(secret)}\n")
    command = [sys.executable, "-m", "indexer", "status", f"--library={folder}", f"--config={file}"]
    shown = subprocess.check_output(command, env=environment(), text=True).replace("\n", "")
    assert name_of(url) in shown
    assert "sesame" not in shown
    assert "sesame" not in repr(Config.load(file))


@pytest.mark.parametrize(
    ("url", "complaint"),
    [
        ("mysql://me:sesame@host/photos", "by mysql; a catalog can be on PostgreSQL"),
        ("sqlite:///photos", "by sqlite; .* in the library's folder, for which it is left empty"),
        ("me:sesame", "is no URL such as postgresql"),
        ("postgresql+psycopg://me:sesame@host:port/photos", "is no URL such as postgresql"),
    ],
)
def test_a_url_of_another_kind_is_refused_and_not_repeated(
    url: str, complaint: str, tmp_path: Path
) -> None:
    with pytest.raises(UsageError, match=complaint) as caught:
        Catalog.open(tmp_path, url)
    assert "sesame" not in str(caught.value)


def test_without_the_driver_it_is_said_how_to_install_it(tmp_path: Path) -> None:
    program = (
        "import sys; sys.modules['psycopg'] = None\n"
        "from pathlib import Path; from storage.catalog import Catalog\n"
        "from storage.errors import StorageError\n"
        "try: Catalog.open(Path(sys.argv[1]), 'postgresql://host/photos')\n"
        "except StorageError as error: print(error)"
    )
    said = subprocess.run(
        [sys.executable, "-c", program, tmp_path], capture_output=True, env=environment(), text=True
    )
    assert said.stdout.endswith("install it with: pip install 'glimpse[postgres]'\n"), said


def test_tables_of_another_program_are_left_alone(server: Server, url: str, tmp_path: Path) -> None:
    server.execute(
        "CREATE TABLE meta (id int)", "CREATE TABLE photos (id int)", database=database_of(url)
    )
    with pytest.raises(StorageError, match="tables of another program .*meta, photos"):
        Catalog.open(tmp_path, url, create=True)
    assert not Catalog.exists(tmp_path, url)


def test_a_database_that_has_not_every_character_is_refused(server: Server, tmp_path: Path) -> None:
    server.execute(
        "CREATE DATABASE odd ENCODING 'LATIN1' LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0"
    )
    with pytest.raises(StorageError, match="has the encoding LATIN1.*createdb --encoding UTF8"):
        Catalog.open(tmp_path, server.url("odd"), create=True)


def test_a_user_who_may_make_no_tables_is_told(server: Server, url: str, tmp_path: Path) -> None:
    server.execute("DROP ROLE IF EXISTS guest", "CREATE ROLE guest LOGIN")
    with pytest.raises(StorageError, match=r"permission denied.*createdb --owner"):
        Catalog.open(tmp_path, url.replace("postgres@", "guest@"), create=True)


# Folders


def test_a_folder_with_a_catalog_of_its_own_is_not_used_for_another(
    template: Path, url: str, tmp_path: Path
) -> None:
    shutil.copytree(template, tmp_path / "own")
    with pytest.raises(StorageError, match="holds a catalog of its own"):
        Catalog.open(tmp_path / "own", url, create=True)


def test_a_folder_of_a_catalog_elsewhere_gets_none_of_its_own(catalog: Catalog, url: str) -> None:
    for create in (True, False):
        with pytest.raises(StorageError, match=f"belongs to the catalog {name_of(url)}"):
            Catalog.open(catalog.folder, create=create)


def test_a_folder_is_not_used_for_two_catalogs(catalog: Catalog, server: Server) -> None:
    with pytest.raises(StorageError, match=f"belongs to another library .*{MARK}"):
        Catalog.open(catalog.folder, server.empty(), create=True)


# Writers


def test_a_writer_on_another_machine_is_named_and_frees_the_lock_when_it_is_killed(
    catalog: Catalog, url: str, tmp_path: Path
) -> None:
    command = [sys.executable, "-c", WRITER, str(tmp_path / "elsewhere"), url]
    with subprocess.Popen(command, stdout=subprocess.PIPE, env=environment()) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        told = f"{name_of(url)} is locked by process {holder.pid} on {socket.gethostname()}"
        with pytest.raises(LibraryLockedError, match=told), catalog.writer():
            pass
        assert catalog.is_being_written()
        with catalog.view() as view:  # a reader goes on
            assert view.roots() == []
        holder.kill()
    assert eventually(lambda: not catalog.is_being_written())
    with catalog.writer(), catalog.batch() as batch:
        batch.add_root(b"/photos")


def test_a_writer_whose_lock_is_lost_writes_no_more(
    catalog: Catalog, server: Server, url: str
) -> None:
    with (
        pytest.raises(StorageError, match="was lost, so nothing more is written"),
        catalog.writer(),
    ):
        with catalog.batch() as batch:
            batch.set_meta("first", "written")
        drop_lock(server, url)
        with catalog.batch() as batch:
            batch.set_meta("second", "written")
    with catalog.writer(), catalog.view() as view:
        assert (view.get_meta("first"), view.get_meta("second")) == ("written", None)


def test_the_next_writer_waits_for_what_one_that_lost_the_lock_still_commits(
    catalog: Catalog, server: Server, url: str, tmp_path: Path
) -> None:
    seen = list[str | None]()

    def write_too() -> None:
        elsewhere = closing(Catalog.open(tmp_path / "elsewhere", url))
        with elsewhere as other, other.writer(), other.view() as view:
            seen.append(view.get_meta("last"))

    other = threading.Thread(target=write_too)
    with pytest.raises(StorageError, match="was lost"), catalog.writer():
        with catalog.batch() as batch:
            batch.set_meta("last", "committed")
            drop_lock(server, url)
            other.start()
            other.join(0.5)
            assert seen == []
        other.join()
        with catalog.batch():
            pass
    assert seen == ["committed"]


def drop_lock(server: Server, url: str) -> None:
    """End the connection that has the writer's lock, as an administrator or a lost network would."""
    query = (
        "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND "
        f"database = (SELECT oid FROM pg_database WHERE datname = '{database_of(url)}')"
    )
    assert server.execute(query) == [(True,)]
    assert eventually(lambda: server.execute(query) == [])


def eventually(holds: object) -> bool:
    """Whether it comes to hold within some seconds."""
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        if holds():  # type: ignore[operator]
            return True
        time.sleep(0.05)
    return False


def test_a_catalog_that_another_program_holds_is_waited_for_only_so_long(
    url: str, server: Server, tmp_path: Path
) -> None:
    impatient = closing(Catalog.open(tmp_path, url, create=True, busy_timeout_s=0.3))
    with (
        impatient as catalog,
        server.connection(database_of(url)) as other,
        other.transaction(),
    ):
        other.execute("SELECT value FROM meta FOR UPDATE")
        with pytest.raises(LibraryLockedError, match="held by another"), catalog.batch():
            pass


def test_searches_do_not_wait_behind_a_removal_that_waits_for_a_long_reader(
    url: str, server: Server, catalog: Catalog
) -> None:
    took = list[float]()
    with server.connection(database_of(url)) as other, other.transaction():
        other.execute("SELECT count(*) FROM roots")
        vacuuming = threading.Thread(target=catalog.vacuum)
        vacuuming.start()
        while vacuuming.is_alive():
            began = time.monotonic()
            with catalog.view() as view:
                view.roots()
            took.append(time.monotonic() - began)
            time.sleep(0.02)
    assert max(took) < 2.5


def test_an_older_schema_is_brought_up_to_date(server: Server, catalog: Catalog, url: str) -> None:
    older = (
        "ALTER TABLE snapshots DROP COLUMN folder",
        "UPDATE meta SET value = '3' WHERE key = 'schema_version'",
        "DROP INDEX embeddings_by_content",
    )
    server.execute(*older, database=database_of(url))
    with closing(Catalog.open(catalog.folder, url)) as again, again.view() as view:
        assert schema_version(view.connection) == NEWEST
    columns = "SELECT folder FROM snapshots"
    assert server.execute(columns, database=database_of(url)) == []


def test_a_reader_sees_one_moment_and_cannot_write(catalog: Catalog) -> None:
    with catalog.view() as view:
        assert view.change_seq() == 0
        with catalog.batch() as batch:
            batch.add_root(b"/photos")
        assert (view.change_seq(), view.roots()) == (0, [])
        with pytest.raises(StorageError, match="can only be read"):
            view.connection.exec_driver_sql("DELETE FROM roots")


def test_a_connection_that_was_lost_meanwhile_is_replaced(
    catalog: Catalog, server: Server, url: str
) -> None:
    with catalog.view() as view:
        view.change_seq()
    server.execute(
        f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{database_of(url)}'"
    )
    with catalog.view() as view:
        assert view.change_seq() == 0


# Libraries


def build_on(tell: Tell, url: str, folder: Path, photos: Path) -> None:
    """Build in small batches, and tell how many pictures are committed."""
    settings = {"library": {"catalog": url}, "build": {"batch_size": 4, "decode_workers": 1}}
    with Library.open(folder, config=Config.from_mapping(settings, "a test")) as library:
        library.build(
            [photos], on_progress=lambda progress: tell(progress.stage, progress.embedded)
        )


def test_a_build_that_is_killed_has_lost_nothing_and_holds_nothing(
    machine: tuple[Path, str], photos: Path, picture: MakePicture
) -> None:
    folder, url = machine
    for number in range(60):
        picture(f"{number}.png", mark=number)
    with Mortal(build_on, url, folder, photos) as mortal:
        mortal.listen("embedding", times=5)
        mortal.send(9)
        assert mortal.end() == -9, mortal.complaint
    with closing(Catalog.open(folder, url)) as catalog:
        committed = known(catalog)
        assert 60 > committed >= mortal.count("embedding") > 0
        assert eventually(lambda: not catalog.is_being_written())
    with Mortal(build_on, url, folder, photos) as again:
        assert again.end() == 0, again.complaint
    with closing(Catalog.open(folder, url)) as catalog:
        assert known(catalog) == 60
        assert again.count("model") == 60 - committed


def known(catalog: Catalog) -> int:
    """How many vectors there are, by the snapshots and by the catalog alone."""
    with catalog.view() as view:
        (space,) = view.spaces()
        index = snapshots.load(view, catalog.folder, space)
        assert index.ids().tolist() == embedded.ids(view, space, after=0).tolist()
        return len(index)


def test_two_folders_share_a_catalog(
    machine: tuple[Path, str],
    template: Path,
    photos: Path,
    picture: MakePicture,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(snapshots, "LEAST_TAIL", 2)
    here, url = machine
    picture("one/red.png", "red")
    picture("two/blue.png", "blue")
    with (
        Library.open(here, config=on(url)) as one,
        Library.open(tmp_path / "there", config=on(url)) as other,
    ):
        one.build([photos])
        assert [hit.path.name for hit in other.search("blue")] == ["blue.png", "red.png"]
        for number in range(8):
            picture(f"two/{number}.png", "green", mark=number)
        other.build([photos])  # publishes in its own folder
        picture("two/yellow.png", "yellow")
        one.build([photos])
        for library in (one, other):
            assert len(library.search("red", k=50)) == 11
        (photos / "two" / "blue.png").unlink()
        other.build()
        assert len(files(here)) == len(files(tmp_path / "there")) > 0
        for library in (one, other):
            assert "blue.png" not in {hit.path.name for hit in library.search("blue", k=50)}
    for folder in (here, tmp_path / "there"):
        with Library.open(folder, config=on(url)) as library:
            assert len(library.search("red", k=50)) == 10
            assert library.verify().findings == ()
    assert "passed over" not in caplog.text


def test_two_folders_share_vectors_in_milvus(
    machine: tuple[Path, str],
    photos: Path,
    picture: MakePicture,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    pytest.importorskip("milvus_lite", reason="milvus-lite is not installed")
    monkeypatch.setattr(snapshots, "LEAST_TAIL", 0)
    here, url = machine
    picture("red.png", "red")
    milvus = {"uri": str(tmp_path / "shared.db")}
    config = Config.from_mapping(
        {"library": {"catalog": url, "vectors": "milvus"}, "milvus": milvus}, "a test"
    )
    with (
        Library.open(here, config=config) as one,
        Library.open(tmp_path / "there", config=config) as other,
    ):
        one.build([photos])
        assert [hit.path.name for hit in other.search("red")] == ["red.png"]
        picture("blue.png", "blue")
        other.build([photos])
        for library in (one, other):
            assert len(library.search("red")) == 2
            assert library.verify().is_sound
        assert one.remove(photos) == 2
        assert len(other.search("red")) == 0
    assert "Milvus" not in caplog.text


def files(folder: Path) -> list[str]:
    return sorted(path.name for path in (folder / "snapshots").iterdir())


def test_what_one_machine_removes_is_left_in_no_snapshot_that_another_uses(
    machine: tuple[Path, str], photos: Path, picture: MakePicture, tmp_path: Path, server: Server
) -> None:
    here, url = machine
    picture("red.png", "red")
    there = tmp_path / "there"
    with Library.open(here, config=on(url)) as one, Library.open(there, config=on(url)) as other:
        one.build([photos])
        with closing(Catalog.open(there, url)) as catalog, catalog.writer():
            with catalog.view() as view:
                (space,) = view.spaces()
            snapshots.publish(catalog, space, everything=True)
        assert len(other.search("red")) == 1
        assert one.remove(photos) == 1
        assert len(other.search("red")) == 0
        before = files(there)
        picture("green.png", "green")
        other.build([photos])
        assert not set(before) & set(files(there))
    rows = "SELECT count(*) FROM contents UNION ALL SELECT count(*) FROM removals"
    assert server.execute(rows, database=database_of(url)) == [(2,), (0,)]


def test_verify_tells_of_rows_that_contradict_each_other(
    machine: tuple[Path, str], photos: Path, picture: MakePicture, server: Server
) -> None:
    folder, url = machine
    picture("red.png", "red")
    with Library.open(folder, config=on(url)) as library:
        library.build([photos])
        assert library.verify().is_sound
        server.execute("UPDATE photos SET state = 'lost'", database=database_of(url))
        damage = library.verify().damage
    assert damage is not None
    assert damage.findings == ("photos are in a state that there is not: 1 (2)",)
    assert (damage.backup, damage.commands) == (None, ())


def test_verify_tells_of_a_vector_that_is_not_as_it_was_written(
    machine: tuple[Path, str], photos: Path, picture: MakePicture, server: Server
) -> None:
    folder, url = machine
    picture("red.png", "red")
    picture("blue.png", "blue")
    with Library.open(folder, config=on(url)) as library:
        library.build([photos])
        with closing(Catalog.open(folder, url)) as catalog, catalog.writer():
            with catalog.view() as view:
                (space,) = view.spaces()
            snapshots.publish(catalog, space, everything=True)
        swap = "UPDATE embeddings e SET vector = o.vector FROM embeddings o WHERE o.content_id <> e.content_id"
        server.execute(swap, database=database_of(url))
        damage = library.verify().damage
    assert damage is not None
    assert "vectors differ from what was written: 2" in damage.findings[0]


def test_the_command_from_building_to_removing(
    url: str, photos: Path, picture: MakePicture, template: Path, tmp_path: Path
) -> None:
    folder, file = tmp_path / "library", tmp_path / "config.toml"
    shutil.copytree(template / "models", folder / "models")
    file.write_text(f'[library]\npath = "{folder}"\ncatalog = "{url}"\n')

    def glimpse(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "indexer", *arguments, "--config", file]
        return subprocess.run(command, capture_output=True, text=True, env=environment())

    missing = glimpse("status")
    assert (missing.returncode, missing.stderr.count("\n")) == (4, 1)
    assert f"no library at {name_of(url)}; make one with" in missing.stderr
    picture("red.png", "red")
    picture("blue.png", "blue")
    built = glimpse("build", photos, "--model", "tiny")
    assert built.returncode == 0, built.stderr
    assert glimpse("search", "blue", "--filepath-only", "-t", "1").stdout.endswith("blue.png\n")
    status = json.loads(glimpse("status", "--json").stdout)
    assert status["catalog"] == name_of(url)
    assert status["roots"][0]["counts"] == {State.PRESENT: 2}
    assert status["sizes"]["catalog"] > 0
    checked = glimpse("verify")
    assert (checked.returncode, checked.stdout[:13]) == (0, "nothing wrong"), checked
    assert "pg_dump makes them" in checked.stderr
    assert glimpse("remove", photos, "--yes").returncode == 0
    assert glimpse("search", "blue", "--filepath-only").stdout == ""
    assert not list(folder.glob("*.sqlite*"))
