"""A build in which little has changed: what it asks of the system, and what it leaves alone."""

import shutil
import time
from pathlib import Path

import pytest

from benchmarks.commands import glimpse as command
from benchmarks.commands import stats_of_files
from indexer import Library
from tests.conftest import MakePicture, environment

FILES = 60


@pytest.fixture
def settled(library: Library, photos: Path, picture: MakePicture) -> Library:
    """A library of files that have been there for a while."""
    for number in range(FILES):
        picture(f"{number % 3}/{number}.jpg", mark=number + 1)
    time.sleep(2.1)  # time stamps so fresh are not trusted
    library.build([photos])
    return library


@pytest.mark.skipif(shutil.which("strace") is None, reason="needs strace: apt install strace")
def test_a_build_asks_for_the_status_of_each_file_once(
    settled: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", environment()["PYTHONPATH"])
    asked = stats_of_files(command("build", "--library", settled.folder))
    assert len(asked) == FILES
    assert set(asked.values()) == {1}


def test_a_build_that_finds_nothing_new_writes_nothing(settled: Library, photos: Path) -> None:
    before = settled.moment()
    report = settled.build([photos, photos / "0"])
    assert (report.unchanged, report.pending) == (FILES, 0)
    assert settled.moment() == before


def test_what_has_no_vector_or_no_photo_is_not_counted(
    settled: Library, photos: Path, picture: MakePicture
) -> None:
    picture("black.png", "black")  # the model gives it no finite vector
    (photos / "broken.jpg").write_text("no picture")
    shutil.copy(photos / "0" / "3.jpg", photos / "copy.jpg")
    report = settled.build([photos])
    assert (report.failed, settled.status().spaces[0].vectors) == (2, FILES)
    (photos / "0" / "3.jpg").unlink()
    (photos / "0" / "6.jpg").unlink()
    settled.build([photos])
    assert settled.status().spaces[0].vectors == FILES - 1
    assert sorted(photo.path.name for photo in settled.errors()) == ["black.png", "broken.jpg"]
