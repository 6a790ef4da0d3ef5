"""`search --open` and `--sheet`: the results as one page."""

import os
import re
import shutil
import stat
from html import unescape
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote_to_bytes

import pytest

from indexer import Library
from indexer.contact_sheet import contact_sheet
from tests.conftest import MakePicture, Run


class Elements(HTMLParser):
    """The elements of a page, each with its attributes; raises for one that is not closed."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self._open: list[str] = []
        self.feed(text)
        assert self._open == []

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attributes)))
        if tag not in ("meta", "img", "br"):
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def all(self, tag: str, attribute: str) -> list[str]:
        return [
            str(each[attribute]) for name, each in self.found if name == tag if attribute in each
        ]


@pytest.fixture
def built(library: Library, photos: Path, picture: MakePicture) -> Library:
    for mark, colour in enumerate(("red", "green", "blue")):
        picture(f"{colour}.png", colour, mark=mark)
    library.build([photos])
    return library


def sheet_of(library: Library, query: str = "red", k: int = 20) -> str:
    return contact_sheet(library.search(query, k), library.thumbnail)


def test_a_sheet_holds_the_pictures_best_first_and_leads_to_the_originals(
    built: Library, photos: Path
) -> None:
    page = Elements(sheet_of(built))
    links = page.all("a", "href")
    assert links[0] == (photos / "red.png").as_uri()
    assert len(links) == len(page.all("img", "src")) == 3
    assert all(each.startswith("data:image/jpeg;base64,/9j/") for each in page.all("img", "src"))


def test_a_sheet_asks_nothing_of_the_network_and_runs_nothing(built: Library) -> None:
    text = sheet_of(built)
    (policy,) = re.findall(r'Content-Security-Policy" content="([^"]*)"', text)
    assert policy.startswith("default-src 'none'; img-src data:; style-src 'sha256-")
    page = Elements(text)
    assert not {tag for tag, _ in page.found} & {"script", "link", "iframe", "form", "object"}
    assert not any("style" in each or "onclick" in each for _, each in page.found)


def test_names_and_queries_are_text_whatever_is_in_them(
    built: Library, photos: Path, picture: MakePicture
) -> None:
    odd = os.path.join(os.fsencode(photos), b"<img src=x>\xe9\xe2\x80\xae&gpj.png")
    picture("a.png", "yellow").rename(os.fsdecode(odd))
    built.build()
    text = sheet_of(built, 'yellow + "</title><script>"', 1)
    assert "<script>" not in text
    assert "&lt;/title&gt;&lt;script&gt;" in text.partition("</title>")[0]
    assert "&lt;img src=x&gt;\\xe9\\u202e&amp;gpj.png" in text
    assert "\u202e" not in text
    text.encode()  # no surrogates
    (link,) = Elements(text).all("a", "href")
    assert unquote_to_bytes(unescape(link)) == b"file://" + odd


def test_a_photo_that_is_gone_is_named_with_the_reason(built: Library, photos: Path) -> None:
    (photos / "red.png").unlink()
    shutil.rmtree(built.folder / "thumbnails")  # else it is shown by what the build made of it
    text = sheet_of(built)
    assert "(not shown: no longer there)" in text
    assert len(Elements(text).all("img", "src")) == 2


def test_pictures_keep_their_shapes(built: Library) -> None:
    assert re.search(r"\.s133 \{ --shape: 1\.33; \}", sheet_of(built))


def test_a_sheet_stays_small_enough_to_be_opened(
    built: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("indexer.contact_sheet.BUDGET", 10)
    text = sheet_of(built)
    page = Elements(text)
    assert (len(page.all("img", "src")), len(page.all("a", "href"))) == (1, 3)
    assert "The first 1 are shown, the others named" in text


def test_the_command_writes_a_sheet_where_it_is_told(
    built: Library, glimpse: Run, tmp_path: Path
) -> None:
    ran = glimpse("search", "red", "--sheet", "sheet.html")
    assert (ran.returncode, ran.stderr, len(ran.stdout.splitlines())) == (0, b"", 3)
    assert len(Elements((tmp_path / "sheet.html").read_text()).all("img", "src")) == 3


def test_the_command_opens_a_sheet_that_nobody_else_can_read(
    built: Library, glimpse: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    browser = tmp_path / "browser"
    browser.write_text(f'#!/bin/sh\nprintf %s "$1" > "{tmp_path}/opened"\n')
    browser.chmod(0o755)
    monkeypatch.setenv("BROWSER", f"{browser} %s")
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    assert glimpse("search", "red", "--open").returncode == 0
    sheet = Path((tmp_path / "opened").read_text().removeprefix("file://"))
    assert stat.S_IMODE(sheet.parent.stat().st_mode) == 0o700
    assert len(Elements(sheet.read_text()).all("img", "src")) == 3


def test_a_sheet_that_cannot_be_written_is_one_line(built: Library, glimpse: Run) -> None:
    ran = glimpse("search", "red", "--sheet", "missing/sheet.html")
    assert (ran.returncode, ran.stdout, ran.stderr.count(b"\n")) == (2, b"", 1)


def test_a_sheet_is_not_written_over_what_is_no_page(built: Library, glimpse: Run) -> None:
    photo = built.browse(1)[0].path
    before = photo.read_bytes()
    for taken in (photo, built.folder / "catalog.sqlite"):
        ran = glimpse("search", "red", "--sheet", taken)
        assert (ran.returncode, ran.stdout) == (2, b"")
        assert b"is there already and is no page" in ran.stderr
    assert photo.read_bytes() == before
