"""Building with Ray: a real one on this machine, and a real HTTP server that answers as S3 does."""

import hashlib
import io
import json
import logging
import os
import random
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from functools import partial
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from PIL import Image

from benchmarks.spent import descendants
from indexer import BuildOptions, Config, GlimpseError, Library
from indexer.distributed import reach
from indexer.distributed.joining import connected
from indexer.distributed.workers import workers
from indexer.errors import UsageError
from storage import cells, choosing, snapshots
from storage.catalog import Catalog
from storage.ondisk import making
from storage.stores import SnapshotStore
from tests import spaces
from tests.conftest import EXAMPLES, Run, environment
from tests.pictures import encoded, orientation_exif, stored_as

CONFIG = """
[build]
batch_size = 4
shard_size = 4
decode_workers = 1
thumbnails = true

[runtime]
precision = "full"
"""
WORKER = "ray::MapWorker(MapBatches(Embedding"
S3 = {
    "AWS_ACCESS_KEY_ID": "testing",
    "AWS_SECRET_ACCESS_KEY": "testing",
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_EC2_METADATA_DISABLED": "true",
}
DENIED = b"<Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>"
ON_RAY = BuildOptions(engine="ray")

pytestmark = pytest.mark.filterwarnings(
    "ignore::DeprecationWarning:ray", "ignore::FutureWarning:ray"
)


class Denying(BaseHTTPRequestHandler):
    """Answers as S3 does to whom it does not know."""

    def do_GET(self) -> None:
        self.send_response(403)
        self.send_header("Content-Type", "application/xml")
        self.send_header("Content-Length", str(len(DENIED)))
        self.end_headers()
        self.wfile.write(DENIED)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture(scope="session")
def s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a server that answers as S3 does; whatever is started later finds it."""
    pytest.importorskip("moto")
    pytest.importorskip("s3fs")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    address = f"http://127.0.0.1:{port}"
    log = (tmp_path_factory.mktemp("moto") / "log").open("w")
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    with log, subprocess.Popen(command, stdout=log, stderr=log) as server:
        try:
            _await_port(port)
            os.environ.update(S3, AWS_ENDPOINT_URL=address)
            yield address
        finally:
            for name in (*S3, "AWS_ENDPOINT_URL"):
                os.environ.pop(name, None)
            server.kill()


@pytest.fixture(scope="session")
def cluster(request: pytest.FixtureRequest) -> Iterator[str]:
    """A cluster of two processors on this machine; its address."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "cpu_count", lambda: 2)
        patch.setenv("PYTHONPATH", environment()["PYTHONPATH"])
        with suppress(pytest.skip.Exception):
            request.getfixturevalue("s3")  # before, so that workers find it too
        with connected(None):
            import ray

            yield str(ray.get_runtime_context().gcs_address)


@pytest.fixture
def config(tmp_path: Path) -> Config:
    (tmp_path / "config.toml").write_text(CONFIG)
    return Config.load(tmp_path / "config.toml")


@pytest.fixture
def library_folder(template: Path, tmp_path: Path) -> Path:
    shutil.copytree(template, tmp_path / "library")
    return tmp_path / "library"


@pytest.fixture
def many(photos: Path) -> Path:
    """Forty files: one damaged, one twice, one turned by its EXIF, the rest pictures of their own."""
    chance = random.Random(4)
    sources = sorted(EXAMPLES.rglob("*.jpg"))
    for number in range(37):
        image = Image.open(sources[number % len(sources)]).convert("RGB")
        image.thumbnail((200, 200))
        folder = photos / f"f{number % 3}"
        folder.mkdir(exist_ok=True)
        image.putpixel((0, 0), (chance.randrange(256), number, 0))
        image.save(folder / f"{number}.jpg", quality=80)
    shutil.copy(photos / "f0" / "0.jpg", photos / "f1" / "copy.jpg")
    (photos / "f2" / "half.jpg").write_bytes((photos / "f2" / "2.jpg").read_bytes()[:1500])
    turned = encoded(stored_as(6), "JPEG", exif=orientation_exif(6))
    (photos / "f2" / "turned.jpg").write_bytes(turned)
    return photos


