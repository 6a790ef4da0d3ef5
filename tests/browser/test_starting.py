"""Starting the page, stopping it, and who can reach what; no browser is needed."""

import io
import shutil
import socket
import subprocess
import sys
import urllib.error
import urllib.request
import zipfile
from collections.abc import Iterator
from email.message import Message
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from PIL import Image

from indexer import BuildOptions, Config, Library
from tests.browser.conftest import save_with_metadata, serving
from tests.conftest import environment


@pytest.fixture(scope="module")
def library_folder(template: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("served")
    (folder / "photos").mkdir()
    Image.new("RGB", (900, 600), "red").save(folder / "photos" / "red.png")
    shutil.copytree(template, folder / "library")
    with Library.open(folder / "library", config=Config()) as library:
        library.build([folder / "photos"], BuildOptions(model="tiny"))
    return folder / "library"


@pytest.fixture(scope="module")
def log(library_folder: Path) -> Path:
    return library_folder.parent / "log"


@pytest.fixture(scope="module")
def url(library_folder: Path, log: Path) -> Iterator[str]:
    with serving(library_folder, log) as url:
        yield url


def answer(url: str, method: str = "GET", **headers: str) -> tuple[int, Message, bytes]:
    request = urllib.request.Request(url, headers=headers, method=method)
    try:
        with urllib.request.urlopen(request, timeout=20) as response:
            return response.status, response.headers, response.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.headers, error.read()


def ui(*arguments: str | Path, cwd: Path) -> subprocess.CompletedProcess[str]:
    """The command, where it ends by itself."""
    return subprocess.run(
        [sys.executable, "-m", "indexer", "ui", "--no-browser", *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        cwd=cwd,
        env=environment(),
    )


def test_without_a_library_it_says_so_and_ends_with_4(tmp_path: Path) -> None:
    ended = ui("--library", tmp_path / "none", cwd=tmp_path)
    assert ended.returncode == 4
    assert ended.stderr.startswith("glimpse: no library at")
    assert ended.stderr.count("\n") == 1


def test_a_port_that_is_taken_is_one_line(library_folder: Path, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        ended = ui("--library", library_folder, "--port", str(port), cwd=tmp_path)
    assert ended.returncode == 2
    assert f"port {port} cannot be had (taken" in ended.stderr
    assert "glimpse ui --port" in ended.stderr
    assert ended.stderr.count("\n") == 1


def test_it_says_one_line_and_ends_when_it_is_told_to(library_folder: Path, tmp_path: Path) -> None:
    with serving(library_folder, tmp_path / "log") as url:  # and waits for its end
        assert answer(url)[0] == 200
    assert (tmp_path / "log").read_text().splitlines()[0] == f"Glimpse is at {url} (Ctrl-C ends it)"


def test_it_listens_on_this_machine_alone(url: str) -> None:
    assert listening(urlsplit(url).port or 0) == {"0100007F"}  # 127.0.0.1; neither 0.0.0.0 nor IPv6


def test_a_foreign_name_that_points_here_is_refused(url: str) -> None:
    assert answer(url, Host="example.com")[0] == 400
    assert answer(f"{url}/photos/1/320", Host="example.com")[0] == 400


def test_an_upload_without_the_pages_token_is_refused(url: str) -> None:
    assert answer(f"{url}/_stcore/upload_file/a/b", method="PUT")[0] == 403


def test_the_browser_is_told_to_ask_nobody_else(url: str) -> None:
    policy = answer(url)[1]["Content-Security-Policy"]
    sources = {source for rule in policy.split("; ") for source in rule.split()[1:]}
    plain = {"'self'", "'none'", "'unsafe-inline'", "data:", "blob:"}
    assert "default-src 'self'" in policy
    assert all(source in plain or source.startswith("'sha256-") for source in sources)


def test_photos_are_served_by_id_and_in_a_few_sizes(url: str, library_folder: Path) -> None:
    with Library.open(library_folder, config=Config()) as library:
        photo = library.photos()[0].id
    code, headers, data = answer(f"{url}/photos/{photo}/320")
    assert (code, headers["Content-Type"], data[:2]) == (200, "image/jpeg", b"\xff\xd8")
    for path in (f"{photo}/321", f"{photo + 999}/320", f"{10**30}/320"):
        code, _, data = answer(f"{url}/photos/{path}")
        assert code == 404
        assert data.startswith(b"no ")
    assert answer(f"{url}/photos/..%2f..%2fetc%2fpasswd/320")[2].find(b"root:") == -1


def test_photos_are_exported_to_the_page_alone(url: str, library_folder: Path) -> None:
    with Library.open(library_folder, config=Config()) as library:
        photo = library.photos()[0]
    code, headers, data = answer(f"{url}/export/paths.txt?ids={photo.id}")
    assert (code, data.decode()) == (200, f"{photo.path}\n")
    assert headers["Content-Disposition"] == 'attachment; filename="paths.txt"'
    for name in ("paths.txt", "photos.csv", "photos.zip", "original"):
        export = f"{url}/export/{name}"
        assert answer(f"{export}?ids={photo.id}", **{"Sec-Fetch-Site": "cross-site"})[0] == 403
        assert answer(f"{export}?ids={photo.id},../etc")[0] == 400
        assert answer(f"{export}?ids={photo.id + 999}")[0] == 404


def test_where_places_are_not_told_nothing_that_is_taken_away_tells_them(tmp_path: Path) -> None:
    photos = tmp_path / "photos"
    photos.mkdir()
    save_with_metadata(photos / "noted.jpg", "x")
    (tmp_path / "quiet.toml").write_text("[ui]\nplaces = false\n")
    with Library.open(tmp_path / "library", create=True, config=Config()) as library:
        library.build([photos], BuildOptions(model="tiny"))
        photo = library.photos()[0]
    assert photo.latitude is not None
    told = {}
    for name, options in {"told": (), "quiet": ("--config", str(tmp_path / "quiet.toml"))}.items():
        with serving(tmp_path / "library", tmp_path / "log", *options) as url:
            table = answer(f"{url}/export/photos.csv?ids={photo.id}")[2].decode()
            zipped = answer(f"{url}/export/photos.zip?ids={photo.id}")[2]
            alone = answer(f"{url}/export/original?ids={photo.id}")[2]
        with zipfile.ZipFile(io.BytesIO(zipped)) as archive:
            (entry,) = archive.namelist()
            packed = archive.read(entry)
        exifs = [Image.open(io.BytesIO(data)).getexif() for data in (packed, alone)]
        told[name] = [
            *("latitude" in table, "-33.8" in table),
            *(bool(exif) for exif in exifs),
            *(bool(exif.get_ifd(0x8825)) for exif in exifs),
        ]
    assert told == {"told": [True] * 6, "quiet": [False] * 6}


def test_results_of_no_question_are_none(url: str) -> None:
    for path in ("none?offset=0&count=10", "none", f"none?offset={10**30}&count=1"):
        assert answer(f"{url}/results/{path}")[0] == 404


def test_nothing_of_streamlits_own_is_on_the_terminal(url: str, log: Path) -> None:
    answer(url)
    assert log.read_text() == f"Glimpse is at {url} (Ctrl-C ends it)\n"


def listening(port: int) -> set[str]:
    """The addresses at which something listens on a port, in hexadecimal as Linux lists them."""
    tables = [Path(f"/proc/net/{table}") for table in ("tcp", "tcp6")]
    sockets = [line.split() for table in tables for line in table.read_text().splitlines()[1:]]
    pairs = [socket[1].split(":") for socket in sockets if socket[3] == "0A"]  # LISTEN
    return {address for address, number in pairs if int(number, 16) == port}
