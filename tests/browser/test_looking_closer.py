"""A photo that is looked at closely, turned with a finger, and taken away."""

import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image

from indexer import Config, Library
from tests.browser.conftest import EXAMPLES, serving

pytest.importorskip("playwright", reason="needs Playwright: pip install playwright")
from playwright.sync_api import Locator, Page, expect

from tests.browser.visiting import visit

pytestmark = pytest.mark.browser
LARGE = "größe.jpg"


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("closer") / "photos"
    shutil.copytree(EXAMPLES / "food", folder)
    with Image.open(EXAMPLES / "birds" / "owl.jpg") as image:
        image.resize((2400, 1600)).save(folder / LARGE)
    return folder


@pytest.fixture(scope="module")
def url(template: Path, photos: Path) -> Iterator[str]:
    library = shutil.copytree(template, photos.with_name("library"))
    with Library.open(library, config=Config()) as opened:
        opened.build([photos])
    with serving(library, photos.with_name("log")) as url:
        yield url


@pytest.fixture
def dialog(page: Page, url: str) -> Locator:
    visit(page, f"{url}/?path={LARGE}")
    page.get_by_role("button", name=f"Open {LARGE}").click()
    dialog = page.get_by_role("dialog")
    expect(dialog.locator("dl")).to_contain_text("pixels")
    return dialog


def width(dialog: Locator) -> float:
    box = dialog.get_by_role("img", name=LARGE).bounding_box()
    assert box is not None
    return box["width"]


def middle(dialog: Locator) -> tuple[float, float]:
    box = dialog.locator(".stage").bounding_box()
    assert box is not None
    return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2


def test_the_wheel_brings_what_is_under_the_pointer_closer(page: Page, dialog: Locator) -> None:
    whole = width(dialog)
    picture = dialog.get_by_role("img", name=LARGE)
    x, y = middle(dialog)
    before = picture.bounding_box()
    assert before is not None
    page.mouse.move(x - 100, y)
    for _ in range(4):
        page.mouse.wheel(0, -100)
    expect(dialog.locator(".stage")).to_have_class(re.compile("zoomed"))
    after = picture.bounding_box()
    assert after is not None
    share = (x - 100 - before["x"]) / before["width"]
    assert (x - 100 - after["x"]) / after["width"] == pytest.approx(share, abs=0.01)
    assert after["width"] == pytest.approx(whole * 1.3**4, rel=0.01)
    expect(picture).to_have_js_property("naturalWidth", 2400)  # more of it than fills a window
    page.mouse.wheel(0, 5000)
    for _ in range(5):
        page.mouse.wheel(0, 100)
    assert width(dialog) == pytest.approx(whole)


def test_keys_a_button_and_a_double_click_do_so_too(page: Page, dialog: Locator) -> None:
    whole = width(dialog)
    page.keyboard.press("+")
    assert width(dialog) == pytest.approx(1.3 * whole)
    page.keyboard.press("0")
    assert width(dialog) == pytest.approx(whole)
    dialog.get_by_role("button", name="Closer").click()
    assert width(dialog) == pytest.approx(2.5 * whole)
    dialog.get_by_role("button", name="The whole picture").click()
    assert width(dialog) == pytest.approx(whole)
    page.mouse.dblclick(*middle(dialog))
    assert width(dialog) == pytest.approx(2.5 * whole)
    dialog.get_by_role("button", name="Search this region").click()
    assert width(dialog) == pytest.approx(whole)
    page.mouse.dblclick(*middle(dialog))  # which draws now
    assert width(dialog) == pytest.approx(whole)


def test_what_is_closer_is_dragged_as_far_as_its_edge(page: Page, dialog: Locator) -> None:
    x, y = middle(dialog)
    page.mouse.dblclick(x, y)
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x + 5000, y + 20, steps=3)
    page.mouse.up()
    stage, picture = (
        place.bounding_box()
        for place in (dialog.locator(".stage"), dialog.get_by_role("img", name=LARGE))
    )
    assert stage is not None
    assert picture is not None
    assert picture["x"] == pytest.approx(stage["x"], abs=1)


def test_a_finger_turns_and_two_bring_closer(page: Page, dialog: Locator) -> None:
    whole = width(dialog)
    x, y = middle(dialog)
    fingers = page.context.new_cdp_session(page)
    fingers.send("Emulation.setTouchEmulationEnabled", {"enabled": True, "maxTouchPoints": 2})

    def touch(kind: str, *places: float) -> None:
        points = [{"x": place, "y": y, "id": number} for number, place in enumerate(places)]
        fingers.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})

    touch("touchStart", x - 50, x + 50)
    touch("touchMove", x - 100, x + 50)
    touch("touchMove", x - 100, x + 100)
    touch("touchEnd")
    assert width(dialog) == pytest.approx(2 * whole, rel=0.02)
    expect(dialog.get_by_role("heading")).to_have_text(LARGE)
    page.keyboard.press("0")
    page.goto(re.sub(r"path=[^&]*&?", "", page.url))  # among others
    expect(dialog.get_by_role("button", name="Next")).to_be_enabled()
    touch("touchStart", x)
    touch("touchMove", x - 60)
    touch("touchMove", x - 150)
    touch("touchEnd")
    expect(dialog.get_by_role("heading")).not_to_have_text(LARGE)


def test_a_photo_is_taken_away_by_its_own_name(
    page: Page, dialog: Locator, photos: Path, tmp_path: Path
) -> None:
    with page.expect_download() as download:
        dialog.get_by_role("link", name="Download").click()
    assert download.value.suggested_filename == LARGE
    download.value.save_as(tmp_path / "it")
    assert (tmp_path / "it").read_bytes() == (photos / LARGE).read_bytes()
    address = dialog.get_by_role("link", name="Download").get_attribute("href") or ""
    (photos / LARGE).rename(photos / "away")
    try:
        refused = page.request.get(page.url.split("?")[0].rstrip("/") + address)
    finally:
        (photos / "away").rename(photos / LARGE)
    assert (refused.status, refused.text()) == (404, f"{LARGE}: it is not there")