def dump(library: Path) -> list[Any]:
    """All that a catalog knows of photos, without ids and the time when each was read.

    A picture that two files have is decoded smaller the second time, where its thumbnails are there by then, which is
    a matter of moments: its perceptual hash is left out.
    """
    with sqlite3.connect(library / "catalog.sqlite") as catalog:
        found = catalog.execute(
            "SELECT r.path, p.folder, p.name, p.size, p.mtime_ns, p.ctime_ns, p.state, p.reason, c.sha256, c.size, "
            "c.width, c.height, c.format, c.taken_at, c.camera, c.rating, "
            "iif(p.content_id IN (SELECT content_id FROM photos GROUP BY 1 HAVING count(*) > 1), '', c.phash), "
            "e.vector, e.reason FROM photos p "
            "JOIN roots r ON r.id = p.root_id LEFT JOIN contents c ON c.id = p.content_id "
            "LEFT JOIN embeddings e ON e.content_id = c.id ORDER BY 1, 2, 3"
        ).fetchall()
    catalog.close()
    return found


def thumbnails(library: Path) -> dict[str, bytes]:
    return {p.name: p.read_bytes() for p in (library / "thumbnails").rglob("*.jpg")}


@pytest.fixture
def undisturbed(template: Path, tmp_path: Path, many: Path, config: Config) -> Path:
    """The library that one machine makes of them."""
    folder = tmp_path / "undisturbed"
    shutil.copytree(template, folder)
    with Library.open(folder, config=config) as library:
        library.build([many])
    return folder


def built(folder: Path, config: Config, *paths: str | Path, **options: Any) -> Any:
    with Library.open(folder, config=config) as library:
        return library.build(paths, BuildOptions(engine="ray", **options))


def test_a_cluster_makes_the_library_that_one_machine_makes(
    cluster: str, library_folder: Path, undisturbed: Path, many: Path, config: Config
) -> None:
    report = built(library_folder, config, many)
    assert dump(library_folder) == dump(undisturbed)
    assert thumbnails(library_folder) == thumbnails(undisturbed) != {}
    assert (report.pending, report.embedded, report.failed) == (40, 38, 1)
    again = built(library_folder, config, many)
    assert (again.pending, again.unchanged, again.failed) == (0, 39, 1)
    assert not list((library_folder / "shards").rglob("*.parquet"))


def test_a_worker_that_is_killed_loses_nothing(
    cluster: str,
    library_folder: Path,
    undisturbed: Path,
    many: Path,
    config: Config,
    capfd: pytest.CaptureFixture[str],
) -> None:
    killed: list[int] = []

    def kill(progress: Any) -> None:
        if progress.stage == "embedding" and len(killed) < 2:
            killed.extend(_kill_worker())

    with Library.open(library_folder, config=config) as library:
        library.build([many], ON_RAY, on_progress=kill)
    assert killed
    assert capfd.readouterr() == ("", ""), "Ray's own words are not for the user"
    assert dump(library_folder) == dump(undisturbed)


