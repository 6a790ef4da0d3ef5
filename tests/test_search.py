"""Searching: words, pictures and photos of the library, alone and together."""

import io
import threading
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from indexer import BuildOptions, Filter, Library, Query
from indexer.errors import NoTextError, PictureError, QueryError, UsageError
from indexer.query import ImageSource
from tests.conftest import MakePicture


@pytest.fixture
def colours(library: Library, photos: Path, picture: MakePicture) -> Library:
    """A library with two pictures of each of four colours."""
    for i, colour in enumerate(("red", "green", "blue", "yellow")):
        picture(f"{colour}.png", colour)
        picture(f"more {colour}.png", colour, mark=700 + i)
    library.build([photos])
    return library


def found(answer: object) -> list[str]:
    return [hit.path.name for hit in answer]  # type: ignore[attr-defined]


def test_words_find_what_they_name_best_first(colours: Library) -> None:
    answer = colours.search("red", k=3)
    assert set(found(answer)[:2]) == {"red.png", "more red.png"}
    scores = [hit.score for hit in answer]
    assert scores == sorted(scores, reverse=True)
    assert [hit.rank for hit in answer] == [1, 2, 3]
    assert (answer.total, answer.space, answer.query) == (8, "tiny", "red")


def test_an_expression_adds_and_subtracts(colours: Library) -> None:
    assert set(found(colours.search("red + green", k=2))) == {"yellow.png", "more yellow.png"}
    assert set(found(colours.search("yellow - green", k=2))) == {"red.png", "more red.png"}
    assert set(found(colours.search("- blue", k=8))[-2:]) == {"blue.png", "more blue.png"}


def test_a_weight_decides(colours: Library) -> None:
    assert "red" in found(colours.search("3:red + blue"))[0]
    assert "blue" in found(colours.search("red + 3:blue"))[0]


def test_a_picture_leaves_itself_out_unless_asked(colours: Library, photos: Path) -> None:
    query = Query.image(photos / "red.png")
    assert found(colours.search(query, k=1)) == ["more red.png"]
    assert found(colours.search(query, k=1, include_self=True)) == ["red.png"]
    assert colours.search(query).total == 7


def test_a_picture_may_be_a_path_bytes_a_file_or_an_image(colours: Library, tmp_path: Path) -> None:
    image = Image.new("RGB", (300, 200), (10, 10, 230))
    image.save(tmp_path / "sky.png")
    data = (tmp_path / "sky.png").read_bytes()
    sources: list[ImageSource] = [
        tmp_path / "sky.png",
        str(tmp_path / "sky.png"),
        data,
        io.BytesIO(data),
        image,
    ]
    for source in sources:
        assert "blue" in found(colours.search(Query.image(source), k=1))[0]


def test_the_same_picture_turned_by_its_orientation_is_the_same(
    colours: Library, tmp_path: Path
) -> None:
    image = Image.new("RGB", (64, 64), (220, 20, 20))
    image.paste((20, 20, 220), (0, 0, 64, 32))
    exif = Image.Exif()
    exif[0x0112] = 3
    image.rotate(180).save(tmp_path / "turned.png", exif=exif)
    image.save(tmp_path / "upright.png")
    turned = [hit.score for hit in colours.search(Query.image(tmp_path / "turned.png"))]
    upright = [hit.score for hit in colours.search(Query.image(tmp_path / "upright.png"))]
    assert turned == pytest.approx(upright, abs=1e-3)


def test_words_and_a_picture_together(colours: Library, photos: Path) -> None:
    query = Query.image(photos / "red.png") + Query.text("green")
    assert "yellow" in found(colours.search(query, k=1))[0]


def test_neighbours_of_a_photo_leave_it_out(colours: Library) -> None:
    photo = next(photo for photo in colours.photos() if photo.path.name == "blue.png")
    assert found(colours.neighbors(photo.id, k=1)) == ["more blue.png"]
    with pytest.raises(QueryError, match="no photo 999"):
        colours.neighbors(999)


def test_vectors_come_with_the_ids_of_photos(colours: Library) -> None:
    ids, vectors = colours.vectors()
    assert ids.dtype == np.int64
    assert ids.tolist() == [photo.id for photo in colours.photos()]
    assert (str(vectors.dtype), vectors.shape) == ("float32", (8, 48))
    assert np.linalg.norm(vectors, axis=1) == pytest.approx(1, abs=1e-6)
    first = colours.search(Query.photo(int(ids[0])), include_self=True)[0]
    assert first.photo_id == ids[0]
    assert first.score == pytest.approx(1, abs=1e-5)


def test_pages_follow_one_another(colours: Library) -> None:
    whole = found(colours.search("red", k=8))
    assert found(colours.search("red", k=3, offset=3)) == whole[3:6]
    assert found(colours.search("red", k=100)) == whole
    assert colours.search("red", k=3, offset=3)[0].rank == 4
    assert found(colours.search("red", k=3, offset=8)) == []


def test_a_threshold_is_the_least_score_and_counts_in_the_total(colours: Library) -> None:
    answer = colours.search("red", k=1, threshold=0.9)
    assert (len(answer), answer.total) == (1, 2)
    assert not colours.search("red", threshold=1.01)


