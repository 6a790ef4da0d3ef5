"""Small real parts: a model that knows colours, pictures of one colour, a library of its own for each test."""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from filelock import FileLock
from PIL import Image, ImageDraw

from indexer import BuildOptions, Config, Library
from tests.databases import Databases, InFolders, Server, on
from tests.promises import read_promises

PLUGINS = Path(__file__).parent / "plugins"
LONG = bool(os.environ.get("GLIMPSE_LONG"))
"""Whether tests that could go on for ever go on for long."""
EXAMPLES = Path(__file__).parents[1] / "examples" / "photos"
# Tests of Ctrl-C need it as a terminal has it: a shell ignores it for what it starts in the
# background, and every child inherits that.
signal.signal(signal.SIGINT, signal.default_int_handler)
sys.path.insert(0, str(PLUGINS))  # where the family `tiny` is registered

RGB = {
    "red": (220, 20, 20),
    "green": (20, 200, 20),
    "blue": (20, 20, 220),
    "yellow": (230, 220, 20),
}

LONGEST = (
    "tests/test_ray.py",
    "tests/train/test_training.py",
    "tests/test_failpoints.py",
    "tests/verify/test_files.py",
    "tests/test_snapshots.py",
    "tests/test_crash.py",
    "tests/train/test_distributed.py",
    "tests/test_open_clip.py",
    "tests/browser/test_map_page.py",
    "tests/test_watching.py",
    "tests/test_cli.py",
    "tests/test_namespaces.py",
    "tests/test_half.py",
    "tests/milvus/test_milvus.py",
    "tests/test_tagging.py",
    "tests/exchange/test_round_trip.py",
    "tests/test_migrations.py",
    "tests/test_readers.py",
    "tests/test_load.py",
    "tests/exchange/test_many.py",
)
"""They begin first, so that where files are shared out, no core waits for one of them in the end."""

MakePicture = Callable[..., Path]
Run = Callable[..., subprocess.CompletedProcess[bytes]]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the longest files first; mark tests by the group of what they show, for `pytest -m crash`."""
    order = {name: place for place, name in enumerate(LONGEST)}
    files = [item.path.relative_to(item.config.rootpath).as_posix() for item in items]
    ranked = sorted(zip(files, items, strict=True), key=lambda pair: order.get(pair[0], len(order)))
    items[:] = [item for _, item in ranked]
    groups = {test: promise.group for promise in read_promises() for test in promise.tests}
    for file, item in ranked:
        group = groups.get((file, getattr(item, "originalname", item.name)))
        if group:
            item.add_marker(group)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run the tests marked `both` with a catalog on SQLite, and with one on PostgreSQL."""
    marked = metafunc.definition.get_closest_marker
    if "databases" in metafunc.fixturenames and marked("both") and not marked("sqlite"):
        metafunc.parametrize("databases", ["sqlite", "postgresql"], indirect=True, scope="session")


def made_once(folders: pytest.TempPathFactory, name: str, make: Callable[[Path], None]) -> Path:
    """What the processes that share the tests out among them need but one of; the first that comes makes it."""
    base = folders.getbasetemp()
    folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / name
    with FileLock(f"{folder}.lock"):
        if not (folder / "made").exists():
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir()
            make(folder)
            (folder / "made").touch()
    return folder


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A library that has the space `tiny` and no photos; copied, since a model's export takes seconds."""

    def make(folder: Path) -> None:
        Image.new("RGB", (8, 8), RGB["red"]).save(folder / "red.png")
        with Library.open(folder / "library", create=True, config=Config()) as library:
            library.build([folder], BuildOptions(model="tiny"))
            library.remove(folder)

    return made_once(tmp_path_factory, "template", make) / "library"


@pytest.fixture(scope="session")
def examples_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A library of the example photos, in the space `starter`."""

    def make(folder: Path) -> None:
        with Library.open(folder / "library", create=True, config=Config()) as library:
            library.build([EXAMPLES], BuildOptions(model="starter"))

    return made_once(tmp_path_factory, "examples", make) / "library"


@pytest.fixture(scope="session")
def prepared_starter(examples_folder: Path) -> Path:
    """The starter model as that library has prepared it, to be copied into others: preparing takes seconds."""
    return examples_folder / "models"


@pytest.fixture(scope="session")
def examples(examples_folder: Path) -> Iterator[Library]:
    """That library, for reading only: all tests share it."""
    with Library.open(examples_folder, config=Config()) as library:
        yield library


@pytest.fixture(scope="session")
def server() -> Iterator[Server]:
    """A PostgreSQL server."""
    with Server.running() as running:
        yield running


@pytest.fixture(scope="session")
def databases(request: pytest.FixtureRequest) -> Databases:
    """Where catalogs lie: SQLite's, and in tests marked `both` PostgreSQL's, too."""
    if getattr(request, "param", "sqlite") == "sqlite":
        return InFolders()
    found: Server = request.getfixturevalue("server")
    return found


@pytest.fixture
def config(databases: Databases, template: Path, tmp_path: Path) -> Config:
    """That of the test's library."""
    return on(databases.library(template, tmp_path / "library"))


@pytest.fixture
def library_folder(config: Config, tmp_path: Path) -> Path:
    return tmp_path / "library"


@pytest.fixture
def library(library_folder: Path, config: Config) -> Iterator[Library]:
    with Library.open(library_folder, config=config) as opened:
        yield opened


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    folder = tmp_path / "photos"
    folder.mkdir()
    return folder


@pytest.fixture
def picture(photos: Path) -> MakePicture:
    """Makes a picture of a colour in `photos`; `mark` makes its bytes its own."""

    def make(name: str, colour: str = "red", mark: int = 0, **options: object) -> Path:
        path = photos / name
        path.parent.mkdir(parents=True, exist_ok=True)
        image = Image.new("RGB", (64, 48), RGB.get(colour, (0, 0, 0)))
        if mark:
            ImageDraw.Draw(image).line((0, 0, mark % 64, mark // 64), fill=(255, 255, 255))
        image.save(path, **options)  # type: ignore[arg-type]
        return path

    return make


@pytest.fixture
def glimpse(library_folder: Path, config: Config, tmp_path: Path) -> Run:
    """Runs the real command on the test's library, and returns what became of it."""
    catalog = tmp_path / "catalog.toml"
    catalog.write_text(f"[library]\ncatalog = {config.library.catalog!r}\n")

    def run(*arguments: str | Path, **options: object) -> subprocess.CompletedProcess[bytes]:
        command = [sys.executable, "-m", "indexer", *arguments]
        if "--library" not in arguments:
            command += ["--library", library_folder]
        if config.library.catalog:
            command += ["--config", catalog]
        return subprocess.run(  # type: ignore[call-overload, no-any-return]
            command, capture_output=True, cwd=tmp_path, env=environment(), **options
        )

    return run


def environment() -> dict[str, str]:
    """The environment of a command under test, in which the family `tiny` is registered."""
    return {**os.environ, "PYTHONPATH": os.pathsep.join([str(PLUGINS), str(PLUGINS.parent.parent)])}
