"""Duplicates: what is called a copy of what, what is kept apart, and which of a group comes first."""

import json
import os
import random
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from benchmarks.copies import COPIES, encoded, frames
from indexer import DuplicateGroup, Filter, Library
from storage.catalog import Catalog
from storage.perceptual import all_hashes, put_hashes
from tests.conftest import MakePicture, Run

EXAMPLES = Path(__file__).parent.parent / "examples" / "photos"
CAT = EXAMPLES / "animals" / "grey-cat.jpg"
HORSE = EXAMPLES / "animals" / "chestnut-horse.jpg"

Derive = Callable[..., Path]


@pytest.fixture
def original(photos: Path) -> Path:
    """A picture in a file larger than those of its copies."""
    path = photos / "original.png"
    with Image.open(CAT) as image:
        image.convert("RGB").save(path)
    return path


@pytest.fixture
def derive(photos: Path) -> Derive:
    """Makes a copy of the cat as benchmarks do, by the name of the way."""

    def make(way: str) -> Path:
        change, format, quality = COPIES[way]
        path = photos / f"{way}.{format.lower()}"
        with Image.open(CAT) as image:
            path.write_bytes(
                encoded(change(image.convert("RGB"), random.Random(0)), format, quality)
            )
        return path

    return make


def names(groups: list[DuplicateGroup]) -> list[list[str]]:
    return [[photo.path.name for photo in group.photos] for group in groups]


def test_the_same_bytes_are_one_group_the_oldest_first(
    library: Library, photos: Path, picture: MakePicture
) -> None:
    for name, age in (("b.png", 300), ("a.png", 200), ("c.png", 100)):
        stamp = picture(name, "red").stat().st_mtime - age
        os.utime(photos / name, (stamp, stamp))
    picture("other.png", "blue")
    library.build([photos])
    (group,) = library.duplicates()
    assert (group.kind, names([group])) == ("exact", [["b.png", "a.png", "c.png"]])
    assert group.reasons == ("the oldest", "the same bytes", "the same bytes")
    assert group.spare_bytes == 2 * (photos / "a.png").stat().st_size


@pytest.mark.parametrize(
    ("way", "told"),
    [
        ("jpeg-40", "JPEG instead of PNG"),
        ("webp-70", "WEBP instead of PNG"),
        ("scaled-0.5", " instead of "),
        ("cropped-10", "cropped to 8"),
        ("straightened-5", "rotated by 5.0°"),
        ("rotated-2-corners", "rotated by 2.0°"),
        ("turned-90", "turned left"),
        ("turned-180", "turned upside down"),
        ("mirrored", "mirrored"),
        ("turned-90-cropped-5", "turned left, cropped to "),
    ],
)
def test_a_copy_is_found_and_told_what_it_is(
    library: Library, photos: Path, original: Path, derive: Derive, way: str, told: str
) -> None:
    copy = derive(way)
    library.build([photos])
    (group,) = library.duplicates()
    assert group.kind == "near"
    assert {photo.path.name for photo in group.photos} == {original.name, copy.name}
    if way != "rotated-2-corners":  # whose canvas may have become the larger picture
        assert told in group.reasons[1]


def test_the_largest_picture_comes_first(
    library: Library, photos: Path, original: Path, derive: Derive
) -> None:
    derive("scaled-0.3")
    derive("scaled-1.5")
    library.build([photos])
    (group,) = library.duplicates()
    assert names([group]) == [["scaled-1.5.jpeg", original.name, "scaled-0.3.jpeg"]]
    assert group.reasons[0] == "the largest picture"


def test_photos_of_the_same_bytes_stand_with_their_copies(
    library: Library, photos: Path, original: Path, derive: Derive
) -> None:
    shutil.copy(original, photos / "twin.png")
    derive("scaled-0.5")
    library.build([photos])
    (group,) = library.duplicates()
    assert (group.kind, len(group.photos)) == ("near", 3)
    assert group.reasons[1] == "the same bytes"
    assert [g.kind for g in library.duplicates(near=False)] == ["exact"]


def test_frames_of_one_scene_are_kept_apart(library: Library, photos: Path) -> None:
    for path in (CAT, HORSE):
        shutil.copy(path, photos)
        with Image.open(path) as image:
            for number, frame in enumerate(frames(image.convert("RGB"), random.Random(1))):
                frame.save(photos / f"{path.stem}-{number}.jpg", quality=90)
    assert len(list(photos.iterdir())) == 8
    library.build([photos])
    assert library.duplicates() == []


def test_a_picture_that_was_edited_is_no_copy(
    library: Library, photos: Path, original: Path
) -> None:
    with Image.open(original) as image:
        image.convert("RGB").point(lambda level: min(255, level + 25)).save(photos / "bright.jpg")
        image.convert("L").save(photos / "grey.jpg")
    library.build([photos])
    assert library.duplicates() == []


