"""What a visitor does on the page, and sees."""

import re
from pathlib import Path
from urllib.parse import quote

import pytest

from tests.browser.conftest import EXAMPLES, Gallery, Listener

pytest.importorskip("playwright", reason="needs Playwright: pip install playwright")
from playwright.sync_api import Page, expect

from tests.browser.visiting import ask, drop, first, line, names, visit

pytestmark = pytest.mark.browser


def test_words_and_enter_show_the_photo_they_describe_first(page: Page, url: str) -> None:
    visit(page, url)
    ask(page, "penguin")
    expect(first(page)).to_have_text("penguin.jpg")
    expect(line(page)).to_have_text(
        re.compile(r"^\d+ photos(, \d+ of them relevant)?, \d+\.\d\d s$")
    )
    scores = page.locator(".gallery .score")
    assert scores.first.inner_text() > scores.last.inner_text()


def test_an_expression_adds_and_subtracts(page: Page, url: str) -> None:
    visit(page, f"{url}/?q=bird")
    expect(first(page)).to_have_text("hens.jpg")
    ask(page, "bird - hen")
    expect(first(page)).to_have_text(re.compile("kookaburra|kingfisher"))
    assert "hens.jpg" not in names(page).all_inner_texts()[:4]


def test_without_a_query_the_newest_photos_and_examples_to_click_are_shown(
    page: Page, url: str
) -> None:
    visit(page, url)
    expect(page.get_by_text(re.compile(r"^\d+ photos, the newest first$"))).to_be_visible()
    page.get_by_role("radio", name="Oldest").click()
    expect(page).to_have_url(f"{url}/?sort=oldest")
    expect(page.get_by_text(re.compile(r"^\d+ photos, the oldest first$"))).to_be_visible()
    page.get_by_role("radio", name="Newest").click()
    expect(page).to_have_url(f"{url}/")
    page.get_by_role("button", name="a bird", exact=True).click()
    expect(page).to_have_url(re.compile(r"\?q=a(\+|%20)bird$"))
    expect(first(page)).to_have_text(re.compile("hens|swans|owl|kingfisher|kookaburra"))


def test_a_reload_a_link_and_the_back_button_show_the_same(page: Page, url: str) -> None:
    visit(page, f"{url}/?q=owl")
    expect(first(page)).to_have_text("owl.jpg")
    ask(page, "penguin")
    expect(first(page)).to_have_text("penguin.jpg")
    page.reload()
    expect(first(page)).to_have_text("penguin.jpg")
    page.go_back()
    expect(first(page)).to_have_text("owl.jpg")
    expect(page.get_by_role("searchbox", name="Search")).to_have_value("owl")


def test_a_picture_that_is_dropped_finds_its_like(page: Page, url: str) -> None:
    visit(page, url)
    drop(page, "unknown.jpg", (EXAMPLES / "animals" / "grey-cat.jpg").read_bytes())
    expect(first(page)).to_have_text("grey-cat.jpg")  # which is the very same
    expect(names(page).nth(1)).to_have_text(re.compile("kitten"))
    page.get_by_role("button", name="Remove unknown.jpg").click()
    expect(page.get_by_text("the newest first")).to_be_visible()


def test_words_and_a_picture_are_asked_together(page: Page, url: str) -> None:
    visit(page, f"{url}/?q=penguin")
    expect(first(page)).to_have_text("penguin.jpg")
    expect(names(page).nth(2)).not_to_have_text(re.compile("kitten"))
    drop(page, "unknown.jpg", (EXAMPLES / "animals" / "grey-cat.jpg").read_bytes())
    expect(names(page).nth(2)).to_have_text(re.compile("kitten"))
    assert {*names(page).all_inner_texts()[:2]} == {"penguin.jpg", "grey-cat.jpg"}


def test_more_like_this_shows_what_resembles_a_photo_but_not_the_photo(
    page: Page, url: str
) -> None:
    visit(page, f"{url}/?q=kitten")
    page.get_by_role("button", name="More like this: ginger-kitten.jpg").click()
    expect(page).to_have_url(re.compile(r"\?q=photo%3A\d+$"))
    expect(
        page.get_by_role("list", name="Parts of the search").get_by_text("ginger-kitten.jpg")
    ).to_be_visible()
    expect(page.get_by_role("button", name="Open ginger-kitten.jpg")).to_have_count(0)
    expect(first(page)).to_have_text(re.compile("cat|kitten"))
    page.get_by_role("button", name="Remove ginger-kitten.jpg").click()
    expect(page.get_by_text("the newest first")).to_be_visible()