def test_a_driver_that_is_killed_has_nothing_embedded_twice(
    cluster: str,
    library_folder: Path,
    undisturbed: Path,
    many: Path,
    glimpse: Run,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    (tmp_path / "config.toml").write_text(CONFIG)
    shards = tmp_path / "shards"
    on_ray = ["--engine", "ray", "--ray-address", cluster, "--shards", str(shards)]
    command = [sys.executable, "-m", "indexer", "build", str(many)]
    monkeypatch.setenv(
        "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER", "0"
    )  # that cluster is on loopback alone
    deadline = time.monotonic() + 240
    with subprocess.Popen(
        [*command, *on_ray, "--library", str(library_folder)],
        cwd=tmp_path,
        env=environment(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as driver:
        while len(list(shards.rglob("*.parquet"))) < 2:
            assert driver.poll() is None
            if time.monotonic() > deadline:
                driver.kill()
                pytest.fail("nothing is embedded")
            time.sleep(0.01)
        driver.kill()
    finished = {path.name for path in shards.rglob("*.parquet")}
    assert len(finished) < 10, "it was done before it could be killed"
    second = glimpse("build", many, *on_ray)
    assert second.returncode == 3, second.stderr
    assert b"Traceback" not in second.stderr
    assert dump(library_folder) == dump(undisturbed)
    assert finished <= {path.name for path in shards.rglob("*.parquet")}
    counts = _per_shard(shards)
    assert len(counts) == 38
    twice = hashlib.sha256((many / "f0" / "0.jpg").read_bytes()).digest()  # two files, on two pages
    assert {count for content, count in counts.items() if content != twice} == {1}


def test_a_shard_that_comes_twice_changes_nothing(
    cluster: str, library_folder: Path, many: Path, config: Config, tmp_path: Path
) -> None:
    shards = tmp_path / "shards"
    built(library_folder, config, many, shards=str(shards))
    (many / "f0" / "3.jpg").unlink()
    built(library_folder, config, many, shards=str(shards))
    before = dump(library_folder)
    assert len(before) == 39
    default = library_folder / "shards" / next(shards.iterdir()).name
    shutil.copytree(shards, library_folder / "shards", dirs_exist_ok=True)
    assert list(default.glob("*.parquet"))
    built(
        library_folder, config, many
    )  # without the memory of them, the photo that went would come back
    assert dump(library_folder) == before
    assert not list(default.glob("*.parquet"))


def test_a_manifest_tells_the_shards_that_are_there(
    cluster: str, library_folder: Path, many: Path, config: Config, tmp_path: Path
) -> None:
    built(library_folder, config, many, shards=str(tmp_path / "shards"))
    (folder,) = (tmp_path / "shards").iterdir()
    said = json.loads((folder / "_manifest.json").read_text())
    assert (said["version"], said["dim"], said["model"]) == (1, 48, "tiny")
    assert sum(shard["rows"] for shard in said["shards"]) == 40
    assert {shard["file"] for shard in said["shards"]} == {p.name for p in folder.glob("*.parquet")}
    for shard in said["shards"]:
        data = (folder / shard["file"]).read_bytes()
        assert (shard["bytes"], shard["sha256"]) == (len(data), hashlib.sha256(data).hexdigest())


def test_a_damaged_shard_is_told_and_its_photos_are_embedded_again(
    cluster: str, library_folder: Path, undisturbed: Path, many: Path, config: Config
) -> None:
    with Library.open(library_folder, config=config) as library:
        fingerprint = _fingerprint(library_folder)
        folder = library_folder / "shards" / fingerprint[:16]
        folder.mkdir(parents=True)
        (folder / f"shard-{'0' * 32}.parquet").write_bytes(b"PAR1 and no more")
        told: list[str] = []
        library.build([many], ON_RAY, notify=told.append)
    assert any("is damaged" in line for line in told)
    assert dump(library_folder) == dump(undisturbed)


def test_a_library_in_s3_is_searched_by_url(
    cluster: str, s3: str, library_folder: Path, config: Config, glimpse: Run, tmp_path: Path
) -> None:
    fs = _bucket("holiday")
    for number, colour in enumerate(("red", "green", "blue")):
        fs.pipe(f"holiday/2024/{colour}/{number}.png", _png(colour, number))
    fs.pipe("holiday/2024/broken.png", b"no picture")
    fs.pipe("holiday/2024/notes.txt", b"no name of a picture")
    report = built(library_folder, config, "s3://holiday/2024", shards="s3://holiday/shards")
    assert (report.pending, report.embedded, report.failed) == (4, 3, 1)
    with Library.open(library_folder, config=config) as library:
        best = library.search("blue", 1)[0]
        assert str(best.path) == "s3://holiday/2024/blue/2.png"
        assert library.thumbnail(best.photo_id, 320)
        assert library.thumbnail(best.photo_id, 1600), "made of what is fetched"
    found = glimpse("search", "green", "-t", "1", "-f")
    assert found.stdout == b"s3://holiday/2024/green/1.png\n"
    assert fs.exists(f"holiday/shards/{_fingerprint(library_folder)[:16]}/_manifest.json")

    fs.pipe("holiday/2024/red/0.png", _png("yellow", 7))
    fs.rm("holiday/2024/green/1.png")
    report = built(library_folder, config)
    assert (report.embedded, report.removed, report.unchanged) == (1, 1, 1)
    with Library.open(library_folder, config=config) as library:
        assert str(library.search("yellow", 1)[0].path) == "s3://holiday/2024/red/0.png"
        with pytest.raises(UsageError, match="s3://holiday/2024: URLs are built with --engine ray"):
            library.build()


def test_what_is_wrong_with_a_bucket_is_one_line(
    cluster: str, s3: str, library_folder: Path, config: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    import s3fs

    with pytest.raises(UsageError, match="s3://nowhere/x is not there; name a bucket"):
        built(library_folder, config, "s3://nowhere/x")
    with HTTPServer(("127.0.0.1", 0), Denying) as server:
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{server.server_port}")
        threading.Thread(target=server.serve_forever, daemon=True).start()
        s3fs.S3FileSystem.clear_instance_cache()  # they hold on to the other address
        with pytest.raises(GlimpseError, match="its credentials are taken from the environment"):
            built(library_folder, config, "s3://locked/photos")
        server.shutdown()
    s3fs.S3FileSystem.clear_instance_cache()
    with pytest.raises(GlimpseError, match="s3://locked/photos cannot be listed"):
        built(library_folder, config, "s3://locked/photos")


def test_a_url_of_a_folder_is_that_folder(
    cluster: str, library_folder: Path, undisturbed: Path, many: Path, config: Config
) -> None:
    built(library_folder, config, f"file://{many}")
    assert dump(library_folder) == dump(undisturbed)


def test_known_bytes_are_not_embedded_again(
    cluster: str, library_folder: Path, many: Path, config: Config
) -> None:
    built(library_folder, config, many)
    for path in sorted((many / "f1").iterdir()):
        path.rename(many / f"moved {path.name}")
    ids = _ids(library_folder)
    report = built(library_folder, config, many)
    assert (report.embedded, report.moved) == (0, 13)
    assert _ids(library_folder) == ids


def test_what_makes_no_sense_is_one_line(glimpse: Run, photos: Path) -> None:
    (photos / "x.jpg").touch()
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]
        for arguments, line, code in (
            (["--ray-address", "auto"], b"--ray-address says something to the engine ray", 2),
            (["--engine", "dask"], b"Invalid value for '--engine': 'dask' is not one of", 2),
            (["--engine", "ray", "--ray-address", "head"], b"it is HOST:PORT", 2),
            (["--engine", "ray", "--ray-address", f"127.0.0.1:{port}"], b"no cluster", 1),
        ):
            done = glimpse("build", photos, *arguments)
            assert line in done.stderr, done.stderr
            assert (done.returncode, done.stderr.count(b"\n")) == (code, 1)
    for url, line in (
        ("s3://bucket/x", b"is built with --engine ray"),
        ("gopher5://x/y", b"gopher5 is no scheme that is known"),
        ("memory://x", b"is seen by this process alone"),
        ("s3://", b"names no place"),
    ):
        engine = [] if url == "s3://bucket/x" else ["--engine", "ray"]
        done = glimpse("build", url, *engine)
        assert line in done.stderr, done.stderr
        assert (done.returncode, done.stderr.count(b"\n")) == (2, 1)


def test_without_ray_a_line_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reach, "find_spec", lambda name: None)
    with pytest.raises(GlimpseError, match=r"pip install 'glimpse\[ray\]'"):
        reach.check(None)


def test_a_search_imports_neither_ray_nor_fsspec(library_folder: Path, tmp_path: Path) -> None:
    program = (
        "import sys; from indexer.cli import main\n"
        "try: main()\n"
        "finally: print(*{'ray', 'fsspec', 's3fs'} & sys.modules.keys(), file=sys.stderr)"
    )
    command = [sys.executable, "-c", program, "search", "red", "--library", str(library_folder)]
    done = subprocess.run(
        command, env=environment(), cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert done.stderr.split() == []


def test_ray_is_quiet_and_the_rest_of_the_program_is_not(
    cluster: str, caplog: pytest.LogCaptureFixture
) -> None:
    with connected(cluster):
        logging.getLogger("ray.data").error("a cluster's")
        logging.getLogger("indexer").warning("the program's")
    assert caplog.messages == ["the program's"]


def test_nothing_of_a_cluster_listens_to_other_machines(cluster: str) -> None:
    listening = set()
    for pid in descendants(os.getpid()):
        listening |= _listening(pid)
    addresses = {address.rpartition(":")[0] for address in listening}
    assert addresses
    assert all(a.lstrip("[").removeprefix("::ffff:").startswith("127.") for a in addresses)


def _await_port(port: int) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.1)
        else:
            return
    raise AssertionError("the server does not come up")


def _kill_worker() -> list[int]:
    """Kill one of the cluster's workers, if there is one; this test started it."""
    for pid in descendants(os.getpid()):
        try:
            title = Path(f"/proc/{pid}/cmdline").read_bytes().decode()
        except OSError:
            continue
        if title.startswith(WORKER):
            os.kill(pid, signal.SIGKILL)
            return [pid]
    return []


def _listening(pid: int) -> set[str]:
    """The addresses at which a process listens."""
    found = subprocess.run(["ss", "-Hltnp"], capture_output=True, text=True, check=True).stdout
    return {line.split()[3] for line in found.splitlines() if f"pid={pid}," in line}


def _embedded(shard: Path) -> list[bytes]:
    table = pq.read_table(shard, columns=["sha256", "vector", "known"]).to_pylist()
    return [row["sha256"] for row in table if row["vector"] is not None]


def _per_shard(shards: Path) -> Counter[bytes]:
    """In how many shards each content was embedded."""
    return Counter(h for path in shards.rglob("*.parquet") for h in set(_embedded(path)))


def _fingerprint(library: Path) -> str:
    with sqlite3.connect(library / "catalog.sqlite") as catalog:
        found = catalog.execute("SELECT fingerprint FROM spaces").fetchone()[0]
    catalog.close()
    return str(found)


def _ids(library: Path) -> set[int]:
    with sqlite3.connect(library / "catalog.sqlite") as catalog:
        found = {row[0] for row in catalog.execute("SELECT id FROM photos")}
    catalog.close()
    return found


def _bucket(name: str) -> Any:
    import s3fs

    fs = s3fs.S3FileSystem(skip_instance_cache=True, use_listings_cache=False)
    if not fs.exists(name):
        fs.mkdir(name)
    return fs


def _png(colour: str, mark: int) -> bytes:
    from tests.conftest import RGB

    image, out = Image.new("RGB", (64, 48), RGB[colour]), io.BytesIO()
    image.putpixel((0, 0), (mark, mark, mark))
    image.save(out, "PNG")
    return out.getvalue()


def test_cells_on_disk_are_filled_by_the_cluster_as_one_process_fills_them(
    cluster: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(choosing, "EXACT_BELOW", 1000)
    monkeypatch.setattr(cells, "COSTLIER", 1)
    monkeypatch.setattr(making, "SHARD", 800)
    catalog = Catalog.open(tmp_path / "vectors", create=True)
    space, found = spaces.lay(catalog), []
    for filling in (None, partial(workers, cluster)):
        store = SnapshotStore(catalog.folder, making.OnDisk(filling))
        store.publish(catalog, space, everything=True)
        with catalog.view() as view:
            found += snapshots.published(view, space)
    catalog.close()
    assert "on disk" in found[0].kind
    assert found[0].sha256 == found[1].sha256
    assert "this process does" not in caplog.text
