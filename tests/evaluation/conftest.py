"""Libraries with pictures of three colours, each in a folder of its own: red/0.png …"""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image, ImageDraw

from indexer import BuildOptions, Config, Library
from tests.conftest import RGB

COLOURS = ("red", "green", "blue")


def paint(folder: Path) -> None:
    """Four pictures of each colour, all different."""
    for number, colour in enumerate(COLOURS):
        (folder / colour).mkdir(parents=True)
        for i in range(4):
            image = Image.new("RGB", (64, 48), RGB[colour])
            ImageDraw.Draw(image).line((0, 0, 9 * i + number, 5), fill=(255, 255, 255))
            image.save(folder / colour / f"{i}.png")


@pytest.fixture
def known(library: Library, photos: Path) -> Library:
    """A library to change."""
    paint(photos)
    library.build([photos])
    return library


@pytest.fixture(scope="session")
def settled(template: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Library]:
    """A library to ask, in the spaces `tiny` and `tiny-blind`; its photos lie in `photos` beside it."""
    folder = tmp_path_factory.mktemp("settled")
    paint(folder / "photos")
    shutil.copytree(template, folder / "library")
    with Library.open(folder / "library", config=Config()) as library:
        library.build([folder / "photos"])
        library.build([folder / "photos"], BuildOptions(model="tiny:blind"))
        yield library
