"""Filters, each field end to end: from a file's own metadata to what a search answers."""

import math
import os
from pathlib import Path

import pytest
from PIL import Image

from indexer import Filter, Library
from indexer.errors import UsageError
from tests.conftest import MakePicture, Run
from tests.pictures import camera_file, encoded

pytestmark = pytest.mark.both

PARIS = (48.8584, 2.2945)
FIJI_WEST, FIJI_EAST = (-16.8, 179.9), (-16.8, -179.9)  # 21 km from each other
NORTH, FAR_SIDE = (89.9, 0.0), (89.9, 180.0)  # 22 km, over the pole

SHOTS = {
    "paris.jpg": {"place": PARIS, "camera": "Leica M11", "taken": "2023:06:01 10:00:00"},
    "fiji west.jpg": {"place": FIJI_WEST, "lens": "Summilux 50mm", "rating": 4},
    "fiji east.jpg": {"place": FIJI_EAST, "lens": "100%_macro", "rating": 2},
    "north.jpg": {"place": NORTH, "size": (40, 80), "taken": "2022:12:31 23:59:59"},
    "far side.jpg": {"place": FAR_SIDE, "size": (1200, 1000), "taken": "2023:01:01 00:00:00"},
}


@pytest.fixture
def taken(library: Library, photos: Path) -> Library:
    """Photos with places, cameras and dates, and a square drawing that knows nothing of itself."""
    for name, known in SHOTS.items():
        (photos / name).write_bytes(camera_file(**known))  # type: ignore[arg-type]
    (photos / "Übung").mkdir()
    drawing = encoded(Image.new("RGB", (48, 48), (20, 20, 220)), "PNG")
    (photos / "Übung" / "ÄRGER.png").write_bytes(drawing)
    library.build([photos])
    return library


def passing(library: Library, where: Filter) -> set[str]:
    """The names that a search answers, which are those that are counted and listed too."""
    answer = library.search("red", k=100, where=where)
    found = {hit.path.stem for hit in answer}
    assert {photo.path.stem for photo in library.photos(where)} == found
    assert answer.total == len(found)
    return found


def test_dates_are_a_start_that_counts_and_an_end_that_does_not(taken: Library) -> None:
    assert passing(taken, Filter(after="2023")) == {"paris", "far side"}
    assert passing(taken, Filter(after="2023", before="2023-06")) == {"far side"}
    assert passing(taken, Filter(before="2023-01-01")) == {"north"}
    assert passing(taken, Filter(after="2023-01-01T00:00:00", before="2023-01-02")) == {"far side"}
    assert passing(taken, Filter(after="2022-12-31T23:59", before="2023")) == {"north"}


def test_names_of_cameras_and_lenses_match_in_part_and_literally(taken: Library) -> None:
    assert passing(taken, Filter(camera="leica")) == {"paris"}
    assert passing(taken, Filter(lens="SUMMILUX")) == {"fiji west"}
    assert passing(taken, Filter(lens="0%_m")) == {"fiji east"}
    assert passing(taken, Filter(lens="%")) == {"fiji east"}
    assert passing(taken, Filter(lens="' OR 1=1 --")) == set()


def test_near_is_along_the_ground(taken: Library) -> None:
    assert passing(taken, Filter(near="48.85,2.35,5")) == {"paris"}
    assert passing(taken, Filter(near="48.85,2.35,4")) == set()
    assert passing(taken, Filter(near="48.85, 2.35, 5 km")) == {"paris"}


def test_near_reaches_across_the_date_line(taken: Library) -> None:
    assert passing(taken, Filter(near="-16.8,179.9,22")) == {"fiji west", "fiji east"}
    assert passing(taken, Filter(near="-16.8,-179.9,22")) == {"fiji west", "fiji east"}
    assert passing(taken, Filter(near="-16.8,179.9,20")) == {"fiji west"}


def test_near_reaches_over_the_poles(taken: Library) -> None:
    assert passing(taken, Filter(near="90,77,12")) == {"north", "far side"}
    assert passing(taken, Filter(near="89.9,0,23")) == {"north", "far side"}
    assert passing(taken, Filter(near="89.9,0,21")) == {"north"}
    assert passing(taken, Filter(near="-90,0,12")) == set()


