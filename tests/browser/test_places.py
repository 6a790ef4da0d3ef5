"""A page that is not to tell where photos were taken."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.browser.conftest import Gallery, serving

pytest.importorskip("playwright", reason="needs Playwright: pip install playwright")
from playwright.sync_api import Page, expect

from tests.browser.visiting import first, line, names, visit

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def url(gallery: Gallery, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder: Path = tmp_path_factory.mktemp("quiet")
    (folder / "quiet.toml").write_text("[ui]\nplaces = false\n")
    options = ("--config", str(folder / "quiet.toml"))
    with serving(gallery.library, folder / "log", *options) as url:
        yield url


def test_a_photo_that_has_a_place_does_not_show_it(page: Page, url: str) -> None:
    visit(page, f"{url}/?path=noted.jpg")
    expect(first(page)).to_have_text("noted.jpg")
    page.get_by_role("button", name="Open noted.jpg").click()
    view = page.get_by_role("dialog", name="noted.jpg")
    expect(view.get_by_text("A lens")).to_be_visible()
    expect(view.get_by_text("Place")).to_have_count(0)
    expect(view.get_by_role("link", name="Open in OpenStreetMap")).to_have_count(0)


def test_no_address_finds_out_where_it_was(page: Page, url: str) -> None:
    visit(page, url)
    expect(line(page)).to_contain_text("photos, the newest first")
    all_of_them = line(page).inner_text()
    visit(page, f"{url}/?near=80,10,1")
    expect(names(page).first).to_be_visible()
    expect(line(page)).to_have_text(all_of_them)
    expect(page.get_by_role("textbox", name="Near a place")).to_have_count(0)
