"""`verify` as a user has it, and others who use the library meanwhile."""

import json
import random
import shutil
import threading
from pathlib import Path

import pytest

from indexer import Config, Library
from indexer.errors import LibraryLockedError
from storage.homes import CATALOG
from storage.locking import writer_lock
from tests.conftest import Run
from tests.verify.damaging import flip
from tests.verify.libraries import answers, verify


def test_the_command_tells_what_it_found_and_did(folder: Path, glimpse: Run) -> None:
    def run(*options: str) -> tuple[int, str]:
        done = glimpse("verify", "--library", folder, *options)
        return done.returncode, done.stdout.decode()

    code, said = run()
    assert code == 0
    assert said.startswith("nothing wrong; looked at 16 photos, 16 vectors, 1 model, ")
    thumbnail = next(folder.glob("thumbnails/*/*-320.jpg"))
    thumbnail.unlink()
    code, said = run("--dry-run")
    assert (code, said.splitlines()[:2]) == (
        3,
        [
            "thumbnails: 1 missing; to be made again from their photos",
            f"  {thumbnail.relative_to(folder)}",
        ],
    )
    code, said = run("--json")
    answer = json.loads(said)
    assert (code, answer["sound"], answer["repaired"], answer["damage"]) == (0, False, True, None)
    assert answer["findings"] == [
        {
            "part": "thumbnails",
            "what": "missing",
            "done": "made again from their photos",
            "repaired": True,
            "count": 1,
            "examples": [str(thumbnail.relative_to(folder))],
        }
    ]
    copy = next(folder.glob("*.backup"))
    (folder / CATALOG).write_bytes(b"no catalog")
    code, said = run()
    lines = said.splitlines()
    assert (code, lines[0][:24]) == (1, "the catalog is damaged; ")
    (told,) = (line for line in lines if line.startswith(f"the newest sound backup is {copy}; "))
    assert "stop what has the library open" in told
    assert f"  cp {copy} {folder / CATALOG}" in lines
    assert json.loads(run("--json")[1])["damage"]["backup"] == str(copy)
    assert glimpse("verify", "--library", folder / "nowhere").returncode == 4


def test_while_another_process_writes_nothing_is_repaired(folder: Path) -> None:
    (folder / "snapshots" / "1-99.tmp").write_bytes(b"just being written")
    with writer_lock(folder):
        with pytest.raises(LibraryLockedError, match="locked by process"):
            verify(folder)
        report = verify(folder, dry_run=True)
        assert report.is_sound
        assert "another process is writing" in report.notes[0]
    assert not verify(folder).is_sound


def test_readers_go_on_while_a_library_is_repaired(folder: Path) -> None:
    before = answers(folder)
    stop, failed = threading.Event(), list[object]()

    def read() -> None:
        while not stop.is_set():
            with Library.open(folder, config=Config()) as library:
                found = [(hit.path, f"{hit.score:.5f}") for hit in library.search("red")]
                if found != before[0]:
                    failed.append(found)

    reader = threading.Thread(target=read)
    reader.start()
    for number in range(4):
        # Into a copy: a block is held against its hash when it is first read, and not again while it is mapped.
        (snapshot,) = (folder / "snapshots").iterdir()
        bad = folder / "bad"
        shutil.copy(snapshot, bad)
        flip(bad, random.Random(number))
        bad.replace(snapshot)
        shutil.rmtree(folder / "thumbnails")
        assert verify(folder).is_repaired
    stop.set()
    reader.join()
    assert failed == []
