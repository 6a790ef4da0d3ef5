"""The field for words: photos appear as one types, and nothing that is typed is lost."""

import re
from pathlib import Path

import pytest

from tests.browser.conftest import EXAMPLES, Gallery, serving

pytest.importorskip("playwright", reason="needs Playwright: pip install playwright")
from playwright.sync_api import BrowserContext, Locator, Page, expect

from tests.browser.visiting import ask, drop, first, line, visit

pytestmark = pytest.mark.browser


def field(page: Page) -> Locator:
    return page.get_by_role("searchbox", name="Search")


def test_photos_appear_while_one_types(page: Page, url: str) -> None:
    visit(page, url)
    field(page).press_sequentially("penguin", delay=30)
    expect(first(page)).to_have_text("penguin.jpg")
    expect(page).to_have_url(re.compile(r"\?q=penguin$"))
    expect(field(page)).to_be_focused()


def test_no_letter_is_lost_while_answers_come(page: Page, url: str) -> None:
    visit(page, url)
    words = "a small owl that sits on a branch of a tree in the night"
    field(page).press_sequentially(words, delay=70)
    expect(field(page)).to_have_value(words)
    expect(page).to_have_url(re.compile(r"\?q=a\+small\+owl.*night$"))
    expect(first(page)).to_have_text("owl.jpg")
    expect(field(page)).to_have_value(words)


def test_what_is_typed_in_one_go_is_one_step_for_the_back_button(page: Page, url: str) -> None:
    visit(page, url)
    ask(page, "owl")
    expect(first(page)).to_have_text("owl.jpg")
    field(page).fill("")
    expect(line(page)).to_contain_text("the newest first")
    for part in ("pen", "guin"):
        field(page).press_sequentially(part)
        expect(page).to_have_url(re.compile(f"q=.*{part}"))
    expect(first(page)).to_have_text("penguin.jpg")
    page.go_back()
    expect(field(page)).to_have_value("owl")
    expect(first(page)).to_have_text("owl.jpg")
    page.go_forward()
    expect(field(page)).to_have_value("penguin")
    expect(first(page)).to_have_text("penguin.jpg")


def test_half_an_expression_keeps_the_answer_and_says_so_only_when_it_is_finished(
    page: Page, url: str
) -> None:
    visit(page, f"{url}/?q=penguin")
    expect(first(page)).to_have_text("penguin.jpg")
    field(page).press("End")
    field(page).press_sequentially(' + "')
    page.wait_for_timeout(1000)
    expect(page.get_by_role("alert")).to_have_count(0)
    expect(first(page)).to_have_text("penguin.jpg")
    field(page).fill("2:")
    page.wait_for_timeout(1000)
    expect(page.get_by_role("alert")).to_have_count(0)
    field(page).press("Enter")
    expect(page.get_by_role("alert")).to_contain_text("no words")


def test_half_an_address_is_not_fetched(page: Page, url: str) -> None:
    visit(page, f"{url}/?q=penguin")
    expect(first(page)).to_have_text("penguin.jpg")
    field(page).fill("https://example.com/ow")
    page.wait_for_timeout(1000)
    expect(page.get_by_role("alert")).to_have_count(0)
    field(page).press("Enter")
    expect(page.get_by_role("alert")).to_contain_text("fetches no pictures from the web")


def test_a_slash_goes_to_the_field(page: Page, url: str) -> None:
    visit(page, f"{url}/?q=owl")
    expect(first(page)).to_have_text("owl.jpg")
    page.locator("body").press("/")
    expect(field(page)).to_be_focused()
    page.keyboard.type("penguin/")
    expect(field(page)).to_have_value("penguin/")


def test_after_the_server_began_anew_the_first_thing_that_one_does_counts(
    context: BrowserContext, gallery: Gallery, tmp_path: Path
) -> None:
    page, other = context.new_page(), context.new_page()
    with serving(gallery.library, tmp_path / "before") as url:
        visit(other, f"{url}/?q=photo:1")
        visit(page, url)
        drop(page, "unknown.jpg", (EXAMPLES / "animals" / "grey-cat.jpg").read_bytes())
        expect(first(page)).to_have_text("grey-cat.jpg")
    port = url.rpartition(":")[2]
    with serving(gallery.library, tmp_path / "after", "--port", port):
        ask(page, "penguin")
        expect(first(page)).to_have_text("penguin.jpg")
        expect(page.get_by_text("unknown.jpg")).to_have_count(0)
        other.get_by_role("list", name="Parts of the search").get_by_text("+").click()
        expect(other).to_have_url(re.compile("q=1.5"))
    page.close()
    other.close()
