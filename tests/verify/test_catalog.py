"""A damaged catalog: told by `verify` with the newest backup that is sound, and not written to."""

import os
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from indexer import BuildOptions, Config, Library
from indexer.config import LibraryConfig
from indexer.errors import CatalogDamagedError, LibraryNotFoundError, LibraryVersionError
from indexer.verification import Damage
from indexer.verification.backups import check_backups
from indexer.verification.findings import Ledger
from storage.catalog import Catalog
from storage.homes import CATALOG
from storage.records import VECTOR_DTYPE
from storage.sqlite import backups
from tests.conftest import environment
from tests.verify.libraries import answers, publish, tree, verify

Harm = Callable[[Path, random.Random], None]


@pytest.fixture
def folder(sound: Path, tmp_path: Path) -> Path:
    """A library with two backups, both sound."""
    shutil.copytree(sound, tmp_path / "mine")
    catalog = Catalog.open(tmp_path / "mine")
    for copy in backups.backups(tmp_path / "mine" / CATALOG):
        copy.unlink()
    for _ in range(2):
        catalog.back_up(keep=2)
        time.sleep(0.01)
    catalog.close()
    return tmp_path / "mine"


def change(folder: Path, *statements: str) -> None:
    with closing(sqlite3.connect(folder / CATALOG)) as database, database:
        for statement in statements:
            database.execute(statement)


def damage_of(folder: Path) -> Damage:
    """What is told, once it is sure that nothing was written."""
    before = tree(folder)
    report = verify(folder)
    assert report.damage is not None
    assert (report.is_sound, report.is_repaired, report.findings) == (False, False, ())
    assert tree(folder) == before
    return report.damage


def harm_the_header(path: Path, rng: random.Random) -> None:
    with path.open("r+b") as file:
        file.write(rng.randbytes(100))


