"""Counts of photos by what they have in common."""

import os
from pathlib import Path

import pytest

from indexer import Facets, Filter, Library
from tests.conftest import MakePicture
from tests.pictures import camera_file

SHOTS = (
    ("2022/a.jpg", {"camera": "M11", "lens": "Summilux 50", "taken": "2022:05:01 10:00:00"}),
    ("2022/b.jpg", {"camera": "M11", "taken": "2022:06:01 10:00:00", "rating": 5}),
    ("2023/c.jpg", {"camera": "D80", "taken": "2023:01:01 00:00:00", "size": (20, 40)}),
)

pytestmark = pytest.mark.both


@pytest.fixture
def taken(library: Library, photos: Path, picture: MakePicture) -> Library:
    """Three photos of two cameras, and a drawing that knows nothing of itself."""
    for name, known in SHOTS:
        (photos / name).parent.mkdir(exist_ok=True)
        (photos / name).write_bytes(camera_file(**known))
    picture("drawing.png", "blue")
    library.build([photos])
    return library


def test_every_photo_counts_by_all_that_is_known_of_it(taken: Library, photos: Path) -> None:
    assert taken.facets() == Facets(
        camera={"M11": 2, "D80": 1},
        lens={"Summilux 50": 1},
        format={"JPEG": 3, "PNG": 1},
        orientation={"landscape": 3, "portrait": 1},
        year={"2022": 2, "2023": 1},
        rating={"5": 1},
        tag={},
        folder={str(photos / "2022"): 2, str(photos): 1, str(photos / "2023"): 1},
    )


def test_values_come_most_frequent_first(taken: Library) -> None:
    found = taken.facets()
    assert list(found.camera) == ["M11", "D80"]
    assert list(found.folder.values()) == [2, 1, 1]


def test_only_photos_that_pass_count(taken: Library) -> None:
    found = taken.facets(Filter(camera="m11", path="b.jp"))
    assert (found.year, found.rating, found.format) == ({"2022": 1}, {"5": 1}, {"JPEG": 1})
    assert taken.facets(Filter(camera="none of them")) == Facets()


def test_tags_count_also_where_a_tag_is_asked_for(taken: Library) -> None:
    first, second, third = sorted(photo.id for photo in taken.photos())[:3]
    taken.add_tag([first, second], "trip")
    taken.add_tag([second, third], "sea")
    taken.remove_tag([third], "sea")
    assert taken.facets().tag == {"trip": 2, "sea": 1}
    assert taken.facets(Filter(tag=("sea",))).tag == {"sea": 1, "trip": 1}
    assert taken.facets(Filter(without_tag=("sea",))).tag == {"trip": 1}


def test_a_folder_that_is_counted_can_be_asked_for(taken: Library) -> None:
    for folder, count in taken.facets().folder.items():
        below = taken.facets(Filter(folder=folder))
        assert below.folder[folder] == count


def test_many_folders_count_with_the_ones_above_them(
    library: Library, photos: Path, picture: MakePicture
) -> None:
    for number in range(60):
        picture(f"{2000 + number % 3}/{number}/a.png", mark=number + 1)
    library.build([photos])
    assert library.facets().folder == {str(photos / f"{2000 + year}"): 20 for year in range(3)}


def test_a_folder_with_a_name_that_is_no_text_counts(
    library: Library, photos: Path, picture: MakePicture
) -> None:
    odd = os.fsencode(photos) + b"/caf\xe9"
    os.mkdir(odd)
    os.rename(picture("a.png"), odd + b"/a.png")
    library.build([photos])
    ((folder, count),) = library.facets().folder.items()
    assert (os.fsencode(folder), count) == (odd, 1)
    assert library.facets(Filter(folder=folder)).folder == {folder: 1}
