"""Copies of the catalog: made now and then, whole or not at all, and gone when their photos are to be forgotten."""

import os
import shutil
import sqlite3
import time
from contextlib import closing
from pathlib import Path

import pytest

from indexer import Config, Filter, Library
from indexer.errors import CatalogDamagedError
from storage.catalog import Catalog
from storage.homes import CATALOG
from storage.sqlite import backups
from storage.sqlite.backups import DAY_S
from tests.conftest import MakePicture


def copies(folder: Path) -> list[Path]:
    return backups.backups(folder / CATALOG)


def count_photos(catalog: Path) -> int:
    with closing(sqlite3.connect(catalog)) as database:
        count: int = database.execute("SELECT count(*) FROM photos").fetchone()[0]
        return count


def move_away(folder: Path) -> None:
    for path in folder.glob(f"{CATALOG}*"):
        if path not in copies(folder):
            path.rename(folder / f"moved-{path.name}")


def put_back(copy: Path, folder: Path) -> None:
    move_away(folder)
    shutil.copy(copy, folder / CATALOG)


def grow_old(path: Path) -> None:
    long_ago = time.time() - 8 * DAY_S
    os.utime(path, (long_ago, long_ago))


def test_a_build_keeps_a_copy_when_the_newest_is_old(
    library: Library, library_folder: Path, photos: Path, picture: MakePicture
) -> None:
    picture("red.png", "red")
    library.build([photos])
    (first,) = copies(library_folder)
    assert count_photos(first) == 1
    picture("blue.png", "blue")
    library.build([photos])
    assert copies(library_folder) == [first]
    grow_old(first)
    library.build([photos])
    assert [count_photos(each) for each in copies(library_folder)] == [1, 2]


def test_only_so_many_are_kept(
    library: Library, library_folder: Path, photos: Path, picture: MakePicture
) -> None:
    picture("red.png", "red")
    for _ in range(4):
        library.build([photos])
        for made in copies(library_folder):
            grow_old(made)
    assert len(copies(library_folder)) == Config().library.backups


def test_a_copy_from_the_future_is_the_oldest(
    library: Library, library_folder: Path, photos: Path, picture: MakePicture
) -> None:
    picture("red.png", "red")
    library.build([photos])
    (first,) = copies(library_folder)
    ahead = time.time() + 365 * DAY_S
    os.utime(first, (ahead, ahead))
    library.build([photos])
    assert copies(library_folder)[0] == first
    assert len(copies(library_folder)) == 2


@pytest.mark.parametrize("ahead_s", [5, 365 * DAY_S])
def test_the_copy_just_made_is_kept(tmp_path: Path, ahead_s: float) -> None:
    with closing(Catalog.open(tmp_path, create=True)) as catalog:
        ahead = time.time() + ahead_s
        os.utime(catalog.back_up(keep=1), (ahead, ahead))
        made = catalog.back_up(keep=1)
        assert copies(tmp_path) == [made]


def test_with_no_days_none_is_made(
    library_folder: Path, photos: Path, picture: MakePicture
) -> None:
    picture("red.png", "red")
    config = Config.from_mapping({"library": {"backup_days": 0}}, "a test")
    with Library.open(library_folder, config=config) as library:
        library.build([photos])
    assert copies(library_folder) == []


