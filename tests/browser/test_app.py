"""The page's script, run by Streamlit's own test harness: what it sends, with no browser."""

import json
import re
import shutil
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from starlette.responses import FileResponse
from streamlit.proto.Common_pb2 import FileURLs
from streamlit.runtime.uploaded_file_manager import UploadedFile, UploadedFileRec
from streamlit.testing.v1 import AppTest

from indexer import BuildOptions, Library, Photo, Query, State
from indexer.errors import QueryError
from indexer.terms import Picture
from search_ui import app, exporting, opened, questions
from search_ui.search import bar
from search_ui.search.facts import facts
from search_ui.search.folders import shortened
from search_ui.sources import check_sources
from storage.homes import CATALOG
from tests.conftest import MakePicture

TINY = BuildOptions(model="tiny")


@pytest.fixture
def page(library_folder: Path) -> Iterator[AppTest]:
    opened.choose(library_folder, None)
    yield AppTest.from_file(app.__file__)
    opened.library().close()
    opened.library.clear()


def names(page: AppTest) -> list[str]:
    """The names that the grid was sent."""
    return [photo["name"] for part in sent(page) for photo in part.get("photos", [])]


def sent(page: AppTest) -> list[dict[str, Any]]:
    """What each component was sent."""
    return [json.loads(part.proto.json) for part in page.get("bidi_component")]


def said(page: AppTest) -> str:
    """Everything that the page says in its own words."""
    return "\n".join(part.proto.body for part in page.get("html"))


def test_the_words_of_the_address_are_asked(
    page: AppTest, library: Library, picture: MakePicture, photos: Path
) -> None:
    picture("red.png", "red")
    picture("blue.png", "blue")
    library.build([photos], TINY)
    page.query_params["q"] = "blue"
    page.run()
    assert names(page) == ["blue.png", "red.png"]
    assert [part["q"] for part in sent(page) if "q" in part] == ["blue"]
    assert "2 photos, " in said(page)


def test_the_space_that_the_command_named_is_asked_until_the_address_names_another(
    page: AppTest, library: Library, picture: MakePicture, photos: Path, library_folder: Path
) -> None:
    picture("red.png", "red")
    library.build([photos], TINY)
    library.build([photos], BuildOptions(model="tiny:blind"))
    opened.choose(library_folder, None, "tiny-blind")
    page.query_params["q"] = "red"
    page.run()
    assert page.main.selectbox[0].value == "tiny-blind"
    assert "tiny-blind" in said(page)  # which reads no words
    page.query_params["space"] = "tiny"
    page.run()
    assert names(page) == ["red.png"]


def test_photos_of_a_build_are_shown_at_the_next_step(
    page: AppTest, library: Library, picture: MakePicture, photos: Path
) -> None:
    picture("red.png", "red")
    library.build([photos], TINY)
    assert names(page.run()) == ["red.png"]
    picture("blue.png", "blue")
    library.build()
    assert names(page.run()) == ["blue.png", "red.png"]


def test_a_library_without_photos_says_how_to_add_some(page: AppTest) -> None:
    assert "no photos here yet; add some with: glimpse build PATH" in said(page.run())


def test_a_folder_that_cannot_be_reached_is_told(
    page: AppTest, library: Library, picture: MakePicture, photos: Path
) -> None:
    picture("red.png", "red")
    library.build([photos], TINY)
    photos.rename(photos.with_name("elsewhere"))
    library.build()
    assert f"{photos} cannot be reached" in said(page.run())
    assert names(page) == []


def test_a_damaged_catalog_is_one_line_and_the_page_comes_back_with_it(
    page: AppTest, library: Library, library_folder: Path, picture: MakePicture, photos: Path
) -> None:
    picture("red.png", "red")
    library.build([photos], TINY)
    library.close()
    whole = shutil.copy(library_folder / CATALOG, library_folder.parent)
    (library_folder / CATALOG).write_bytes(b"not a catalog" * 1000)
    page.run()
    assert not page.exception
    assert "is damaged" in said(page)
    shutil.copy(whole, library_folder / CATALOG)
    assert names(page.run()) == ["red.png"]


