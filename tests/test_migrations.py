"""A migration that is killed, refused, or begun by several programs: the old schema or the next, never between."""

import multiprocessing
import shutil
import signal
import sqlite3
from contextlib import closing
from itertools import count
from pathlib import Path

import pytest

from benchmarks.promises import litter, sound
from storage.catalog import Catalog
from storage.homes import CATALOG
from storage.migrations import MIGRATIONS, NEWEST
from storage.sqlite import engine
from storage.sqlite.backups import backups
from tests.conftest import LONG
from tests.failpoints import needs_strace, stopped, struck
from tests.scenes import Scene, opening
from tests.schemas import columns_of, indices_of, make_first

STRIDES = {"fsync": 1, "fdatasync": 1, "rename": 1, "unlink": 1, "ftruncate": 1, "pwrite64": 7}
Schema = tuple[object, object]


@pytest.fixture(scope="module")
def scene(template: Path, tmp_path_factory: pytest.TempPathFactory) -> Scene:
    """A library whose saved state has the first schema."""
    scene = Scene(tmp_path_factory.mktemp("migrations"), template)
    saved = scene.folder / "saved"
    for copy in backups(saved / CATALOG):
        copy.unlink()
    make_first(saved / CATALOG)
    return scene


@pytest.fixture(scope="module")
def schemas(scene: Scene) -> dict[str, Schema]:
    """Each schema on the way, by its number."""
    found = {}
    for steps in range(len(MIGRATIONS) + 1):
        scene.restore()
        opened = engine.open_engine(scene.library / CATALOG, 1)
        for number, step in enumerate(MIGRATIONS[:steps]):
            with opened.begin() as connection:
                step(connection)
                connection.exec_driver_sql(
                    f"UPDATE meta SET value = '{number + 2}' WHERE key = 'schema_version'"
                )
        opened.dispose()
        found[version(scene.library)] = schema(scene.library)
    return found


def version(library: Path) -> str:
    with closing(sqlite3.connect(library / CATALOG)) as database:
        (value,) = database.execute(
            "SELECT value FROM meta WHERE key = 'schema_version'"
        ).fetchone()
    return str(value)


def schema(library: Path) -> Schema:
    return columns_of(library / CATALOG), indices_of(library / CATALOG)


def assert_whole(scene: Scene, schemas: dict[str, Schema]) -> None:
    """One schema throughout, with a copy of the first one; the next opening ends in the newest."""
    found = version(scene.library)
    assert schema(scene.library) == schemas[found]
    if found != "1":
        assert version_of_newest_copy(scene.library) == "1"
    Catalog.open(scene.library).close()
    assert schema(scene.library) == schemas[str(len(MIGRATIONS) + 1)]
    assert litter(scene.library) == []
    sound(scene.library)


def version_of_newest_copy(library: Path) -> str:
    copied = library.with_name("copied")
    shutil.rmtree(copied, ignore_errors=True)
    copied.mkdir()
    shutil.copy(backups(library / CATALOG)[0], copied / CATALOG)
    return version(copied)


@needs_strace
@pytest.mark.parametrize("how", ["signal=SIGKILL", "error=ENOSPC"])
@pytest.mark.parametrize("call", STRIDES)
def test_a_migration_that_is_stopped_leaves_one_schema_and_a_copy_of_the_first(
    scene: Scene, schemas: dict[str, Schema], call: str, how: str
) -> None:
    for when in count(1, 1 if LONG else STRIDES[call]):
        scene.restore()
        with stopped(opening, scene.library, at=call, when=when, by=how, log=scene.log) as mortal:
            code = mortal.end()
        if not struck(scene.log) and code == 0:
            break
        assert code in (0, 1, -signal.SIGKILL), mortal.complaint
        if code == 1:
            assert "storage.errors.StorageError: " in mortal.complaint.splitlines()[-1]
        assert_whole(scene, schemas)
    assert when > 1


def test_programs_that_open_an_old_library_at_once_migrate_it_once(
    scene: Scene, schemas: dict[str, Schema]
) -> None:
    for _ in range(3):
        scene.restore()
        with multiprocessing.get_context("spawn").Pool(4) as pool:
            pool.map(_open, [scene.library] * 4, chunksize=1)
        assert version(scene.library) == str(NEWEST)
        assert len(backups(scene.library / CATALOG)) == 1
        assert_whole(scene, schemas)


def _open(library: Path) -> None:
    Catalog.open(library).close()
