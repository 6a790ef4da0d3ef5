"""`verify`: what a repair needs, and what it leaves where that is not here."""

import os
import random
import sqlite3
import subprocess
import sys
import tempfile
from contextlib import closing
from pathlib import Path

import pytest
from PIL import Image

from indexer import Config, Library
from indexer.errors import ModelUnavailableError, StorageError
from storage import snapshots
from storage.homes import CATALOG
from tests.conftest import environment
from tests.verify.damaging import flip
from tests.verify.libraries import answers, verify


def test_large_and_small_snapshots_are_each_written_anew(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(snapshots, "LEAST_TAIL", 0)
    monkeypatch.setattr(snapshots, "SMALL_SHARE", 1)
    photos = tmp_path / "photos"
    photos.mkdir()
    Image.new("RGB", (30, 20), "blue").save(photos / "blue.png")
    with Library.open(folder, config=Config()) as library:
        library.build([photos])
    before = answers(folder)
    for number in (1, 0):
        large, small = sorted((folder / "snapshots").iterdir(), key=lambda p: -p.stat().st_size)
        flip((large, small)[number], random.Random(number))
        report = verify(folder)
        assert [f.count for f in report.findings] == [1]
        assert large.exists() == bool(number)
        assert verify(folder).is_sound
        assert answers(folder) == before


def test_a_model_whose_weights_are_not_here_is_deleted_and_that_is_told(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(name: str, notify: object) -> None:
        raise ModelUnavailableError(f"{name} is not on this machine")

    monkeypatch.setattr("indexer.spaces.load_model", refuse)
    flip(next(folder.glob("models/*/image.onnx")), random.Random(0))
    report = verify(folder)
    assert not report.is_repaired
    assert "tiny is not on this machine" in report.findings[0].done
    assert list((folder / "models").iterdir()) == []
    monkeypatch.undo()
    assert verify(folder).is_repaired
    assert verify(folder).is_sound


def test_a_damaged_backup_stays_while_no_new_one_can_be_made(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise StorageError("make room")

    copy = next(folder.glob("*.backup"))
    flip(copy, random.Random(0))
    monkeypatch.setattr("storage.sqlite.backend.back_up", fail)
    report = verify(folder)
    assert not report.is_repaired
    assert (report.findings[0].part, report.findings[0].done) == ("backups", "left: make room")
    assert copy.exists()


def test_a_perceptual_hash_of_another_length_is_computed_again(folder: Path) -> None:
    with closing(sqlite3.connect(folder / CATALOG)) as database, database:
        database.execute("UPDATE contents SET phash = x'0102' WHERE id = 5")
    assert verify(folder).is_repaired
    with Library.open(folder, config=Config()) as library:
        library.duplicates()
    with closing(sqlite3.connect(folder / CATALOG)) as database:
        query = "SELECT length(phash) FROM contents WHERE id = 5"
        assert database.execute(query).fetchone() == (8,)


AS_NOBODY = """
import os, sys
from pathlib import Path
from indexer import Config, Library
from indexer.config import BuildConfig
def verify():
    config = Config(build=BuildConfig(thumbnails=False))  # nobody may not be allowed to start a decoder
    with Library.open(sys.argv[1], deferred=True, config=config) as library:
        return library.verify()
assert verify().is_sound  # which imports all that it needs
if os.getuid() == 0:
    os.setgroups([]); os.setgid(65534); os.setuid(65534)
for name in sys.argv[2:]:
    os.chmod(name, 0)
for report in (verify(), verify()):
    print(report.is_repaired, sorted((f.part, f.what, f.done) for f in report.findings))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="sets the user of a process")
def test_files_and_folders_without_permission_are_made_again_or_accessible(
    folder: Path, shown: Path, tmp_path: Path
) -> None:
    names = ("snapshots/*", "maps", "thumbnails/*/*-640.jpg", "thumbnails", "models/*/half.json")
    denied = [next(folder.glob(name)) for name in names]
    for path in (folder, *folder.rglob("*")) if os.getuid() == 0 else ():
        os.chown(path, 65534, 65534)
    for path in (shown, *folder.parents, *shown.parents):
        if Path(tempfile.gettempdir()) in path.parents:
            path.chmod(0o755)
    done = subprocess.run(
        [sys.executable, "-c", AS_NOBODY, folder, *denied],
        env=environment(),
        capture_output=True,
        text=True,
    )
    first, second = done.stdout.splitlines() or [done.stderr, ""]
    assert first == (
        "True [('maps', 'may not be entered and written to', 'made accessible'), "
        "('models', 'cannot be read (Permission denied)', 'deleted, and made again when needed'), "
        "('snapshots', 'cannot be read (Permission denied)', 'written anew from the catalog'), "
        "('thumbnails', 'cannot be read (Permission denied)', 'deleted, and made again when looked at'), "
        "('thumbnails', 'may not be entered and written to', 'made accessible')]"
    ), done.stderr
    assert second == "True []"
