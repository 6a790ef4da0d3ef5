"""Duplicates: groups, two photos side by side, and the list of what could go."""

import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image

from indexer import BuildOptions, Config, Library
from tests.browser.conftest import EXAMPLES, serving

pytest.importorskip("playwright", reason="needs Playwright: pip install playwright")
from playwright.sync_api import Page, expect

from tests.browser.accessibility import serious

pytestmark = pytest.mark.browser
expect.set_options(timeout=20_000)
COPY = "![x](y) <b>copy.jpg"


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Animals, each of which has a copy; a hen also in a smaller size."""
    folder = tmp_path_factory.mktemp("copied") / "photos"
    shutil.copytree(EXAMPLES / "animals", folder / "animals")
    shutil.copytree(EXAMPLES / "animals", folder / "again")
    shutil.copy(EXAMPLES / "birds" / "hens.jpg", folder / "hens.jpg")
    shutil.copy(EXAMPLES / "birds" / "hens.jpg", folder / COPY)
    with Image.open(EXAMPLES / "birds" / "hens.jpg") as image:
        image.resize((image.width * 3 // 4, image.height * 3 // 4)).save(folder / "small.webp")
    return folder


@pytest.fixture(scope="module")
def url(photos: Path, prepared_starter: Path) -> Iterator[str]:
    library = photos.with_name("library")
    shutil.copytree(prepared_starter, library / "models")
    with Library.open(library, create=True, config=Config()) as opened:
        opened.build([photos], BuildOptions(model="starter"))
    with serving(library, photos.with_name("log")) as url:
        yield url


@pytest.fixture
def tab(page: Page, url: str) -> Page:
    page.goto(f"{url}/duplicates")
    expect(page.get_by_role("button", name="Compare").first).to_be_visible(timeout=120_000)
    return page


def near(tab: Page) -> None:
    tab.get_by_role("radio", name="Near duplicates").click()


def compare_hens(tab: Page) -> None:
    """Open the group that has three photos."""
    near(tab)
    expect(tab.get_by_role("button", name="Compare")).to_have_count(1)
    tab.get_by_role("button", name="Compare").click()
    expect(tab.get_by_text(re.compile(r"^group \d+ of \d+$"))).to_be_visible()


def test_groups_are_listed_and_turned_over(tab: Page, photos: Path) -> None:
    groups = len(list((photos / "animals").iterdir())) + 1
    expect(tab.locator("dl")).to_contain_text(f"{groups}groups")
    expect(tab.locator("dl")).to_contain_text(f"{groups + 1}extra copies")
    expect(tab.get_by_role("button", name="Compare")).to_have_count(12)
    tab.get_by_role("button", name="Next page").click()
    expect(tab.get_by_role("button", name="Compare")).to_have_count(groups - 12)
    tab.reload()
    expect(tab.get_by_text("page 2 of 2")).to_be_visible()
    near(tab)
    expect(tab.get_by_text(COPY)).to_be_visible()  # a name, and nothing more


def test_the_paths_of_the_extra_copies_are_downloaded(tab: Page, photos: Path) -> None:
    near(tab)
    expect(tab.get_by_role("button", name="Compare")).to_have_count(1)
    with tab.expect_download() as download:
        tab.get_by_role("button", name="Paths of the extra copies").click()
    lines = Path(download.value.path()).read_text().splitlines()
    assert len(lines) == 2
    assert str(photos / "small.webp") in lines
    assert all(Path(line).exists() for line in lines)


def test_two_photos_are_compared_and_enlarged_together(tab: Page, photos: Path) -> None:
    compare_hens(tab)
    tab.get_by_role("combobox", name="Right").click()
    tab.get_by_role("option", name="3: small.webp").click()
    differences = tab.locator(".glimpse-differences .differs")
    expect(differences.filter(has_text="Format")).to_contain_text(re.compile("JPEG.*WEBP"))
    expect(differences.filter(has_text="Dimensions")).to_have_count(1)
    expect(tab.get_by_text(str(photos / "small.webp"), exact=True)).to_be_visible()
    left, right = tab.locator("figure.left img"), tab.locator("figure.right img")
    expect(right).to_have_attribute("alt", "small.webp")
    right.hover()
    tab.mouse.wheel(0, -400)
    expect(right).not_to_have_css("scale", "1")
    scales = [image.evaluate("image => getComputedStyle(image).scale") for image in (left, right)]
    assert scales[0] == scales[1]
    assert float(scales[0]) > 1.5


def test_a_slider_uncovers_one_photo_above_the_other(tab: Page) -> None:
    compare_hens(tab)
    tab.get_by_role("button", name="Slider").click()
    slider = tab.get_by_role("slider", name="Divider")
    slider.focus()
    for _ in range(20):
        tab.keyboard.press("ArrowLeft")
    clip = tab.locator("figure.right").evaluate("figure => getComputedStyle(figure).clipPath")
    assert clip.endswith("40%)")
    tab.get_by_role("button", name="All groups").click()
    expect(tab.get_by_role("button", name="Compare")).to_have_count(1)


def test_a_group_that_is_no_more_is_one_line(tab: Page, url: str) -> None:
    tab.goto(f"{url}/duplicates?group=99999")
    expect(tab.get_by_role("alert")).to_contain_text("group is no more")
    tab.get_by_role("button", name="All groups").click()
    expect(tab.get_by_role("button", name="Compare")).to_have_count(12)


def test_it_fits_a_phone(tab: Page) -> None:
    tab.set_viewport_size({"width": 390, "height": 844})
    compare_hens(tab)
    assert tab.evaluate("document.documentElement.scrollWidth") <= 390


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_serious(tab: Page, scheme: str) -> None:
    assert serious(tab, scheme) == []
    compare_hens(tab)
    assert serious(tab, scheme) == []
