"""What a visitor does on any page, and where he looks."""

import base64

import pytest

pytest.importorskip("playwright", reason="needs Playwright: pip install playwright")
from playwright.sync_api import Locator, Page, expect

__all__ = [
    "ask",
    "drop",
    "first",
    "line",
    "names",
    "scroll_to_end",
    "selected",
    "settle",
    "tile",
    "visit",
]

expect.set_options(timeout=20_000)


def visit(page: Page, address: str) -> None:
    page.goto(address)
    expect(page.get_by_role("searchbox", name="Search")).to_be_visible()


def ask(page: Page, words: str) -> None:
    box = page.get_by_role("searchbox", name="Search")
    box.fill(words)
    box.press("Enter")


def names(page: Page) -> Locator:
    """The names below the pictures, in the order of the grid."""
    return page.locator(".gallery li .name")


def settle(page: Page) -> None:
    """Wait until the page is drawn: a list that opens before that may close again."""
    state = "data-test-script-state"
    expect(page.get_by_test_id("stApp")).to_have_attribute(state, "notRunning")


def line(page: Page) -> Locator:
    """What the page says of how many there are."""
    return page.locator(".glimpse-line").last


def tile(page: Page, name: str) -> Locator:
    """The photo of this name in the grid."""
    return page.locator(".gallery li").filter(has_text=name).first


def scroll_to_end(page: Page) -> None:
    """Turn the wheel until there is nothing more."""
    main = page.get_by_test_id("stMain")
    button = page.locator(".gallery .more")  # whatever it says: that it loads, or that it failed
    at_end = "main => main.scrollTop + main.clientHeight > main.scrollHeight - 5"
    box = page.viewport_size or {"width": 1280, "height": 800}
    page.mouse.move(box["width"] * 0.6, box["height"] / 2)
    while button.is_visible() or not main.evaluate(at_end):
        page.mouse.wheel(0, 1500)
        page.wait_for_timeout(50)


def selected(page: Page) -> Locator:
    """The bar of what to do with the photos that are selected."""
    return page.get_by_role("toolbar", name="Selected photos")


def first(page: Page) -> Locator:
    return names(page).first


def drop(
    page: Page, name: str, data: bytes, kind: str = "image/jpeg", place: Locator | None = None
) -> None:
    """Let a file fall, as from a desktop: on the place for pictures, unless on another."""
    transfer = page.evaluate_handle(
        """([name, text, type]) => {
            const bytes = Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
            const transfer = new DataTransfer();
            transfer.items.add(new File([bytes], name, { type }));
            return transfer;
        }""",
        [name, base64.b64encode(data).decode(), kind],
    )
    place = place or page.get_by_label("Search by a picture")
    for event in ("dragenter", "dragover", "drop"):
        place.dispatch_event(event, {"dataTransfer": transfer})
