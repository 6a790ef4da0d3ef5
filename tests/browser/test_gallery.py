"""Scrolling through what was found, opening photos, and what can be done with those that are selected."""

import csv
import re
import zipfile
from pathlib import Path

import pytest

from tests.browser.conftest import Gallery

pytest.importorskip("playwright", reason="needs Playwright: pip install playwright")
from playwright.sync_api import Page, expect

from tests.browser.visiting import ask, first, line, names, scroll_to_end, selected, tile, visit

pytestmark = pytest.mark.browser


def files(gallery: Gallery) -> int:
    return sum(path.is_file() for path in gallery.photos.rglob("*"))


def test_scrolling_goes_on_to_the_last_photo_with_few_tiles_in_the_page(
    page: Page, url: str, gallery: Gallery
) -> None:
    page.set_viewport_size({"width": 800, "height": 400})
    visit(page, f"{url}/?q=animal")
    expect(first(page)).to_be_visible()
    best = first(page).inner_text()
    scroll_to_end(page)
    last = page.locator(".gallery li").last
    expect(last).to_have_attribute("aria-posinset", str(files(gallery)))
    expect(last).to_have_attribute("aria-setsize", str(files(gallery)))
    assert names(page).count() < files(gallery)
    page.get_by_test_id("stMain").evaluate("main => main.scrollTo(0, 0)")
    expect(first(page)).to_have_text(best)


def test_back_leads_to_where_one_was(page: Page, url: str) -> None:
    page.set_viewport_size({"width": 800, "height": 400})
    visit(page, f"{url}/?q=animal")
    scroll_to_end(page)
    far = names(page).last.inner_text()
    page.get_by_role("button", name=f"More like this: {far}").click()
    expect(page.get_by_role("list", name="Parts of the search").get_by_text(far)).to_be_visible()
    expect(page.get_by_role("button", name=f"Open {far}")).to_have_count(0)
    page.go_back()
    expect(page.get_by_role("button", name=f"Open {far}")).to_be_in_viewport()


def test_a_button_shows_more_where_loading_failed(page: Page, url: str) -> None:
    page.route("**/results/**", lambda route: route.abort())
    visit(page, f"{url}/?q=animal")
    button = page.get_by_role("button", name="Show more")
    expect(button).to_contain_text("it failed")
    page.unroute_all()
    button.press("Enter")
    expect(button).to_be_hidden()


def test_scrolling_goes_on_where_the_server_has_forgotten_the_question(
    page: Page, url: str, gallery: Gallery
) -> None:
    page.route("**/results/**", lambda route: route.fulfill(status=404), times=1)
    visit(page, f"{url}/?q=animal")
    expect(page.locator(".gallery .more")).to_be_hidden()
    scroll_to_end(page)
    expect(page.locator(".gallery li").last).to_have_attribute("aria-posinset", str(files(gallery)))


def test_a_step_of_the_page_draws_no_picture_anew(page: Page, url: str) -> None:
    visit(page, f"{url}/?q=kitten")
    picture = tile(page, "ginger-kitten.jpg").locator("img").element_handle()
    ask(page, "cat")
    expect(page).to_have_url(f"{url}/?q=cat")
    expect(line(page)).to_contain_text(" s")
    page.get_by_role("button", name="Open ginger-kitten.jpg").click()
    page.keyboard.press("Escape")
    assert picture.evaluate("image => image.isConnected")


def test_pictures_keep_their_places_while_they_load(page: Page, url: str) -> None:
    page.route("**/photos/**", lambda route: None)  # never answered
    visit(page, f"{url}/?q=owl")
    expect(first(page)).to_have_text("owl.jpg")
    waiting = [page.locator(".gallery li").nth(i).bounding_box() for i in range(8)]
    page.unroute_all()
    page.reload()
    expect(page.locator(".gallery li img").nth(7)).to_have_js_property("complete", True)
    assert [page.locator(".gallery li").nth(i).bounding_box() for i in range(8)] == waiting


def test_formats_that_a_browser_may_not_know_are_shown(page: Page, url: str) -> None:
    for name in ("camels.heic", "swans.avif", "red-panda.webp"):
        visit(page, f"{url}/?path={name}")
        picture = tile(page, name).get_by_role("img")
        expect(picture).to_have_js_property("complete", True)
        assert picture.evaluate("image => image.naturalWidth") > 100


