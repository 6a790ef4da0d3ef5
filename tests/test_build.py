"""Building a library: what is embedded, what is not, and what becomes of files that change."""

import os
import shutil
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest
from PIL import Image

from indexer import BuildOptions, Library, Progress, State
from indexer.build import _Run
from indexer.errors import UnknownModelError, UsageError
from tests.conftest import MakePicture


def names(library: Library) -> list[str]:
    return sorted(photo.path.name for photo in library.photos())


def settle_clock() -> None:
    """Wait until files just written are old enough to be trusted by their time stamps."""
    time.sleep(2.1)


def test_every_picture_below_a_folder_becomes_a_photo(
    library: Library, photos: Path, picture: MakePicture
) -> None:
    for name in ("a.jpg", "b.png", "deep/er/c.webp", "d.bmp", "e.gif", "f.tiff", "g.jp2", "h.ppm"):
        picture(name, mark=ord(name[0]))
    report = library.build([photos])
    assert report.embedded == 8
    assert names(library) == [
        "a.jpg", "b.png", "c.webp", "d.bmp", "e.gif", "f.tiff", "g.jp2", "h.ppm"
    ]  # fmt: skip


def test_a_second_build_embeds_nothing(
    library: Library, photos: Path, picture: MakePicture
) -> None:
    for i in range(5):
        picture(f"{i}.png", mark=i)
    library.build([photos])
    report = library.build([photos])
    assert (report.embedded, report.failed) == (0, 0)


def test_files_that_have_settled_are_not_even_read(
    library: Library, photos: Path, picture: MakePicture
) -> None:
    picture("a.png")
    settle_clock()
    library.build([photos])
    report = library.build([photos])
    assert (report.pending, report.unchanged) == (0, 1)


def test_a_file_whose_time_stamp_was_put_back_is_read_again(
    library: Library, photos: Path, picture: MakePicture
) -> None:
    path = picture("a.bmp", "red")
    before = path.stat()
    settle_clock()
    library.build([photos])
    picture("a.bmp", "blue")
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert path.stat().st_size == before.st_size
    assert library.build([photos]).embedded == 1


@pytest.mark.parametrize("year", [1901, 2040])
def test_a_time_stamp_far_from_now_is_one_like_any_other(
    library: Library, photos: Path, picture: MakePicture, year: int
) -> None:
    stamp = int(datetime(year, 7, 1, tzinfo=UTC).timestamp())
    path = picture("a.png")
    os.utime(path, (stamp, stamp))
    settle_clock()
    library.build([photos])
    report = library.build([photos])
    assert (report.pending, report.unchanged) == (0, 1)
    (photo,) = library.photos()
    assert photo.mtime_ns == path.stat().st_mtime_ns  # some file systems know no 1900


def test_a_clock_that_was_set_back_hides_no_change(
    library: Library, photos: Path, picture: MakePicture
) -> None:
    path = picture("a.bmp", "red")
    library.build([photos])
    picture("a.bmp", "blue")
    past = time.time() - 86_400
    os.utime(path, (past, past))  # as a clock a day behind would have stamped it
    assert library.build([photos]).embedded == 1


def test_a_renamed_folder_embeds_nothing_and_keeps_the_ids(
    library: Library, photos: Path, picture: MakePicture
) -> None:
    for i in range(20):
        picture(f"old/{i}.png", mark=i)
    library.build([photos])
    ids = {photo.path.name: photo.id for photo in library.photos()}
    (photos / "old").rename(photos / "new")
    report = library.build([photos])
    assert (report.embedded, report.moved, report.removed) == (0, 20, 0)
    assert {photo.path.name: photo.id for photo in library.photos()} == ids
    assert all(photo.path.parent.name == "new" for photo in library.photos())


def test_a_copy_embeds_nothing_and_is_a_photo_of_its_own(
    library: Library, photos: Path, picture: MakePicture
) -> None:
    original = picture("a.png")
    library.build([photos])
    shutil.copy(original, photos / "copy.png")
    report = library.build([photos])
    assert (report.embedded, report.known) == (0, 2 - report.unchanged)
    assert names(library) == ["a.png", "copy.png"]