def test_a_copy_that_cannot_be_made_is_told_and_the_build_succeeds(
    library: Library,
    library_folder: Path,
    photos: Path,
    picture: MakePicture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fail(source: object, target: object) -> None:
        raise OSError(28, "No space left on device")

    picture("red.png", "red")
    monkeypatch.setattr("storage.sqlite.backups.os.replace", fail)
    told: list[str] = []
    assert library.build([photos], notify=told.append).embedded == 1
    assert any("make room" in line for line in told)
    assert copies(library_folder) == []
    assert not list(library_folder.glob("*.tmp"))


def test_a_damaged_catalog_names_the_newest_copy_which_opens_as_a_library(
    library: Library, library_folder: Path, photos: Path, picture: MakePicture, tmp_path: Path
) -> None:
    picture("red.png", "red")
    library.build([photos])
    library.close()
    (copy,) = copies(library_folder)
    (library_folder / CATALOG).write_bytes(b"\0" * 8192)
    for ending in ("-wal", "-shm"):
        (library_folder / f"{CATALOG}{ending}").unlink(missing_ok=True)
    with pytest.raises(CatalogDamagedError, match=f"The newest backup is {copy}"):
        Library.open(library_folder)
    os.replace(copy, library_folder / CATALOG)
    with Library.open(library_folder) as again:
        assert [hit.path.name for hit in again.search("red")] == ["red.png"]


def test_what_is_removed_is_in_no_file_of_the_library(
    library: Library, library_folder: Path, photos: Path, picture: MakePicture
) -> None:
    secret = "a-name-that-nobody-is-to-read"
    picture(f"{secret}.png", "red")
    library.build([photos])
    assert any(secret.encode() in file.read_bytes() for file in files(library_folder))
    digest = bytes.fromhex(library.photos()[0].sha256 or "")
    library.remove(photos)
    for file in files(library_folder):
        data = file.read_bytes()
        assert secret.encode() not in data, file
        assert digest not in data, file
        assert digest.hex() not in file.name


def test_what_a_reader_keeps_in_the_files_is_removed_by_the_next_build(
    library_folder: Path, photos: Path, picture: MakePicture, tmp_path: Path
) -> None:
    told: list[str] = []
    secret = b"a-name-that-nobody-is-to-read"
    config = Config.from_mapping({"library": {"busy_timeout_s": 0.1}}, "a test")
    picture(f"{secret.decode()}.png", "red")
    with Library.open(library_folder, config=config) as library:
        library.build([photos])
        with closing(Catalog.open(library_folder)) as reader, reader.view() as view:
            view.spaces()
            library.remove(photos, notify=told.append)
        assert any(secret in file.read_bytes() for file in files(library_folder))
        picture("other/blue.png", "blue")
        library.build([photos / "other"], notify=told.append)
        assert not any(secret in file.read_bytes() for file in files(library_folder))
    assert len([line for line in told if "another program reads" in line]) == 1


def test_a_clock_that_went_back_keeps_nothing_that_is_removed(
    library: Library, library_folder: Path, photos: Path, picture: MakePicture
) -> None:
    picture("red.png", "red")
    picture("blue.png", "blue")
    library.build([photos])
    (photos / "red.png").unlink()
    library.build([photos], confirm=lambda _: True)
    with closing(sqlite3.connect(library_folder / CATALOG)) as database, database:
        database.execute(
            "UPDATE contents SET orphaned_at = orphaned_at + 1e8 WHERE orphaned_at > 0"
        )
    library.remove(photos)
    with closing(sqlite3.connect(library_folder / CATALOG)) as database:
        assert database.execute("SELECT count(*) FROM contents").fetchone() == (0,)


def files(folder: Path) -> list[Path]:
    return [file for file in folder.rglob("*") if file.is_file()]


def test_a_library_that_is_open_follows_a_catalog_that_is_put_back(
    library: Library, library_folder: Path, photos: Path, picture: MakePicture
) -> None:
    picture("red.png", "red")
    library.build([photos])
    (copy,) = copies(library_folder)
    picture("blue.png", "blue")
    library.build([photos])
    assert library.count() == 2
    move_away(library_folder)
    with pytest.raises(CatalogDamagedError, match="it is missing"):
        library.count()
    assert not (library_folder / CATALOG).exists()
    shutil.copy(copy, library_folder / CATALOG)
    assert [photo.path.name for photo in library.photos()] == ["red.png"]
    library.add_tag([photo.id for photo in library.photos()], "mine")
    with Library.open(library_folder, config=Config()) as other:
        assert other.all_tags() == {"mine": 1}


def test_a_copy_that_goes_on_to_the_same_number_is_read_anew(
    library: Library, library_folder: Path, photos: Path, picture: MakePicture
) -> None:
    picture("red.png", "red")
    library.build([photos])
    (copy,) = copies(library_folder)
    ids = [photo.id for photo in library.photos()]
    library.add_tag(ids, "before")
    with Library.open(library_folder, config=Config()) as reader:
        assert (reader.all_tags(), len(reader.search("red"))) == ({"before": 1}, 1)
        moment, point = reader.moment(), reader.point()
        put_back(copy, library_folder)
        while library.moment() < moment:
            library.add_tag(ids, f"after-{library.moment()}")
        assert reader.moment() == moment
        assert reader.point() != point
        assert "before" not in reader.all_tags()
        assert len(reader.search("red", where=Filter(tag=("before",)))) == 0