def test_a_phone_has_two_columns_and_nothing_hangs_over(page: Page, url: str) -> None:
    page.set_viewport_size({"width": 390, "height": 844})
    visit(page, url)
    expect(first(page)).to_be_visible()
    tops = [page.locator(".gallery li").nth(i).bounding_box() for i in range(3)]
    one, two, three = (box["y"] for box in tops if box)
    assert one == two < three
    assert page.evaluate("document.documentElement.scrollWidth") <= 390


def test_results_that_are_unlikely_stand_below_a_line(page: Page, url: str) -> None:
    visit(page, f"{url}/?q=penguin")
    border = page.get_by_text("Below this line, results are unlikely").bounding_box()
    best = tile(page, "penguin.jpg").bounding_box()
    assert border is not None
    assert best is not None
    assert best["y"] < border["y"]
    relevant = re.search(r"(\d+) of them relevant", line(page).inner_text())
    assert relevant is not None
    page.get_by_text("Only relevant").click()
    expect(line(page)).to_have_text(re.compile(f"^{relevant[1]} photos?, "))
    expect(page).to_have_url(re.compile("relevant=yes"))


def test_results_are_sorted_by_date(page: Page, url: str) -> None:
    visit(page, f"{url}/?q=boats at sunset")
    page.get_by_role("radio", name="Oldest").click()
    expect(page).to_have_url(re.compile("sort=oldest"))
    expect(first(page)).to_have_text("noted.jpg")


def test_a_photo_opens_with_what_is_known_of_it(page: Page, url: str, gallery: Gallery) -> None:
    visit(page, f"{url}/?q=boat")
    page.get_by_role("button", name="Open noted.jpg").click()
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_role("heading", name="noted.jpg")).to_be_visible()
    facts = dialog.locator("dl")
    for fact in ("2023-05-01 17:30:00 +02:00", "A lens", "★★★★☆", "33.85667° S, 151.21000° E"):
        expect(facts).to_contain_text(fact)
    expect(dialog.locator("code")).to_have_text(str(gallery.photos / "things" / "noted.jpg"))
    expect(dialog.get_by_role("img", name="Where it was taken")).to_be_visible()
    link = dialog.get_by_role("link", name="Open in OpenStreetMap")
    expect(link).to_have_attribute("href", re.compile("mlat=-33.85667&mlon=151.21000"))
    picture = dialog.get_by_role("img", name="noted.jpg")
    expect(picture).to_have_js_property("complete", True)
    assert picture.evaluate("image => image.naturalWidth") > 640


def test_the_keyboard_opens_turns_and_closes(page: Page, url: str) -> None:
    visit(page, f"{url}/?q=penguin")
    page.get_by_role("button", name="Open penguin.jpg").press("Enter")
    heading = page.get_by_role("dialog").get_by_role("heading")
    expect(heading).to_have_text("penguin.jpg")
    second = names(page).nth(1).inner_text()
    page.keyboard.press("ArrowRight")
    expect(heading).to_have_text(second)
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("ArrowRight")
    expect(heading).to_have_text(second)
    expect(page.get_by_role("dialog").locator("dl")).to_contain_text("pixels")
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_be_hidden()
    expect(page).to_have_url(f"{url}/?q=penguin")


def test_who_turns_away_and_back_before_the_answer_is_told_of_the_photo(
    page: Page, url: str
) -> None:
    visit(page, f"{url}/?q=penguin")
    page.get_by_role("button", name="Open penguin.jpg").click()
    facts = page.get_by_role("dialog").locator("dl")
    expect(facts).to_contain_text("pixels")
    page.locator(".viewer").evaluate(
        """dialog => {
            for (const key of ["ArrowRight", "ArrowLeft", "ArrowRight"]) {
                dialog.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true, composed: true }));
            }
        }"""
    )
    expect(page.get_by_role("dialog").get_by_role("heading")).not_to_have_text("penguin.jpg")
    expect(facts).to_contain_text("pixels")


