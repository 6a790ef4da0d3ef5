"""A region of a picture as a query."""

import io
from pathlib import Path

import pytest
from PIL import Image

from indexer import Library, Query
from indexer.errors import QueryError
from tests.conftest import RGB, MakePicture, Run

LEFT, RIGHT = (0, 0, 0.5, 1), (0.5, 0, 0.5, 1)


@pytest.fixture
def halves(library: Library, photos: Path, picture: MakePicture) -> Path:
    """A picture half red and half blue, in a library with one of each colour."""
    for colour in RGB:
        picture(f"{colour}.png", colour)
    image = Image.new("RGB", (400, 200), RGB["red"])
    image.paste(RGB["blue"], (200, 0, 400, 200))
    path = photos / "halves.png"
    image.save(path)
    library.build([photos])
    return path


def first(library: Library, query: Query | str) -> str:
    return library.search(query, k=1)[0].path.name


@pytest.mark.parametrize(("region", "found"), [(LEFT, "red.png"), (RIGHT, "blue.png")])
def test_only_the_region_counts(
    library: Library, halves: Path, region: tuple[float, float, float, float], found: str
) -> None:
    assert first(library, Query.image(halves, region=region)) == found
    assert first(library, Query.image(halves.read_bytes(), region=region)) == found
    assert (
        first(library, Query.image(Image.open(io.BytesIO(halves.read_bytes())), region=region))
        == found
    )
    photo = next(p for p in library.photos() if p.path == halves)
    assert first(library, Query.photo(photo.id, region=region)) == found
    assert first(library, f"photo:{photo.id}@{','.join(map(str, region))}") == found
    assert first(library, f"{halves}@{','.join(map(str, region))}") == found


def test_a_turned_picture_is_cut_as_it_is_seen(
    library: Library, halves: Path, tmp_path: Path
) -> None:
    exif = Image.Exif()
    exif[0x0112] = 3
    Image.open(halves).rotate(180).save(tmp_path / "turned.jpg", exif=exif, quality=95)
    assert first(library, Query.image(tmp_path / "turned.jpg", region=LEFT)) == "red.png"


def test_a_file_whose_name_ends_like_a_region_is_that_file(
    library: Library, halves: Path, tmp_path: Path
) -> None:
    odd = tmp_path / "a.png@0,0,1,1"
    odd.write_bytes(halves.with_name("green.png").read_bytes())
    assert str(Query.parse(str(odd)).terms[0].what) == str(odd)
    assert library.search(str(odd), 1, include_self=True)[0].path.name == "green.png"


@pytest.mark.parametrize(
    ("box", "complaint"),
    [
        ((0.6, 0, 0.5, 1), "leaves the picture"),
        ((-0.1, 0, 0.5, 1), "leaves the picture"),
        ((0, 0, 0.001, 1), "is too small"),
    ],
)
def test_a_box_that_is_no_region_is_refused(
    box: tuple[float, float, float, float], complaint: str
) -> None:
    with pytest.raises(QueryError, match=complaint):
        Query.photo(1, region=box)


def test_a_region_is_written_as_it_is_read() -> None:
    written = "2:photo:12@0.1,0.25,0.5,0.4 - ./pool.jpg@0,0,1,0.5"
    assert str(Query.parse(written)) == written


def test_the_command_takes_a_region(glimpse: Run, library: Library, halves: Path) -> None:
    ran = glimpse("search", f"{halves}@0.5,0,0.5,1", "-t", "1", "-f")
    assert ran.stdout.strip().endswith(b"/blue.png")
    assert b"leaves the picture" in glimpse("search", f"{halves}@0.9,0,0.5,1").stderr