def test_a_name_that_is_not_utf_8_is_shown_as_far_as_it_can_be_read(
    page: AppTest, library: Library, picture: MakePicture, photos: Path
) -> None:
    picture("caf\udce9.png", "red")
    library.build([photos], TINY)
    assert names(page.run()) == ["caf\ufffd.png"]


def test_facts_are_in_words() -> None:
    photo = Photo(
        id=1,
        path=Path("a.jpg"),
        state=State.OFFLINE,
        size=999_400,
        mtime_ns=0,
        reason="gone",
        width=40,
        height=30,
        taken_at="2023-05-01T17:30:00",
        taken_offset_minutes=-210,
        latitude=-33.5,
        longitude=-70.25,
        altitude_m=520.4,
        rating=-1,
    )
    assert facts(photo) == {
        "Taken": "2023-05-01 17:30:00 -03:30",
        "Place": "33.50000° S, 70.25000° W, 520 m",
        "Rating": "rejected",
        "Dimensions": "40 \N{MULTIPLICATION SIGN} 30 pixels",
        "Size": "999.4 kB",
        "State": "offline: gone",
    }


@pytest.mark.parametrize(
    ("query", "complaint"),
    [
        ("red + ./red.png", "opens no files by their path"),
        ("red + https://example.org/red.png", "fetches no pictures from the web"),
    ],
)
def test_the_page_reads_no_files_and_no_urls(
    page: AppTest,
    library: Library,
    picture: MakePicture,
    photos: Path,
    query: str,
    complaint: str,
) -> None:
    picture("red.png", "red")
    library.build([photos], TINY)
    page.query_params["q"] = query
    page.run()
    assert complaint in said(page)
    assert names(page) == []


def test_the_page_takes_urls_where_it_is_told_to() -> None:
    check_sources(Query.parse("https://example.org/red.png"), takes_urls=True)
    with pytest.raises(QueryError, match="opens no files"):
        check_sources(Query.parse("https://example.org/red.png + /etc/x.jpg"), takes_urls=True)


def test_a_link_that_took_a_photos_place_is_not_followed_into_the_zip(
    library: Library, photos: Path, picture: MakePicture, tmp_path: Path
) -> None:
    picture("a.png")
    swapped = picture("b.png", "blue")
    library.build([photos])
    secret = tmp_path / "secret"
    secret.write_text("of somebody else")
    swapped.unlink()
    swapped.symlink_to(secret)
    answer = exporting.originals(library.photos())
    assert isinstance(answer, FileResponse)
    with zipfile.ZipFile(answer.path) as archive:
        assert set(archive.namelist()) == {"a.png", "missing.txt"}
        assert b"a link has taken its place" in archive.read("missing.txt")
    Path(answer.path).unlink()