def test_however_far_one_turned_closing_is_one_step_back(page: Page, url: str) -> None:
    visit(page, f"{url}/?q=penguin")
    page.get_by_role("button", name="Open penguin.jpg").click()
    expect(page).to_have_url(re.compile(r"photo=\d+"))
    for _ in range(4):
        page.keyboard.press("ArrowRight")
    wanted = names(page).nth(4).inner_text()
    expect(page.get_by_role("dialog").get_by_role("heading")).to_have_text(wanted)
    expect(page.get_by_role("dialog").locator("dl")).to_contain_text("pixels")
    page.go_back()
    expect(page.get_by_role("dialog")).to_be_hidden()
    expect(page).to_have_url(f"{url}/?q=penguin")


def test_the_arrows_turn_whatever_one_did_before(page: Page, url: str) -> None:
    visit(page, f"{url}/?q=penguin")
    page.get_by_role("button", name="Open penguin.jpg").click()
    dialog, heading = page.get_by_role("dialog"), page.get_by_role("dialog").get_by_role("heading")
    second = names(page).nth(1).inner_text()
    dialog.get_by_label("Tag", exact=True).fill("seen")
    page.keyboard.press("Enter")
    remove = dialog.get_by_role("button", name="Remove the tag seen")
    expect(remove).to_be_visible()
    expect(dialog.get_by_label("Tag", exact=True)).to_be_focused()
    remove.click()
    expect(remove).to_have_count(0)
    expect(heading).to_be_focused()
    dialog.get_by_role("button", name="Search this region").click()
    dialog.get_by_role("button", name="Cancel").click()
    expect(heading).to_be_focused()
    page.keyboard.press("ArrowRight")
    expect(heading).to_have_text(second)
    dialog.get_by_role("button", name="Previous").click()
    expect(heading).to_have_text("penguin.jpg")
    page.keyboard.press("ArrowRight")
    expect(heading).to_have_text(second)


def test_a_link_to_a_photo_far_down_turns_to_its_neighbours(page: Page, url: str) -> None:
    visit(page, f"{url}/?q=penguin")
    page.set_viewport_size({"width": 800, "height": 400})
    scroll_to_end(page)
    far = names(page).last.inner_text()
    page.get_by_role("button", name=f"Open {far}").click()
    expect(page).to_have_url(re.compile(r"photo=\d+"))
    page.reload()
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_role("heading")).to_have_text(far)
    expect(dialog.get_by_role("button", name="Previous")).to_be_enabled()
    page.keyboard.press("Escape")
    expect(page.get_by_role("button", name=f"Open {far}")).to_be_in_viewport()


def test_a_link_opens_a_photo_and_back_closes_it(page: Page, url: str) -> None:
    visit(page, f"{url}/?q=owl")
    page.get_by_role("button", name="Open owl.jpg").click()
    expect(page).to_have_url(re.compile(r"photo=\d+"))
    page.reload()
    expect(page.get_by_role("dialog").locator("dl")).to_contain_text("pixels")
    page.go_back()
    expect(page.get_by_role("dialog")).to_be_hidden()
    visit(page, f"{url}/?photo=99999")
    expect(page.get_by_role("dialog").get_by_role("alert")).to_contain_text("no photo 99999")


def test_a_path_is_copied(page: Page, url: str, gallery: Gallery) -> None:
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    visit(page, f"{url}/?q=owl")
    page.get_by_role("button", name="Open owl.jpg").click()
    expect(page.get_by_role("dialog").locator("code")).to_be_visible()
    page.get_by_role("button", name="Copy path").click()
    expect(page.get_by_role("button", name="Copied")).to_be_visible()
    copied = page.evaluate("navigator.clipboard.readText()")
    assert copied == str(gallery.photos / "birds" / "owl.jpg")


def test_a_path_is_copied_where_the_browser_offers_no_clipboard(
    page: Page, url: str, gallery: Gallery
) -> None:
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    visit(page, f"{url}/?q=penguin")
    kept = page.evaluate_handle("navigator.clipboard")
    page.evaluate("Object.defineProperty(navigator, 'clipboard', { value: undefined })")
    page.get_by_role("button", name="Open penguin.jpg").click()
    expect(page.get_by_role("dialog").locator("code")).to_be_visible()
    page.get_by_role("button", name="Copy path").click()
    expect(page.get_by_role("button", name="Copied")).to_be_focused()
    assert kept.evaluate("it => it.readText()") == str(gallery.photos / "birds" / "penguin.jpg")