def test_copies_within_one_build_are_embedded_once(
    library: Library, photos: Path, picture: MakePicture
) -> None:
    original = picture("a.png")
    for i in range(9):
        shutil.copy(original, photos / f"copy{i}.png")
    report = library.build([photos])
    assert (report.embedded, len(names(library))) == (1, 10)


def test_a_file_that_moves_to_another_root_in_two_steps_embeds_nothing(
    library: Library, tmp_path: Path, photos: Path, picture: MakePicture
) -> None:
    path = picture("a.png")
    picture("b.png", mark=1)
    picture("c.png", mark=2)
    library.build([photos])
    shelf = tmp_path / "shelf"
    shelf.mkdir()
    path.rename(tmp_path / "in between.png")
    library.build([photos])
    (tmp_path / "in between.png").rename(shelf / "a.png")
    report = library.build([shelf])
    assert (report.embedded, report.known) == (0, 1)
    assert len(library.search("red", k=10)) == 3


def test_a_file_that_is_gone_is_forgotten(
    library: Library, photos: Path, picture: MakePicture
) -> None:
    for i in range(5):
        picture(f"{i}.png", mark=i)
    library.build([photos])
    (photos / "3.png").unlink()
    assert library.build([photos]).removed == 1
    assert names(library) == ["0.png", "1.png", "2.png", "4.png"]


def test_more_than_half_of_a_root_goes_only_when_somebody_agrees(
    library: Library, photos: Path, picture: MakePicture
) -> None:
    for i in range(4):
        picture(f"{i}.png", mark=i)
    library.build([photos])
    for i in range(3):
        (photos / f"{i}.png").unlink()
    report = library.build([photos])
    assert (report.removed, report.kept) == (0, 3)
    assert names(library) == ["3.png"]
    asked: list[str] = []
    report = library.build([photos], confirm=lambda question: asked.append(question) or True)  # type: ignore[func-returns-value]
    assert (report.removed, len(asked)) == (3, 1)


@pytest.mark.parametrize("vanish", ["missing", "empty"])
def test_a_root_that_is_gone_is_offline_and_comes_back_without_embedding(
    library: Library, photos: Path, picture: MakePicture, vanish: str
) -> None:
    for i in range(4):
        picture(f"{i}.png", mark=i)
    library.build([photos])
    away = photos.rename(photos.with_name("away"))
    if vanish == "empty":
        photos.mkdir()
    report = library.build([photos])
    assert list(report.offline_roots) == [os.fsencode(photos)]
    assert report.removed == 0
    assert not library.search("red")
    assert library.status().roots[0].counts == {State.OFFLINE: 4}
    if vanish == "empty":
        photos.rmdir()
    away.rename(photos)
    assert library.build([photos]).embedded == 0
    assert len(library.search("red")) == 4


def test_one_folder_need_not_be_a_list(
    library: Library, photos: Path, picture: MakePicture
) -> None:
    picture("1.png")
    assert library.build(str(photos)).embedded == 1
    assert library.build(photos).failed == 0


def test_a_folder_that_was_renamed_is_not_shown_twice(
    library: Library, photos: Path, picture: MakePicture
) -> None:
    picture("1.png")
    library.build([photos])
    renamed = photos.rename(photos.with_name("renamed"))
    report = library.build([renamed])
    assert list(report.offline_roots) == [os.fsencode(photos)]
    assert [result.path.parent for result in library.search("red")] == [renamed]
    assert library.build([renamed]).offline_roots == {}  # it was told
    renamed.rename(photos)
    assert library.build().embedded == 0
    assert [result.path.parent for result in library.search("red")] == [photos]