@pytest.mark.parametrize(
    "where", [Filter(camera="leica"), Filter(after="2023"), Filter(format="JPEG")]
)
def test_a_filter_never_loses_a_result_that_is_far_down(
    library: Library, photos: Path, picture: MakePicture, where: Filter
) -> None:
    for i in range(1, 300):
        picture(f"{i}.png", "red", mark=i)
    exif = Image.Exif()
    exif[0x010F], exif[0x0110] = "LEICA", "M11"
    exif.get_ifd(0x8769)[0x9003] = "2023:06:01 10:00:00"
    picture("one.jpg", "blue", exif=exif)
    library.build([photos])
    assert found(library.search("red", k=5, where=where)) == ["one.jpg"]


def test_a_folder_filter_knows_above_inside_and_beside(
    library: Library, photos: Path, picture: MakePicture
) -> None:
    picture("2023/a.png")
    picture("2023-bis/b.png", mark=1)
    picture("2023/may/c.png", mark=2)
    library.build([photos])

    def under(folder: Path) -> list[str]:
        return sorted(found(library.search("red", where=Filter(folder=str(folder)))))

    assert under(photos / "2023") == ["a.png", "c.png"]
    assert under(photos.parent) == ["a.png", "b.png", "c.png"]
    assert under(photos / "2024") == []


@pytest.mark.parametrize("date", ["yesterday", "2023-5", "01.02.2023", "' OR 1=1--"])
def test_a_date_that_is_none_is_refused(date: str) -> None:
    with pytest.raises(UsageError, match="is not a date"):
        Filter(after=date)


@pytest.mark.parametrize("camera", ["' OR 1=1--", "%", "_", "\\"])
def test_what_looks_like_sql_in_a_filter_is_only_text(colours: Library, camera: str) -> None:
    assert not colours.search("red", where=Filter(camera=camera))


def test_a_space_without_text_says_which_space_reads_it(colours: Library, photos: Path) -> None:
    report = colours.build([photos], BuildOptions(model="tiny:blind"))
    assert report.embedded == 8
    with pytest.raises(NoTextError, match="tiny-blind .* reads no words; ask with --space tiny"):
        colours.search("red", space="tiny-blind")
    near = colours.search(Query.image(photos / "red.png"), k=1, space="tiny-blind")
    assert found(near) == ["more red.png"]
    assert "red" in found(colours.search("red"))[0]


def test_another_space_can_become_the_default(colours: Library, photos: Path) -> None:
    colours.build([photos], BuildOptions(model="tiny:blind", adopt=True))
    with pytest.raises(NoTextError):
        colours.search("red")
    colours.use("tiny")
    assert colours.search("red")
    with pytest.raises(UsageError, match="no space is called tinny; did you mean tiny"):
        colours.search("red", space="tinny")


def test_queries_that_cannot_be_asked_say_why(
    colours: Library, photos: Path, tmp_path: Path
) -> None:
    with pytest.raises(QueryError, match="cancel each other out"):
        colours.search("red - red")
    with pytest.raises(QueryError, match="every weight in '0:red' is 0"):
        colours.search("0:red")
    assert colours.search("red + 0:blue")[0].path.name == colours.search("red")[0].path.name
    with pytest.raises(QueryError, match=r"missing\.jpg is not a picture that is there"):
        colours.search(Query.image(photos / "missing.jpg"))
    (tmp_path / "text.jpg").write_text("no picture")
    with pytest.raises(PictureError):
        colours.search(Query.image(tmp_path / "text.jpg"))
    with pytest.raises(QueryError, match="the least is 1"):
        colours.search("red", k=0)


def test_a_text_that_is_too_long_is_cut_with_a_notice(colours: Library) -> None:
    answer = colours.search("red red red red blue blue blue blue")
    assert "red" in found(answer)[0]
    assert "its end was left out" in answer.notices[0]
    assert not colours.search("red").notices


def test_readers_see_a_build_at_once_and_never_half_of_it(
    colours: Library, photos: Path, picture: MakePicture, library_folder: Path
) -> None:
    for i in range(200):
        picture(f"new {i}.png", "green", mark=i + 1)
    problems: list[object] = []
    stop = threading.Event()

    def read() -> None:
        while not stop.is_set():
            answer = colours.search("green", k=1000)
            if len(answer) != answer.total or len({hit.photo_id for hit in answer}) != len(answer):
                problems.append((len(answer), answer.total))

    readers = [threading.Thread(target=read) for _ in range(8)]
    for reader in readers:
        reader.start()
    with Library.open(library_folder) as writer:
        writer.build([photos])
    stop.set()
    for reader in readers:
        reader.join()
    assert not problems
    assert colours.search("green").total == 208


def test_a_thumbnail_fits_its_square_and_survives_only_with_its_file(
    colours: Library, photos: Path
) -> None:
    photo = colours.photos()[0]
    image = Image.open(io.BytesIO(colours.thumbnail(photo.id, 32)))
    assert (image.format, image.size) == ("JPEG", (32, 24))
    path = photo.path
    path.rename(path.with_suffix(".away"))
    assert colours.thumbnail(photo.id, 32)
    path.symlink_to(photos / "blue.png")
    with pytest.raises(PictureError, match="link"):
        colours.thumbnail(photo.id, 48)