def test_neighbouring_views_are_no_copies_of_each_other(library: Library, photos: Path) -> None:
    with Image.open(CAT) as image:
        width, height = image.size
        for name, left in (("left", 0.0), ("right", 0.08)):
            box = (round(left * width), 0, round((left + 0.92) * width), height)
            image.convert("RGB").crop(box).save(photos / f"{name}.png")
    library.build([photos])
    assert library.duplicates() == []


def test_pictures_without_any_shape_are_compared_by_their_bytes_alone(
    library: Library, photos: Path, picture: MakePicture
) -> None:
    picture("a.png", "red")
    picture("b.bmp", "red")
    library.build([photos])
    assert library.duplicates() == []


def test_what_is_gone_or_was_changed_is_neither_a_copy_nor_worth_keeping(
    library: Library, photos: Path, picture: MakePicture
) -> None:
    for name, age in (("gone.png", 300), ("changed.png", 200), ("last.png", 100)):
        stamp = picture(name, "red").stat().st_mtime - age
        os.utime(photos / name, (stamp, stamp))
    library.build([photos])
    (photos / "gone.png").unlink()
    picture("changed.png", "blue")
    told: list[str] = []
    assert library.duplicates(near=False, notify=told.append) == []
    assert told == [
        "2 files went or changed since they were read, and are left out; `glimpse build` looks again"
    ]


def test_a_file_with_two_names_is_no_copy_of_itself(
    library: Library, photos: Path, picture: MakePicture
) -> None:
    os.link(picture("a.png", "red"), photos / "b.png")
    library.build([photos])
    assert library.duplicates() == []


def test_hashes_that_an_older_library_lacks_are_computed_and_kept(
    library: Library, library_folder: Path, photos: Path, original: Path, derive: Derive
) -> None:
    derive("jpeg-75")
    library.build([photos])
    catalog = Catalog.open(library_folder)
    with catalog.view() as view:
        built = all_hashes(view)
    with catalog.batch() as batch:
        put_hashes(batch, dict.fromkeys(built, None))  # type: ignore[arg-type]
    assert len(library.duplicates()) == 1
    with catalog.view() as view:
        assert None not in all_hashes(view).values()
    catalog.close()


def test_a_file_that_cannot_be_read_now_is_left_out(
    library: Library, library_folder: Path, photos: Path, original: Path, derive: Derive
) -> None:
    gone = derive("jpeg-75")
    derive("webp-70")
    library.build([photos])
    shutil.rmtree(library_folder / "thumbnails")
    gone.unlink()
    assert names(library.duplicates())[0] == [original.name, "webp-70.webp"]


def test_a_filter_says_which_photos_are_looked_at(
    library: Library, photos: Path, original: Path, derive: Derive
) -> None:
    derive("jpeg-75")
    derive("webp-70")
    library.build([photos])
    (group,) = library.duplicates(where=Filter(max_size=f"{original.stat().st_size - 1}B"))
    assert sorted(names([group])[0]) == ["jpeg-75.jpeg", "webp-70.webp"]


def test_a_listener_hears_how_far_it_is(
    library: Library, photos: Path, original: Path, derive: Derive
) -> None:
    derive("jpeg-75")
    library.build([photos])
    told: list[str] = []
    library.duplicates(on_step=lambda what, done, total: told.append(what))
    assert {"looking by embedding", "comparing"} <= set(told)


def test_the_command_shows_groups_and_deletes_nothing(
    library: Library,
    photos: Path,
    original: Path,
    derive: Derive,
    picture: MakePicture,
    glimpse: Run,
) -> None:
    copy = derive("scaled-0.5")
    for name in ("a.png", "b.png"):
        picture(name, "red", mark=7)
    library.build([photos])
    done = glimpse("dedupe")
    near, exact = done.stdout.decode().split("\n\n")
    assert [line.split("\t")[0] for line in near.splitlines()] == [str(original), str(copy)]
    assert len(exact.splitlines()) == 2
    assert done.returncode == 0
    assert b"2 groups (1 of the same bytes): 2 photos could go" in done.stderr
    assert original.exists()
    assert copy.exists()


def test_the_command_prints_json_and_what_xargs_takes(
    library: Library, photos: Path, original: Path, derive: Derive, glimpse: Run
) -> None:
    copy = derive("scaled-0.5")
    library.build([photos])
    told = json.loads(glimpse("dedupe", "--json").stdout)
    assert told["spare_bytes"] == copy.stat().st_size
    assert [photo["path"] for photo in told["groups"][0]["photos"]] == [str(original), str(copy)]
    assert glimpse("dedupe", "-0").stdout == os.fsencode(copy) + b"\0"
    assert glimpse("dedupe", "--exact").stdout == b""
