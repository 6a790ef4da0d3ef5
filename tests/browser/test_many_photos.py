"""Thousands of results, and photos that are too large to take away at once."""

import sqlite3
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import anyio
import pytest
from starlette.types import Message

from benchmarks.large import make_library
from search_ui.pictures import ROUTE
from tests.browser.conftest import EXAMPLES, serving

pytest.importorskip("playwright", reason="needs Playwright: pip install playwright")
from playwright.sync_api import BrowserContext, Page, expect

from tests.browser.visiting import first, scroll_to_end, selected, tile, visit

pytestmark = pytest.mark.browser

PHOTOS = 3000
HUGE = "00000007.jpg"


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The page of a library of thousands of photos, of which one takes 3 GB as far as the catalog knows."""
    folder = tmp_path_factory.mktemp("many")
    library = make_library(folder, PHOTOS, EXAMPLES / "birds", model="tiny")
    with closing(sqlite3.connect(library / "catalog.sqlite")) as database, database:
        database.execute("UPDATE photos SET size = 3000000000 WHERE name = ?", (HUGE.encode(),))
    with serving(library, folder / "log") as url:
        yield url


@pytest.fixture
def visitor(context: BrowserContext) -> Iterator[Page]:
    page = context.new_page()
    faults: list[str] = []
    page.on("pageerror", lambda error: faults.append(str(error)))
    yield page
    page.close()
    assert faults == []


def test_thousands_of_results_are_scrolled_through_with_few_tiles_in_the_page(
    visitor: Page, many: str
) -> None:
    visit(visitor, f"{many}/?q=red")
    expect(first(visitor)).to_be_visible()
    tiles = visitor.locator(".gallery > ul")
    tiles.evaluate(
        """list => {
            window.most = 0;
            new MutationObserver(() => (window.most = Math.max(window.most, list.childElementCount)))
                .observe(list, { childList: true });
        }"""
    )
    scroll_to_end(visitor)
    last = visitor.locator(".gallery li").last
    size = last.get_attribute("aria-setsize")
    assert int(size or 0) > PHOTOS
    expect(last).to_have_attribute("aria-posinset", size or "")
    expect(last.locator("img")).to_have_js_property("complete", True)
    assert visitor.evaluate("window.most") < 120


def test_pictures_that_are_scrolled_past_are_no_longer_waited_for(visitor: Page, many: str) -> None:
    visitor.route("**/photos/*/320?*", lambda _: None)  # the server takes its time
    visit(visitor, f"{many}/?q=red")
    expect(first(visitor)).to_be_visible()
    passed = visitor.locator(".gallery li img").first.get_attribute("src") or "none"
    with visitor.expect_event("requestfailed", lambda request: passed in request.url):
        visitor.get_by_test_id("stMain").evaluate("main => main.scrollTo(0, 10000)")


def test_whoever_signed_out_elsewhere_is_led_to_the_door_by_scrolling_on(
    visitor: Page, many: str
) -> None:
    visit(visitor, f"{many}/?q=red")
    expect(first(visitor)).to_be_visible()
    visitor.route("**/results/**", lambda route: route.fulfill(status=401))
    with visitor.expect_event("load"):
        main = visitor.get_by_test_id("stMain")
        main.evaluate("main => main.scrollTo(0, main.scrollHeight)")


def test_a_picture_that_nobody_waits_for_any_more_is_not_made() -> None:
    sent: list[Message] = []

    async def receive() -> Message:
        return {"type": "http.disconnect"}

    async def send(message: Message) -> None:
        sent.append(message)

    path = {"photo_id": 1, "edge": 320}
    scope = {"type": "http", "method": "GET", "path": "/", "headers": [], "path_params": path}
    with ThreadPoolExecutor(1) as elsewhere:  # Playwright's own loop runs in this thread
        elsewhere.submit(anyio.run, ROUTE.app, scope, receive, send).result()
    assert sent[0]["status"] == 499


def test_too_much_for_one_zip_is_refused_by_the_page_and_by_the_server(
    visitor: Page, many: str
) -> None:
    visit(visitor, f"{many}/?path={HUGE}")
    picture = tile(visitor, HUGE)
    picture.get_by_role("checkbox").check()
    bar = selected(visitor)
    expect(bar.get_by_text("A ZIP holds at most 2.0 GB; these are 3.0 GB")).to_be_visible()
    expect(bar.get_by_role("link", name="ZIP")).to_be_hidden()
    expect(bar.get_by_role("link", name="Paths")).to_be_visible()
    photo_id = (picture.locator("img").get_attribute("src") or "").split("/")[2]
    refused = visitor.request.get(f"{many}/export/photos.zip?ids={photo_id}")
    assert (refused.status, refused.text()) == (
        413,
        "3000000000 bytes are too many for one ZIP; select fewer photos",
    )