def test_what_is_kept_of_a_question_has_none_of_its_picture(
    page: AppTest,
    library: Library,
    picture: MakePicture,
    photos: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked = picture("asked.png", "red", mark=9).read_bytes()
    (photos / "asked.png").unlink()
    for colour in ("red", "blue"):
        picture(f"{colour}.png", colour)
    library.build([photos], TINY)
    dropped = UploadedFile(UploadedFileRec("1", "asked.png", "image/png", asked), FileURLs())
    monkeypatch.setattr(bar, "_ask_picture", lambda: dropped)
    looked_at: list[Query] = []
    look = Library.seen

    def seen(library: Library, query: Query, **options: Any) -> Query:
        looked_at.append(query)
        return look(library, query, **options)

    monkeypatch.setattr(Library, "seen", seen)
    for q in ("", "blue", "- blue"):
        page.query_params["q"] = q
        page.run()
        assert set(names(page)) == {"red.png", "blue.png"}
    assert len(looked_at) == 1, "once, whatever else is asked with it"
    kept = list(questions._kept.values())[-3:]
    assert [question.upload for question in kept] == ["1"] * 3
    assert not any(isinstance(term.what, Picture) for each in kept for term in each.query.terms)
    again = questions.recall(kept[0].token)
    assert again is not None
    assert [photo["name"] for photo in again.ask(library, 1).photos] == ["red.png"]


def test_an_uploaded_picture_finds_itself_and_a_photo_of_the_library_only_others(
    page: AppTest,
    library: Library,
    picture: MakePicture,
    photos: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked = picture("red.png", "red").read_bytes()
    picture("blue.png", "blue")
    library.build([photos], TINY)
    page.query_params["q"] = f"photo:{library.search('red', 1)[0].photo_id}"
    assert names(page.run()) == ["blue.png"]
    del page.query_params["q"]
    dropped = UploadedFile(UploadedFileRec("1", "red.png", "image/png", asked), FileURLs())
    monkeypatch.setattr(bar, "_ask_picture", lambda: dropped)
    assert names(page.run()) == ["red.png", "blue.png"]


def test_a_question_that_is_asked_on_is_not_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(questions, "KEPT", 2)
    scrolled, left, new = (
        questions.keep(questions.Question(Query.text(words))) for words in ("a", "b", "c")
    )
    assert questions.recall(scrolled) is None
    assert questions.recall(left) is not None
    questions.keep(questions.Question(Query.text("d")))
    assert questions.recall(left) is not None
    assert questions.recall(new) is None


@pytest.mark.parametrize(
    ("message", "shown"),
    [
        ("no photo passes; ask for less", "No photo passes; ask for less"),
        ("/etc/passwd is a file", "/etc/passwd is a file"),
        ("red.jpg is no picture", "red.jpg is no picture"),
        ("file:///a is not there", "file:///a is not there"),
        ("", ""),
    ],
)
def test_a_message_begins_with_a_capital_but_a_path_as_it_is(message: str, shown: str) -> None:
    page = AppTest.from_function(show_error_of, args=(message,)).run()
    assert f">{shown}<" in said(page)


def show_error_of(message: str) -> None:
    from search_ui.literal import show_error

    show_error(message)


@pytest.mark.parametrize(
    ("folder", "roots", "shown"),
    [
        ("/home/ada/photos/2023/rome", ["/home/ada/photos"], "photos/2023/rome"),
        ("/home/ada/photos", ["/home/ada/photos", "/home/ada"], "photos"),
        ("/home/ada/photos2", ["/home/ada/photos"], "/home/ada/photos2"),
        ("/a/photos/x", ["/a/photos", "/b/photos"], "/a/photos/x"),
        ("/x", ["/"], "/x"),
    ],
)
def test_a_folder_is_listed_from_its_root_on(folder: str, roots: list[str], shown: str) -> None:
    assert shortened(folder, roots) == shown


def test_the_folder_filter_names_what_tells_folders_apart(
    page: AppTest, library: Library, picture: MakePicture, photos: Path
) -> None:
    (photos / "rome").mkdir()
    picture("rome/red.png", "red")
    picture("blue.png", "blue")
    library.build([photos], TINY)
    folders = next(box for box in page.run().sidebar.selectbox if box.label == "Folder")
    assert set(folders.options) == {f"{photos.name} (1)", f"{photos.name}/rome (1)"}


def test_no_land_reaches_round_the_world() -> None:
    drawing = (Path(app.__file__).parent / "gallery" / "world.svg").read_text()
    for outline in drawing.partition(' d="')[2].partition('"')[0].split("z"):
        steps = re.findall(r"l(-?[\d.]+),?(-?[\d.]+)", outline)
        level = all(abs(float(across)) < 90 for across, _ in steps)
        assert level or "l-360,0" in outline, "only along the edge below the South Pole"
