"""The chips above the grid, the filters at its side, a pasted picture; and whether everybody can use them."""

import base64
import re

import pytest

from tests.browser.conftest import EXAMPLES, Gallery

pytest.importorskip("playwright", reason="needs Playwright: pip install playwright")
from playwright.sync_api import Page, expect

from tests.browser.visiting import drop, first, line, names, selected, settle, tile, visit

pytestmark = pytest.mark.browser


def test_weights_are_turned_and_parts_removed_by_chips(page: Page, url: str) -> None:
    visit(page, f"{url}/?q=bird %2B snow")
    page.get_by_role("button", name="More of snow").click()
    expect(page).to_have_url(re.compile(r"q=bird\+%2B\+1\.5%3Asnow$"))
    for words in ("0.5:bird + 1.5:snow", "- 0.5:bird + 1.5:snow"):
        page.get_by_role("button", name="Less of bird").click()
        expect(page.get_by_role("searchbox", name="Search")).to_have_value(words)
    page.get_by_role("button", name="Remove bird").click()
    expect(page.get_by_role("searchbox", name="Search")).to_have_value("1.5:snow")


def test_a_choice_at_the_side_narrows_and_its_chip_widens(page: Page, url: str) -> None:
    visit(page, url)
    side = page.get_by_test_id("stSidebar")
    expect(first(page)).to_be_visible()
    settle(page)
    side.get_by_role("combobox", name="Format").click()
    page.get_by_role("option", name=re.compile(r"^HEIF \(\d+\)|^HEIC \(\d+\)")).click()
    expect(page).to_have_url(re.compile("format=HEI"))
    expect(names(page)).to_have_count(1)
    expect(first(page)).to_have_text("camels.heic")
    page.get_by_role("button", name=re.compile("Remove HEI")).click()
    expect(page).to_have_url(re.compile(f"{url}/?$"))
    expect(first(page)).not_to_have_text("camels.heic")


def test_dates_places_stars_and_texts_are_filters(page: Page, url: str) -> None:
    for filter in ("after=2023-05-01", "near=-33.9,151.2,20", "min_rating=4", "path=NOTED"):
        visit(page, f"{url}/?{filter}")
        expect(line(page)).to_have_text("1 photo, the newest first")
        expect(first(page)).to_have_text("noted.jpg")
    visit(page, f"{url}/?before=2023&format=TIFF&q=owl")
    expect(page.get_by_text("no photo passes", exact=False)).to_be_visible()
    page.get_by_role("button", name="Clear the filters").click()
    expect(first(page)).to_have_text("owl.jpg")


def test_a_filter_that_makes_no_sense_is_refused_in_one_line(page: Page, url: str) -> None:
    visit(page, f"{url}/?min_size=huge&near=9,9")  # of an address: passed over
    expect(line(page)).to_contain_text("the newest first")
    box = page.get_by_role("textbox", name="Near a place")
    box.fill("the sea")
    box.press("Enter")
    expect(page.get_by_role("alert")).to_contain_text("'the sea' is not")
    box.fill("-33.9, 151.2, 20")
    box.press("Enter")
    expect(first(page)).to_have_text("noted.jpg")
    expect(page.get_by_role("alert")).to_have_count(0)


def test_tags_are_added_filtered_by_and_removed(page: Page, url: str) -> None:
    visit(page, f"{url}/?q=bird")
    for name in ("owl.jpg", "swans.avif"):
        tile(page, name).get_by_role("checkbox").check()
    selected(page).get_by_role("textbox", name="Tag").fill("*my* <b>favourites</b>")
    page.keyboard.press("Enter")
    expect(page.get_by_text("2 photos have the tag *my* <b>favourites</b> now")).to_be_visible()
    choose(page, "With all these tags", "*my* <b>favourites</b> (2)")
    expect(names(page)).to_have_count(2)
    page.keyboard.press("Escape")
    page.get_by_role("button", name="Open owl.jpg").click()
    page.get_by_role("button", name="Remove the tag *my* <b>favourites</b>").click()
    expect(page.get_by_role("button", name="Remove the tag")).to_have_count(0)
    page.keyboard.press("Escape")
    expect(names(page)).to_have_count(1)


def test_a_picture_is_pasted(page: Page, url: str) -> None:
    visit(page, url)
    expect(first(page)).to_be_visible()  # the gallery is what takes it
    data = base64.b64encode((EXAMPLES / "animals" / "grey-cat.jpg").read_bytes()).decode()
    page.evaluate(
        """(text) => {
            const bytes = Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
            const transfer = new DataTransfer();
            transfer.items.add(new File([bytes], "image.png", { type: "image/jpeg" }));
            const options = { clipboardData: transfer, bubbles: true, cancelable: true };
            document.body.dispatchEvent(new ClipboardEvent("paste", options));
        }""",
        data,
    )
    expect(first(page)).to_have_text("grey-cat.jpg")
    page.get_by_role("button", name="Remove Pasted picture.jpg").click()
    expect(line(page)).to_contain_text("the newest first")


def test_a_picture_that_falls_anywhere_on_the_page_is_taken(page: Page, url: str) -> None:
    visit(page, url)
    expect(first(page)).to_be_visible()
    data = (EXAMPLES / "animals" / "grey-cat.jpg").read_bytes()
    drop(page, "anywhere.jpg", data, place=page.locator(".gallery li").nth(2))
    expect(first(page)).to_have_text("grey-cat.jpg")
    page.get_by_role("button", name="Remove anywhere.jpg").click()
    expect(line(page)).to_contain_text("the newest first")


def test_filters_open_on_a_phone(page: Page, url: str) -> None:
    page.set_viewport_size({"width": 390, "height": 844})
    visit(page, f"{url}/?q=owl")
    side = page.get_by_test_id("stSidebar")
    expect(side.get_by_role("textbox", name="Text in the path")).not_to_be_in_viewport()
    page.get_by_test_id("stExpandSidebarButton").click()
    box = side.get_by_role("textbox", name="Text in the path")
    box.fill("kookaburra")
    box.press("Enter")
    expect(first(page)).to_have_text("kookaburra.jpg")
    side.get_by_test_id("stSidebarCollapseButton").get_by_role("button").click()
    expect(box).not_to_be_in_viewport()


@pytest.mark.parametrize("width", [1280, 390])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_serious(
    page: Page, url: str, width: int, scheme: str, gallery: Gallery
) -> None:
    pytest.importorskip("axe_playwright_python", reason="needs axe-playwright-python")
    page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
    page.set_viewport_size({"width": width, "height": 844})
    visit(page, f"{url}/?q=boat - 0.5:penguin&orientation=landscape")
    tile(page, "noted.jpg").get_by_role("checkbox").check()
    expect(selected(page)).to_be_visible()
    assert serious(page) == []
    page.get_by_role("button", name="Open noted.jpg").click()
    expect(page.get_by_role("dialog").locator("dl")).to_be_visible()
    page.get_by_role("button", name="Search this region").click()
    assert serious(page) == []


def choose(page: Page, label: str, option: str) -> None:
    """Pick from a list at the side, which closes when the side scrolls."""
    settle(page)
    box = page.get_by_role("combobox", name=label)
    box.scroll_into_view_if_needed()
    page.wait_for_timeout(300)
    box.click()
    page.get_by_role("option", name=option).click()


def serious(page: Page) -> list[str]:
    """What axe-core calls serious or critical."""
    from axe_playwright_python.sync_playwright import Axe

    found = Axe().run(page).response["violations"]
    return [
        f"{each['id']}: {[node['html'][:200] for node in each['nodes']]}"
        for each in found
        if each["impact"] in ("serious", "critical")
    ]
