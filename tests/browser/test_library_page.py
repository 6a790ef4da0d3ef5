"""The library's page: what it holds, and bringing it up to date from the page."""

import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from indexer import BuildOptions, Config, Library
from storage.catalog import Catalog
from storage.records import FileRecord, Signature
from tests.browser.conftest import EXAMPLES, serving

pytest.importorskip("playwright", reason="needs Playwright: pip install playwright")
from playwright.sync_api import Page, expect

from tests.browser.accessibility import serious

pytestmark = pytest.mark.browser
expect.set_options(timeout=20_000)
MARKUP = "![x](y) <b>q.jpg"


@dataclass(frozen=True, slots=True)
class Shelf:
    """Folders of photos, one of which is on a drive that is not there, and their library's page."""

    photos: Path
    library: Path
    url: str


@pytest.fixture(scope="module")
def shelf(template: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shelf]:
    home = tmp_path_factory.mktemp("shelf")
    photos, away = home / "photos", home / "away"
    shutil.copytree(EXAMPLES / "animals", photos)
    (photos / MARKUP).write_bytes(b"no picture")
    shutil.copytree(EXAMPLES / "food", away)
    shutil.copytree(template, home / "library")
    with Library.open(home / "library", config=Config()) as library:
        library.build([photos, away])
        library.build([], BuildOptions(model="tiny:blind"))
        away.rename(home / "unplugged")
        library.build()
    with serving(home / "library", home / "log") as url:
        yield Shelf(photos, home / "library", f"{url}/library")


@pytest.fixture
def url(shelf: Shelf) -> str:
    return shelf.url.removesuffix("/library")


@pytest.fixture
def tab(page: Page, shelf: Shelf) -> Page:
    page.goto(shelf.url)
    expect(page.get_by_role("heading", name="Library", exact=True)).to_be_visible()
    expect(page.get_by_role("heading", name="Skipped files")).to_be_visible()
    return page


def ended(tab: Page, says: str) -> None:
    """Wait until the task says how it ended."""
    expect(tab.locator(".st-key-job").get_by_text(re.compile(says))).to_be_visible(timeout=60_000)


def test_folders_spaces_and_skipped_files_are_told(tab: Page, shelf: Shelf) -> None:
    folder = tab.locator(".st-key-root-1")
    expect(folder).to_contain_text(str(shelf.photos))
    expect(folder).to_contain_text("1 skipped")
    expect(tab.locator(".st-key-root-0")).to_contain_text("cannot be reached (is not there)")
    expect(tab.locator(".st-key-space-tiny")).to_contain_text("words and pictures · 24 vectors")
    expect(tab.locator("dl")).to_contain_text(re.compile(r"3offline"))
    expect(tab.locator("dl")).to_contain_text(re.compile(r"[kM]Bon disk"))


def test_a_space_becomes_the_default(tab: Page, shelf: Shelf) -> None:
    expect(tab.locator(".st-key-space-tiny")).to_contain_text("default")
    tab.get_by_role("button", name="Make default").click()
    expect(tab.locator(".st-key-space-tiny-blind .glimpse-mark")).to_have_text("default")
    with Library.open(shelf.library, config=Config()) as library:
        assert library.space().name == "tiny-blind"
        library.use("tiny")


def test_a_folder_is_added_and_built_with_live_progress(tab: Page, tmp_path: Path) -> None:
    shutil.copytree(EXAMPLES / "birds", tmp_path / "birds")
    tab.get_by_role("textbox", name="Add a folder").fill(str(tmp_path / "birds"))
    tab.get_by_role("button", name="Add", exact=True).click()
    expect(tab.get_by_role("progressbar", name=f"Adding {tmp_path / 'birds'}")).to_be_visible()
    ended(tab, r"^7 embedded in \d")
    expect(tab.get_by_text(str(tmp_path / "birds"), exact=True)).to_be_visible()
    expect(tab.get_by_role("progressbar")).to_have_count(0)


def test_a_folder_that_is_not_there_is_one_line(tab: Page) -> None:
    tab.get_by_role("textbox", name="Add a folder").fill("/nowhere/![x](y)")
    tab.keyboard.press("Enter")
    error = tab.get_by_role("alert")
    expect(error).to_have_text("/nowhere/![x](y) is not there; name a folder with pictures")


def test_a_question_waits_through_a_reload_and_is_answered(tab: Page, shelf: Shelf) -> None:
    gone = shelf.photos.with_name("gone")
    gone.mkdir()
    for photo in sorted(shelf.photos.glob("*.jpg"))[:15]:
        photo.rename(gone / photo.name)
    tab.get_by_role("button", name="Update all").click()
    asked = re.compile(r"^15 of the \d+ photos known under .* are gone\. Forget them\?$")
    expect(tab.get_by_text(asked)).to_be_visible(timeout=60_000)
    tab.reload()
    expect(tab.get_by_text(asked)).to_be_visible()
    expect(tab.get_by_role("button", name="Update all")).to_be_disabled()
    tab.get_by_role("button", name="Stop").click()
    ended(tab, "^Stopped; what was finished is kept")
    tab.get_by_role("button", name="Update all").click()
    tab.get_by_role("button", name="Forget them").click(timeout=60_000)
    ended(tab, "15 removed")


def test_ten_thousand_skipped_files_are_searched_at_once(shelf: Shelf, tab: Page) -> None:
    catalog = Catalog.open(shelf.library)
    with catalog.writer(), catalog.batch() as batch:
        root = batch.add_root(b"/many")
        for number in range(10_000):
            name, seen = b"%05d.jpg" % number, Signature(1, 1, 1, 1)
            reason = "the picture is truncated" if number % 2 else "no picture"
            batch.put_files([FileRecord(root, b"", name, seen, 1, None, reason)], [])
    catalog.close()
    tab.reload()
    expect(tab.get_by_text(re.compile(r"^10,\d{3} of 10,\d{3} files$"))).to_be_visible()
    expect(tab.get_by_text(re.compile(r"^Most often: no picture \(5,000\)"))).to_be_visible()
    box = tab.get_by_role("searchbox", name="Search in paths and reasons")
    box.fill("04321.jpg")
    box.press("Enter")
    expect(tab.get_by_text(re.compile(r"^1 of 10,\d{3} files$"))).to_be_visible(timeout=10_000)
    table = tab.get_by_test_id("stDataFrame")
    table.scroll_into_view_if_needed()
    expect(table.locator("td", has_text="the picture is truncated").first).to_be_attached()


def test_all_photos_are_tagged_by_a_list(tab: Page) -> None:
    tab.get_by_role("textbox", name="Labels to look for").fill("red\nblue\ngreen")
    tab.keyboard.press("Control+Enter")
    tab.get_by_role("button", name="Tag all photos").click()
    ended(tab, r"tags on \d+ photos, of 3 labels$")
    expect(tab.locator(".glimpse-chips li").first).to_have_text(re.compile(r"red|blue|green"))


def test_it_fits_a_phone(shelf: Shelf, tab: Page) -> None:
    tab.set_viewport_size({"width": 390, "height": 844})
    tab.reload()
    expect(tab.get_by_role("heading", name="Spaces")).to_be_visible()
    assert tab.evaluate("document.documentElement.scrollWidth") <= 390


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_serious(tab: Page, scheme: str) -> None:
    assert serious(tab, scheme) == []
