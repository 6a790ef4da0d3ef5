"""The map: looking around, opening a photo, choosing a region and searching in it."""

import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from indexer import BuildOptions, Config, Library
from tests.browser.conftest import EXAMPLES, serving

pytest.importorskip("playwright", reason="needs Playwright: pip install playwright")
from playwright.sync_api import Locator, Page, expect

from tests.browser.accessibility import serious

pytestmark = pytest.mark.browser
expect.set_options(timeout=20_000)
LABEL = "![x](y) <b>"


@pytest.fixture(scope="module")
def charted(tmp_path_factory: pytest.TempPathFactory, prepared_starter: Path) -> Path:
    """A library with two tags, one of which tries to be more than a word."""
    home = tmp_path_factory.mktemp("charted")
    shutil.copytree(prepared_starter, home / "library" / "models")
    for kind in ("animals", "buildings", "landscapes", "plants"):
        shutil.copytree(EXAMPLES / kind, home / "photos" / kind)
    with Library.open(home / "library", create=True, config=Config()) as library:
        library.build([home / "photos"], BuildOptions(model="starter"))
        ids = {
            kind: [p.id for p in library.photos() if kind in str(p.path)] for kind in ("animals",)
        }
        library.add_tag(ids["animals"], LABEL)
    return home / "library"


@pytest.fixture(scope="module")
def url(charted: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with serving(charted, tmp_path_factory.mktemp("map") / "log") as url:
        yield url


@pytest.fixture
def tab(page: Page, url: str) -> Page:
    page.goto(f"{url}/map")
    expect(canvas(page)).to_be_visible(timeout=120_000)  # it is drawn when it is first asked for
    page.wait_for_timeout(300)
    return page


def canvas(tab: Page) -> Locator:
    return tab.get_by_role("application", name=re.compile(r"^Map of \d+ photos"))


def pixels(tab: Page) -> str:
    """What the canvas shows."""
    return str(canvas(tab).evaluate("canvas => canvas.toDataURL()"))


def lasso(tab: Page, left: float, top: float, right: float, bottom: float) -> None:
    """Draw around a part of the canvas, in fractions of it."""
    box = canvas(tab).bounding_box()
    assert box
    across, down = box["width"], box["height"]
    corners = [(left, top), (right, top), (right, bottom), (left, bottom)]
    places = [(box["x"] + x * across, box["y"] + y * down) for x, y in corners]
    tab.mouse.move(*places[0])
    tab.mouse.down()
    for place in places[1:]:
        tab.mouse.move(*place, steps=4)
    tab.mouse.up()


def test_the_map_is_drawn_aside_and_names_are_only_names(tab: Page) -> None:
    cluster = tab.get_by_role("button", name=LABEL)
    expect(cluster.first).to_be_visible()
    expect(tab.locator(".clusters b")).to_have_count(0)
    assert tab.get_by_role("listitem").count() >= 2


def test_a_cluster_is_chosen_by_the_keyboard_and_searched(tab: Page, url: str) -> None:
    cluster = tab.locator(".clusters button").first
    count = cluster.locator("span").inner_text()
    cluster.press("Enter")
    expect(tab.get_by_text(f"{count} photos chosen")).to_be_visible()
    expect(cluster).to_have_attribute("aria-pressed", "true")
    expect(tab.get_by_role("button", name=re.compile("^Open ")).first).to_be_visible()
    tab.reload()
    expect(tab.get_by_text(f"{count} photos chosen")).to_be_visible()
    tab.get_by_role("button", name="Search among these").click()
    expect(tab).to_have_url(re.compile(rf"^{url}/\?only=\d"))
    expect(tab.get_by_text(re.compile(rf"^{count} photos"))).to_be_visible()


def test_a_region_is_drawn_around_and_cleared(tab: Page) -> None:
    tab.get_by_role("button", name="Draw around photos").click()
    lasso(tab, 0.01, 0.01, 0.5, 0.99)
    expect(tab.get_by_text(re.compile(r"^\d+ photos chosen$"))).to_be_visible()
    expect(tab).to_have_url(re.compile(r"/map\?only=\d"))
    half = int(tab.get_by_text(re.compile(r"^\d+ photos chosen$")).inner_text().split()[0])
    lasso(tab, 0.01, 0.01, 0.99, 0.99)
    expect(tab.get_by_text(f"{half} photos chosen")).to_have_count(0)
    tab.get_by_role("button", name="Clear").click()
    expect(tab.get_by_text(re.compile("photos chosen"))).to_have_count(0)


def test_wheel_keys_and_buttons_move_the_map(tab: Page) -> None:
    canvas(tab).focus()
    whole = pixels(tab)
    for move in ("+", "ArrowLeft", "-"):
        tab.keyboard.press(move)
        tab.wait_for_timeout(150)
        now = pixels(tab)
        assert now != whole
    tab.get_by_role("button", name="Whole map").click()
    tab.wait_for_timeout(1500)  # pictures come
    at_rest = pixels(tab)
    canvas(tab).hover()
    tab.mouse.wheel(0, -300)
    tab.wait_for_timeout(150)
    assert pixels(tab) != at_rest


def test_a_photo_under_the_pointer_is_shown_and_opens(tab: Page) -> None:
    box = canvas(tab).bounding_box()
    assert box
    hint = tab.locator(".hint")
    for step in range(40):  # along the middle, until there is one
        tab.mouse.move(box["x"] + box["width"] * step / 40, box["y"] + box["height"] / 2)
        if hint.is_visible():
            break
    expect(hint).to_be_visible()
    name = hint.locator("bdi").inner_text()
    tab.mouse.down()
    tab.mouse.up()
    expect(tab.get_by_role("dialog")).to_contain_text(name)
    expect(tab).to_have_url(re.compile(r"photo=\d+"))


def test_it_fits_a_phone(tab: Page) -> None:
    tab.set_viewport_size({"width": 390, "height": 844})
    tab.reload()
    expect(canvas(tab)).to_be_visible()
    assert tab.evaluate("document.documentElement.scrollWidth") <= 390


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_serious(tab: Page, scheme: str) -> None:
    tab.locator(".clusters button").first.click()
    expect(tab.get_by_role("button", name="Search among these")).to_be_visible()
    assert serious(tab, scheme) == []