def harm_a_page(path: Path, rng: random.Random) -> None:
    with path.open("r+b") as file:
        file.seek(4096 * rng.randrange(1, path.stat().st_size // 4096 // 2))
        file.write(rng.randbytes(4096))


def cut(path: Path, rng: random.Random) -> None:
    os.truncate(path, path.stat().st_size // 2)


def empty(path: Path, rng: random.Random) -> None:
    os.truncate(path, 0)


def take_away(path: Path, rng: random.Random) -> None:
    path.unlink()


def put_a_folder(path: Path, rng: random.Random) -> None:
    path.unlink()
    path.mkdir()


HARM = (harm_the_header, harm_a_page, cut, empty, take_away, put_a_folder)


@pytest.mark.parametrize("harm", HARM)
def test_a_damaged_file_is_told_with_the_newest_backup_and_not_written_to(
    folder: Path, harm: Harm
) -> None:
    harm(folder / CATALOG, random.Random(3))
    damage = damage_of(folder)
    assert damage.findings
    assert damage.backup == backups.backups(folder / CATALOG)[-1]
    assert not damage.passed_over


@pytest.mark.parametrize("harm", [harm_the_header, harm_a_page, cut, empty])
def test_the_commands_put_a_sound_backup_back_and_a_damaged_one_is_passed_over(
    folder: Path, harm: Harm
) -> None:
    before = answers(folder)
    older, newer = backups.backups(folder / CATALOG)
    harm(newer, random.Random(5))
    os.utime(newer)
    harm(folder / CATALOG, random.Random(6))
    damage = damage_of(folder)
    assert damage.backup == older
    assert list(damage.passed_over) == [str(newer)]
    assert damage.commands[-1].startswith("glimpse build --library ")
    for command in damage.commands[:-2]:
        subprocess.run(["sh", "-c", command], check=True)
    assert (folder / f"{CATALOG}.damaged").exists()
    assert verify(folder).is_repaired
    assert verify(folder).is_sound
    assert answers(folder) == before


def test_one_bit_of_a_name_flipped_in_a_backup_is_enough_to_pass_it_over(folder: Path) -> None:
    older, newer = backups.backups(folder / CATALOG)
    newer.write_bytes(newer.read_bytes().replace(b"red-0.png", b"red-1.png"))
    harm_the_header(folder / CATALOG, random.Random(0))
    assert damage_of(folder).backup == older


def test_a_backup_that_is_deleted_while_it_is_checked_is_passed_over(folder: Path) -> None:
    copies = backups.backups(folder / CATALOG)

    def delete(what: str, *_: int) -> None:
        if what == "pages of the catalog":
            for copy in copies:
                copy.unlink(missing_ok=True)

    with closing(Catalog.open(folder)) as catalog:
        ledger = Ledger(folder, repairing=False)
        check_backups(catalog, LibraryConfig(), ledger, delete, settled=True)
    assert ledger.findings() == []


def test_without_a_sound_backup_none_is_named(folder: Path) -> None:
    for copy in backups.backups(folder / CATALOG):
        cut(copy, random.Random(0))
    harm_the_header(folder / CATALOG, random.Random(0))
    damage = damage_of(folder)
    assert (damage.backup, damage.commands, len(damage.passed_over)) == (None, (), 2)


def test_any_bit_flipped_in_a_vector_is_told(folder: Path) -> None:
    rng = random.Random(1)
    with closing(sqlite3.connect(folder / CATALOG)) as database:
        rows = database.execute("SELECT content_id, vector FROM embeddings").fetchall()
    for _ in range(12):
        content, vector = rng.choice(rows)
        flipped = bytearray(vector)
        flipped[rng.randrange(len(vector))] ^= 1 << rng.randrange(8)
        _set_vector(folder, content, bytes(flipped))
        assert f"content {content}" in damage_of(folder).findings[0]
        _set_vector(folder, content, vector)
    assert verify(folder).is_sound


def test_a_damaged_vector_may_be_embedded_again_instead(folder: Path) -> None:
    before = answers(folder)
    _set_vector(folder, 5, np.full(48, 48**-0.5, VECTOR_DTYPE).tobytes())
    assert damage_of(folder)
    with Library.open(folder, config=Config()) as library:
        library.build(options=BuildOptions(rebuild=True))
    assert verify(folder).is_sound
    assert answers(folder) == before


def _set_vector(folder: Path, content: int, vector: bytes) -> None:
    with closing(sqlite3.connect(folder / CATALOG)) as database, database:
        database.execute("UPDATE embeddings SET vector = ? WHERE content_id = ?", (vector, content))


@pytest.mark.parametrize(
    "vector",
    [
        np.full(48, np.nan, VECTOR_DTYPE).tobytes(),
        np.full(48, 0.5, VECTOR_DTYPE).tobytes(),
        bytes(96),
        bytes(95),
        b"",
    ],
)
def test_a_vector_that_is_none_is_told_also_without_a_snapshot(folder: Path, vector: bytes) -> None:
    shutil.rmtree(folder / "snapshots")
    with closing(sqlite3.connect(folder / CATALOG)) as database:
        content = database.execute("SELECT max(content_id) FROM embeddings").fetchone()[0]
    _set_vector(folder, content, vector)
    assert str(content) in damage_of(folder).findings[0]


ROWS = {
    "present without a content": "UPDATE photos SET content_id = NULL WHERE id = 5",
    "in a state that there is not": "UPDATE photos SET state = 'presenT' WHERE id = 5",
    "failed and have a content": "UPDATE photos SET state = 'failed' WHERE id = 5",
    "a row of contents that is not there": "DELETE FROM contents WHERE id = 5",
    "live without a photo": "DELETE FROM photos WHERE id = 5",
    "count as gone and have a photo": "UPDATE contents SET orphaned_at = 1 WHERE id = 5",
    "no hash of 32 bytes": "UPDATE contents SET sha256 = x'00' WHERE id = 5",
    "no size in pixels": "UPDATE contents SET width = 0 WHERE id = 5",
    "neither a vector nor a reason": "UPDATE embeddings SET vector = NULL WHERE content_id = 5",
    "vectors of a change that has not been": "UPDATE embeddings SET change_seq = 9999",
    "gone without a record": "DELETE FROM embeddings WHERE content_id = 5",
    "outside 0 to 1": "UPDATE tags SET confidence = 7",
    "which library it is": "UPDATE meta SET value = '' WHERE key = 'change_seq'",
    "which schema": "UPDATE meta SET value = 'x' WHERE key = 'schema_version'",
    "it is empty": "DROP TABLE meta",
}


@pytest.mark.parametrize("what", ROWS)
def test_rows_that_contradict_each_other_are_told(folder: Path, what: str) -> None:
    change(folder, ROWS[what])
    assert any(what in finding for finding in damage_of(folder).findings)


def test_a_row_that_came_without_a_change_is_told(folder: Path) -> None:
    change(
        folder,
        "INSERT INTO contents (sha256, size, width, height, format) VALUES (zeroblob(32), 1, 1, 1, 'PNG')",
        "INSERT INTO photos SELECT NULL, root_id, folder, 'new', size, mtime_ns, ctime_ns, device, read_at_ns, "
        "(SELECT max(id) FROM contents), state, reason FROM photos LIMIT 1",
        "INSERT INTO embeddings SELECT space_id, (SELECT max(id) FROM contents), vector, NULL, 1 "
        "FROM embeddings LIMIT 1",
    )
    (finding,) = damage_of(folder).findings
    assert "in which they were not written" in finding


COMMITS_AND_DIES = """
import os, signal, sys
from pathlib import Path
from storage.catalog import Catalog
catalog = Catalog.open(Path(sys.argv[1]))
with catalog.batch() as batch:
    batch.set_meta("remark", "committed")
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.fixture
def killed(folder: Path) -> Path:
    """A library whose last commit is only in its -wal."""
    done = subprocess.run([sys.executable, "-c", COMMITS_AND_DIES, folder], env=environment())
    assert done.returncode == -signal.SIGKILL
    assert (folder / f"{CATALOG}-wal").stat().st_size
    return folder


def test_a_lost_wal_is_told_and_nothing_opens_the_library_without_it(killed: Path) -> None:
    (killed / f"{CATALOG}-wal").unlink()
    for _ in range(2):
        (finding,) = damage_of(killed).findings
        assert "-wal" in finding
        with pytest.raises(CatalogDamagedError, match="-wal"):
            Library.open(killed)


def test_a_wal_that_was_cut_is_told(killed: Path) -> None:
    wal = killed / f"{CATALOG}-wal"
    os.truncate(wal, wal.stat().st_size - 1)
    (finding,) = damage_of(killed).findings
    assert "-wal" in finding


ASKS_AND_CLOSES = """
import sqlite3, sys
database = sqlite3.connect(sys.argv[1])
database.execute("SELECT count(*) FROM photos").fetchall()
database.close()
"""


@pytest.mark.parametrize("deferred", [False, True])
def test_a_look_at_a_library_takes_no_lock_from_those_who_have_it_open_here(
    folder: Path, deferred: bool
) -> None:
    with Library.open(folder, config=Config()) as library:
        assert library.photos()
        with Library.open(folder, deferred=deferred, config=Config()) as another:
            assert another.verify().is_sound
        wal = folder / f"{CATALOG}-wal"
        number = wal.stat().st_ino
        subprocess.run([sys.executable, "-c", ASKS_AND_CLOSES, folder / CATALOG], check=True)
        assert wal.stat().st_ino == number  # the last to close a catalog deletes it


def test_commits_that_wait_in_the_wal_are_no_damage(killed: Path) -> None:
    assert verify(killed).is_sound
    with closing(sqlite3.connect(killed / CATALOG)) as database:
        query = "SELECT value FROM meta WHERE key = 'remark'"
        assert database.execute(query).fetchone() == ("committed",)


def test_an_older_catalog_in_its_place_is_told_by_the_snapshot_that_knows_more(
    folder: Path, tmp_path: Path
) -> None:
    older = (folder / CATALOG).read_bytes()
    change(folder, "UPDATE meta SET value = value + 5 WHERE key = 'change_seq'")
    publish(folder)
    (folder / CATALOG).write_bytes(older)
    (finding,) = damage_of(folder).findings
    assert "written later than all that it knows" in finding
    next((folder / "snapshots").iterdir()).unlink()
    assert verify(folder).is_repaired
    assert verify(folder).is_sound


def test_a_library_emptied_or_gone_is_not_made_anew_beside_its_backups(
    folder: Path, shown: Path
) -> None:
    for harm, what in ((empty, "empty"), (take_away, "missing")):
        harm(folder / CATALOG, random.Random(0))
        with (
            pytest.raises(CatalogDamagedError, match=f"it is {what}"),
            Library.open(folder, create=True, config=Config()) as library,
        ):
            library.build([shown])
    assert damage_of(folder).backup


def test_a_newer_or_older_schema_is_neither_checked_nor_changed(folder: Path) -> None:
    for version in ("99", "1"):
        change(folder, f"UPDATE meta SET value = '{version}' WHERE key = 'schema_version'")
        before = tree(folder)
        with pytest.raises(LibraryVersionError):
            verify(folder)
        assert tree(folder) == before


def test_where_no_library_is_none_is_verified(tmp_path: Path) -> None:
    with pytest.raises(LibraryNotFoundError):
        verify(tmp_path)
    assert list(tmp_path.iterdir()) == []