def test_near_within_half_the_earth_is_everything_that_has_a_place(taken: Library) -> None:
    everywhere = {Path(name).stem for name in SHOTS}
    assert passing(taken, Filter(near="-48.8584,-177.7055,20040")) == everywhere
    assert passing(taken, Filter(near="-48.8584,-177.7055,20000")) == everywhere - {"paris"}


def test_text_in_a_path_matches_in_any_case_and_script(taken: Library, photos: Path) -> None:
    assert passing(taken, Filter(path="übung/ärg")) == {"ÄRGER"}
    assert passing(taken, Filter(path="FIJI ")) == {"fiji west", "fiji east"}
    assert len(passing(taken, Filter(path=photos.name))) == len(SHOTS) + 1
    assert passing(taken, Filter(path="%")) == set()


def test_a_folder_in_any_script_is_found(taken: Library, photos: Path) -> None:
    assert passing(taken, Filter(folder=str(photos / "Übung"))) == {"ÄRGER"}
    assert passing(taken, Filter(folder=f"{photos}/Übung/")) == {"ÄRGER"}
    assert passing(taken, Filter(folder=str(photos / "Ü"))) == set()


def test_shapes_formats_and_sizes(taken: Library, photos: Path) -> None:
    assert passing(taken, Filter(orientation="portrait")) == {"north"}
    assert passing(taken, Filter(orientation="square")) == {"ÄRGER"}
    assert passing(taken, Filter(format="png")) == {"ÄRGER"}
    for name in ("jpg", ".JPG", "jfif"):
        assert passing(taken, Filter(format=name)) == passing(taken, Filter(format="JPEG"))
    assert passing(taken, Filter(min_megapixels=1.2)) == {"far side"}
    assert passing(taken, Filter(min_megapixels=1.201)) == set()
    size = (photos / "far side.jpg").stat().st_size
    assert passing(taken, Filter(min_size=f"{size}")) == {"far side"}
    assert "far side" not in passing(taken, Filter(max_size=f"{(size - 1) / 1000} kB"))
    assert len(passing(taken, Filter(max_size="1MB"))) == len(SHOTS) + 1


def test_ratings_count_from_a_number_of_stars(taken: Library) -> None:
    assert passing(taken, Filter(min_rating=4)) == {"fiji west"}
    assert passing(taken, Filter(min_rating=1)) == {"fiji west", "fiji east"}


def test_tags_must_all_be_there_and_none_of_the_others(taken: Library) -> None:
    ids = {photo.path.stem: photo.id for photo in taken.photos()}
    taken.add_tag([ids["paris"], ids["north"]], "trip")
    taken.add_tag([ids["paris"]], "tower")
    assert passing(taken, Filter(tag=("trip",))) == {"paris", "north"}
    assert passing(taken, Filter(tag=("trip", "tower"))) == {"paris"}
    assert passing(taken, Filter(tag=("trip",), without_tag=("tower",))) == {"north"}
    assert passing(taken, Filter(tag=("Trip",))) == set()


def test_only_takes_as_many_ids_as_there_are(taken: Library) -> None:
    wanted = {photo.id for photo in taken.photos() if photo.path.stem in ("paris", "north")}
    many = tuple(sorted({*range(10**6, 10**6 + 50_000), *wanted}))
    assert passing(taken, Filter(only=many)) == {"paris", "north"}
    assert passing(taken, Filter(only=())) == set()


def test_all_fields_that_are_set_must_hold(taken: Library) -> None:
    assert passing(taken, Filter(after="2022", near="90,0,12", orientation="landscape")) == {
        "far side"
    }
    assert passing(taken, Filter(after="2023", orientation="portrait")) == set()