def test_names_are_shown_as_they_are_and_do_nothing(
    page: Page, url: str, gallery: Gallery, listener: Listener
) -> None:
    for path in gallery.evil:
        visit(page, f"{url}/?folder={quote(str(path.parent))}")
        expect(page.get_by_text(path.name, exact=True).first).to_be_visible()
        page.get_by_role("button", name=f"Open {path.name}").click()
        dialog = page.get_by_role("dialog")
        expect(dialog.get_by_role("heading")).to_have_text(path.name)
        expect(dialog.locator("code")).to_have_text(str(path))
        expect(dialog.get_by_role("img", name=path.name)).to_be_visible()
        dialog.get_by_role("button", name="More like this").click()
        expect(
            page.get_by_role("list", name="Parts of the search").get_by_text(path.name)
        ).to_be_visible()
    page.get_by_role("button", name="Glimpse").click()
    expect(page).to_have_title("Glimpse")
    assert listener.asked == []


def test_queries_errors_and_metadata_do_nothing_either(
    page: Page, url: str, listener: Listener
) -> None:
    picture = f"![x](http://127.0.0.1:{listener.port}/query.png)"
    visit(page, url)
    ask(page, f"{picture} - {picture}")
    expect(page.get_by_role("alert")).to_contain_text(picture)
    ask(page, "boat")
    page.get_by_role("button", name="Open noted.jpg").click()
    expect(page.get_by_role("dialog").locator("dl")).to_contain_text("![x](http://127.0.0.1")
    assert listener.asked == []


JPEG = (EXAMPLES / "animals" / "cow.jpg").read_bytes()
SVG = b'<svg xmlns="http://www.w3.org/2000/svg"><script>document.title = "owned"</script></svg>'


def test_what_is_no_picture_is_refused_in_one_line(page: Page, url: str) -> None:
    visit(page, url)
    for name, data, reason in (
        ("text.jpg", b"not a picture", "text"),
        ("drawing.svg", SVG, "SVG"),
        ("half.jpg", JPEG[:30_000], "truncated"),
    ):
        drop(page, name, data, "image/svg+xml" if name.endswith("svg") else "image/jpeg")
        expect(page.get_by_role("alert")).to_have_text(re.compile(f"cannot be used.*{reason}"))
        page.get_by_role("button", name=f"Remove {name}").click()
        expect(page.get_by_role("alert")).to_have_count(0)
    ask(page, "penguin")
    expect(first(page)).to_have_text("penguin.jpg")
    assert page.title() == "penguin - Glimpse"


def test_a_picture_of_over_20_mb_is_refused(page: Page, url: str, tmp_path: Path) -> None:
    large = tmp_path / "large.jpg"
    large.write_bytes(JPEG + bytes(21 << 20))
    visit(page, url)
    page.locator("input[type=file]").set_input_files(large)
    expect(page.get_by_text(re.compile(r"20(\.0)? ?MB or smaller"))).to_be_visible()


def test_what_cannot_be_asked_is_one_line_and_the_page_lives_on(page: Page, url: str) -> None:
    visit(page, f"{url}/?q=photo:99999")
    expect(page.get_by_role("alert")).to_contain_text("No photo 99999")
    page.get_by_role("button", name="Remove photo 99999").click()
    expect(page.get_by_text("the newest first")).to_be_visible()
    for words, says in (
        ("/etc/passwd", "opens no files"),
        ("snow - snow", "cancel each other"),
        ("0:cat", "weight in '0:cat' is 0"),
        ("-", "nothing in the query"),
        ("http://127.0.0.1/a.jpg", "fetches no pictures from the web"),
    ):
        ask(page, words)  # what the last one said may still stand there for a moment
        expect(page.get_by_role("alert").filter(has_text=says)).to_be_visible()
        assert "\n" not in page.get_by_role("alert").inner_text()
    ask(page, "  ")
    expect(line(page)).to_contain_text("the newest first")


def test_a_space_is_chosen_where_there_are_several(page: Page, url: str) -> None:
    visit(page, f"{url}/?q=owl")
    page.get_by_role("combobox", name="Space").click()
    page.get_by_role("option", name="tiny-blind (pictures only)").click()
    expect(page.get_by_role("alert")).to_contain_text("reads no words")
    expect(page).to_have_url(f"{url}/?q=owl&space=tiny-blind")
    page.get_by_role("combobox", name="Space").click()
    page.get_by_role("option", name="starter with tiny-blind").click()
    expect(first(page)).to_have_text("owl.jpg")
    expect(page.get_by_text("space tiny-blind has no part in this query")).to_be_visible()
    ask(page, "photo:1")
    expect(line(page)).to_contain_text(" s")