def test_an_excluded_photo_is_hidden_and_comes_back(
    library: Library, photos: Path, picture: MakePicture
) -> None:
    picture("keep.png")
    picture("secret/a.png", mark=1)
    library.build([photos])
    (photos / ".glimpseignore").write_text("secret/\n")
    assert library.build([photos]).states == {State.EXCLUDED: 1}
    assert names(library) == ["keep.png"]
    (photos / ".glimpseignore").unlink()
    report = library.build([photos])
    assert (report.embedded, names(library)) == (0, ["a.png", "keep.png"])


def test_a_file_that_cannot_be_read_is_skipped_with_a_reason(
    library: Library, photos: Path, picture: MakePicture
) -> None:
    picture("good.png")
    (photos / "bad.jpg").write_text("this is no picture")
    whole = picture("half.jpg", mark=5).read_bytes()
    (photos / "half.jpg").write_bytes(whole[: len(whole) // 2])
    report = library.build([photos])
    assert (report.embedded, report.failed) == (1, 2)
    reasons = {photo.path.name: photo.reason for photo in library.errors()}
    assert reasons.keys() == {"bad.jpg", "half.jpg"}
    assert all(reasons.values())


def test_a_bad_file_that_is_mended_is_embedded(
    library: Library, photos: Path, picture: MakePicture
) -> None:
    picture("good.png")
    (photos / "bad.jpg").write_text("this is no picture")
    library.build([photos])
    picture("bad.jpg", mark=1)
    report = library.build([photos])
    assert (report.embedded, report.failed, library.errors()) == (1, 0, [])


def test_a_picture_that_the_model_cannot_do_fails_alone(
    library: Library, photos: Path, picture: MakePicture
) -> None:
    picture("black.png", "black")
    for i in range(3):
        picture(f"{i}.png", mark=i)
    report = library.build([photos])
    assert report.failed == 1
    assert [photo.path.name for photo in library.errors()] == ["black.png"]
    assert len(library.search("red")) == 3


def test_what_the_model_could_not_do_still_counts_and_is_tried_again_on_request(
    library: Library, photos: Path, picture: MakePicture
) -> None:
    picture("black.png", "black")
    picture("red.png")
    settle_clock()
    library.build([photos])
    again = library.build([photos])
    assert (again.pending, again.failed) == (0, 1)
    verified = library.build([photos], BuildOptions(verify=True))
    assert (verified.embedded, verified.failed) == (1, 1)  # tried, in vain


def test_names_that_are_not_text_are_kept_byte_for_byte(library: Library, photos: Path) -> None:
    odd = [b"caf\xe9.png", b"new\nline.png", "e\u0301.png".encode(), "\xe9.png".encode()]
    for i, name in enumerate(odd):
        with open(os.path.join(os.fsencode(photos), name), "wb") as file:
            Image.new("RGB", (9, 9), (200, i, 0)).save(file, "PNG")
    assert library.build([photos]).embedded == 4
    assert sorted(os.fsencode(photo.path.name) for photo in library.photos()) == sorted(odd)


def test_a_folder_inside_a_root_belongs_to_that_root(
    library: Library, photos: Path, picture: MakePicture
) -> None:
    picture("2023/a.png")
    library.build([photos])
    assert library.build([photos / "2023"]).embedded == 0
    assert [root.path for root in library.status().roots] == [photos]


def test_a_folder_around_a_root_takes_it_over(
    library: Library, photos: Path, picture: MakePicture
) -> None:
    picture("2023/may/a.png")
    picture("b.png", mark=1)
    library.build([photos / "2023"])
    ids = [photo.id for photo in library.photos()]
    report = library.build([photos])
    assert (report.embedded, [root.path for root in library.status().roots]) == (1, [photos])
    assert ids == [photo.id for photo in library.photos() if photo.path.name == "a.png"]


def test_a_library_inside_its_own_root_is_not_indexed(
    photos: Path, picture: MakePicture, template: Path
) -> None:
    picture("a.png")
    shutil.copytree(template, photos / "library")
    with Library.open(photos / "library") as library:
        library.build([photos])
        library.thumbnail(library.photos()[0].id)
        assert library.build([photos], BuildOptions(verify=True)).known == 1


def test_verify_reads_everything_and_rebuild_embeds_everything(
    library: Library, photos: Path, picture: MakePicture
) -> None:
    for i in range(3):
        picture(f"{i}.png", mark=i)
    library.build([photos])
    verified = library.build([photos], BuildOptions(verify=True))
    assert (verified.pending, verified.known, verified.embedded) == (3, 3, 0)
    assert library.build([photos], BuildOptions(rebuild=True)).embedded == 3


def test_a_dry_run_counts_and_changes_nothing(
    library: Library, photos: Path, picture: MakePicture
) -> None:
    picture("a.png")
    assert library.build([photos], BuildOptions(dry_run=True)).pending == 1
    assert (library.status().roots, library.photos()) == ((), [])


def test_a_dry_run_of_a_folder_inside_a_root_knows_what_is_known(
    library: Library, photos: Path, picture: MakePicture
) -> None:
    picture("2023/a.png")
    settle_clock()
    library.build([photos])
    report = library.build([photos / "2023"], BuildOptions(dry_run=True))
    assert (report.pending, report.unchanged) == (0, 1)


def test_a_build_without_paths_covers_every_root(
    library: Library, tmp_path: Path, photos: Path, picture: MakePicture
) -> None:
    picture("one/a.png")
    picture("two/b.png", mark=1)
    library.build([photos / "one", photos / "two"])
    picture("one/c.png", mark=2)
    picture("two/d.png", mark=3)
    assert library.build().embedded == 2


def test_a_build_needs_a_folder_that_is_there(library: Library, photos: Path) -> None:
    with pytest.raises(UsageError, match="nowhere is not there"):
        library.build([photos / "nowhere"])
    with pytest.raises(UsageError, match="no pictures in"):
        library.build([photos])
    (photos / "a.txt").write_text("x")
    with pytest.raises(UsageError, match="is a file; name the folder"):
        library.build([photos / "a.txt"])
    assert library.status().roots == ()


def test_an_unknown_model_makes_no_library(
    tmp_path: Path, photos: Path, picture: MakePicture
) -> None:
    picture("a.png")
    with pytest.raises(UnknownModelError, match="starter"):
        Library.open(tmp_path / "new", create=True).build([photos], BuildOptions(model="startre"))
    assert not (tmp_path / "new").exists()


def test_progress_counts_what_is_committed(
    library: Library, photos: Path, picture: MakePicture
) -> None:
    for i in range(70):
        picture(f"{i}.png", mark=i)
    seen: list[Progress] = []
    library.build([photos], on_progress=seen.append)
    embedding = [progress for progress in seen if progress.stage == "embedding"]
    assert [progress.done for progress in embedding] == [32, 64, 70]
    assert str(embedding[-1]).startswith("70/70 files, 70 embedded")


def test_removing_a_root_leaves_nothing_of_it_behind(
    library: Library, library_folder: Path, photos: Path, picture: MakePicture
) -> None:
    picture("very-private-name.png")
    library.build([photos])
    vectors = library.vectors()[1]
    library.thumbnail(library.photos()[0].id)
    assert library.remove(photos) == 1
    needle = vectors[0].astype("<f2").tobytes()
    for file in library_folder.rglob("*"):
        data = file.read_bytes() if file.is_file() and "models" not in file.parts else b""
        assert b"very-private-name" not in data
        assert needle not in data
    assert not list(library_folder.glob("thumbnails/*/*"))


def test_a_root_that_is_forgotten_as_a_build_of_all_begins_is_not_taken_again(
    library: Library, photos: Path, picture: MakePicture, monkeypatch: pytest.MonkeyPatch
) -> None:
    picture("kept/a.png", mark=1)
    picture("gone/b.png", mark=2)
    library.build([photos / "kept", photos / "gone"])

    def forget(*_: object) -> None:
        monkeypatch.undo()
        library.remove(photos / "gone")

    monkeypatch.setattr(_Run, "_require_pictures", forget)
    library.build()
    assert [root.path for root in library.status().roots] == [photos / "kept"]
    assert names(library) == ["a.png"]