def test_a_root_that_is_gone_answers_only_when_asked(taken: Library, photos: Path) -> None:
    photos.rename(photos.with_name("elsewhere"))
    taken.build()
    assert passing(taken, Filter()) == set()
    assert passing(taken, Filter(include_offline=True, camera="leica")) == {"paris"}


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("after", "2023-13-45x"),
        ("before", "June"),
        ("after", "2023-13"),
        ("after", "2023-02-30"),
        ("before", "2019-05-01T25:00"),
        ("near", "Paris"),
        ("near", "48,2"),
        ("near", "91,0,5"),
        ("near", "0,181,5"),
        ("near", "nan,0,5"),
        ("near", "0,0,-1"),
        ("orientation", "round"),
        ("min_size", "big"),
        ("max_size", "-1MB"),
        ("max_size", "1e9"),
        ("min_rating", 10**20),
        ("min_rating", 6),
        ("min_megapixels", math.nan),
        ("min_megapixels", math.inf),
    ],
)
def test_a_value_that_makes_no_sense_is_refused_in_one_line(field: str, value: object) -> None:
    with pytest.raises(UsageError, match=field) as caught:
        Filter(**{field: value})  # type: ignore[arg-type]
    assert repr(value) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_size_beyond_all_files_is_a_size(taken: Library) -> None:
    assert passing(taken, Filter(max_size="9" * 400 + "GB")) == passing(taken, Filter())
    assert passing(taken, Filter(min_size="9" * 40)) == set()


def test_without_a_query_the_command_lists_by_date(
    glimpse: Run, library: Library, photos: Path, picture: MakePicture
) -> None:
    for year, mark in ((2001, 1), (2020, 2), (2010, 3)):
        exif = Image.Exif()
        exif.get_ifd(0x8769)[0x9003] = f"{year}:06:01 10:00:00"
        picture(f"{year}.jpg", "red", mark=mark, exif=exif)
    picture("undated.png")
    library.build([photos])
    listed = glimpse("search", "--after", "2005").stdout.splitlines()
    assert [Path(line.decode()).stem for line in listed] == ["2020", "2010"]
    listed = glimpse(
        "search", "--format", "JPEG", "--sort", "oldest", "-t", "2"
    ).stdout.splitlines()
    assert [Path(line.decode()).stem for line in listed] == ["2001", "2010"]
    refused = glimpse("search")
    assert (refused.returncode, refused.stdout) == (2, b"")
    assert b"say what to look for" in refused.stderr
    added = glimpse("search", "--sort", "added").stdout.splitlines()
    assert len(added) == 4


@pytest.mark.parametrize(
    ("option", "says"),
    [
        (("--threshold", "0"), "--threshold needs a query"),
        (("--relevant",), "--relevant needs a query"),
        (("--less", "1"), "--less needs a query"),
        (("--include-self",), "--include-self needs a query"),
        (("--space", "nope"), "--space needs a query"),
        (("--sort", "foo"), "order 'foo' is not known; there are: newest, oldest, added"),
        (("-t", "-1"), "-1 results from 0 were asked for"),
        (("--offset", "-3"), "20 results from -3 were asked for"),
    ],
)
def test_what_makes_no_sense_without_a_query_is_refused(
    library: Library, glimpse: Run, option: tuple[str, ...], says: str
) -> None:
    refused = glimpse("search", "--format", "JPEG", *option)
    assert (refused.returncode, refused.stdout) == (2, b"")
    assert refused.stderr.decode().startswith(f"glimpse: {says}")


def test_a_number_of_answers_needs_a_query_to_export(
    library: Library, glimpse: Run, tmp_path: Path
) -> None:
    refused = glimpse("export", str(tmp_path / "out"), "-t", "3")
    assert refused.returncode == 2
    assert b"-t 3 needs --query" in refused.stderr
    assert not (tmp_path / "out").exists()


def test_photos_are_browsed_in_pages(library: Library, photos: Path, picture: MakePicture) -> None:
    for mark in range(1, 6):
        path = picture(f"{mark}.png", mark=mark)
        os.utime(path, (1e9 + mark * 1e6,) * 2)
    library.build([photos])
    assert [p.path.stem for p in library.browse(2, offset=1)] == ["4", "3"]
    assert [p.path.stem for p in library.browse(9, order="oldest")] == ["1", "2", "3", "4", "5"]
    added = [p.id for p in library.browse(9, order="added")]
    assert added == sorted(added, reverse=True)
    assert library.count() == 5