def test_a_box_on_the_picture_is_searched(page: Page, url: str) -> None:
    visit(page, f"{url}/?q=owl")
    page.get_by_role("button", name="Open owl.jpg").click()
    page.get_by_role("button", name="Search this region").click()
    box = page.locator(".frame").bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + box["width"] * 0.5, box["y"] + box["height"] * 0.2)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * 0.8, box["y"] + box["height"] * 0.9, steps=3)
    page.mouse.up()
    page.get_by_role("spinbutton", name="Top in percent").fill("10")
    page.get_by_role("button", name="Search by the box").click()
    expect(page).to_have_url(re.compile(r"photo%3A\d+%400\.5(\d*)%2C0\.1%2C"))
    expect(page.get_by_text("a part of owl.jpg")).to_be_visible()
    expect(line(page)).to_contain_text(" s")


def test_several_are_selected_and_taken_away(
    page: Page, url: str, gallery: Gallery, tmp_path: Path
) -> None:
    visit(page, f"{url}/?q=bird")
    expect(first(page)).to_have_text("hens.jpg")
    shown = names(page).all_inner_texts()[:3]
    tile(page, shown[0]).get_by_role("checkbox").check()
    tile(page, shown[2]).get_by_role("checkbox").click(modifiers=["Shift"])
    expect(selected(page)).to_contain_text("3 selected")
    found = {}
    for name in ("Paths", "CSV", "ZIP"):
        with page.expect_download() as download:
            selected(page).get_by_role("link", name=name).click()
        found[name] = tmp_path / name
        download.value.save_as(found[name])
    assert [Path(path).name for path in found["Paths"].read_text().splitlines()] == shown
    with found["CSV"].open(newline="") as file:
        assert [Path(row["path"]).name for row in csv.DictReader(file)] == shown
    with zipfile.ZipFile(found["ZIP"]) as archive:
        assert archive.namelist() == shown
        original = next(gallery.photos.rglob(shown[0]))
        assert archive.read(shown[0]) == original.read_bytes()
    page.get_by_role("button", name="Select none").click()
    expect(selected(page)).to_be_hidden()


def test_the_selected_are_searched_by(page: Page, url: str) -> None:
    visit(page, f"{url}/?q=cat %2B penguin")
    tile(page, "ginger-kitten.jpg").get_by_role("checkbox").focus()
    page.keyboard.press("Space")
    page.get_by_role("button", name="Open penguin.jpg").click(modifiers=["Control"])
    expect(selected(page)).to_contain_text("2 selected")
    selected(page).get_by_role("button", name="Search by these").click()
    expect(page).to_have_url(re.compile(r"\?q=photo%3A\d+\+%2B\+photo%3A\d+$"))
    parts = page.get_by_role("list", name="Parts of the search")
    expect(parts.get_by_text("penguin.jpg")).to_be_visible()
    expect(selected(page)).to_be_hidden()


def test_marks_change_the_order(page: Page, url: str) -> None:
    visit(page, f"{url}/?q=bird")
    expect(first(page)).not_to_have_text("owl.jpg")
    page.get_by_role("button", name="Open owl.jpg").click(modifiers=["Control"])
    selected(page).get_by_role("button", name="More like these").click()
    expect(page).to_have_url(re.compile(r"more=\d+"))
    parts = page.get_by_role("list", name="Parts of the search")
    expect(parts).to_contain_text("More like")
    expect(first(page)).to_have_text("owl.jpg")
    page.get_by_role("button", name="Open owl.jpg").click()
    page.get_by_role("button", name="Less like this").click()
    expect(page).to_have_url(re.compile(r"\?q=bird&less=\d+$"))
    expect(first(page)).not_to_have_text("owl.jpg")
    page.get_by_role("button", name="Remove owl.jpg").click()
    expect(page).to_have_url(f"{url}/?q=bird")
