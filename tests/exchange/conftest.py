"""A library of a few photos that know much of themselves, and an empty one to import into."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from indexer import Library
from tests.conftest import MakePicture
from tests.databases import Databases, on
from tests.pictures import camera_file

PARIS = (48.85, 2.35)


@pytest.fixture
def built(library: Library, photos: Path, picture: MakePicture) -> Library:
    """Four colours, a copy, a photo with all metadata, and a name that is not UTF-8."""
    for number, colour in enumerate(("red", "green", "blue", "yellow")):
        picture(f"colours/{colour}.png", colour, mark=number)
    shutil.copy(photos / "colours/red.png", photos / "copy.png")
    (photos / "paris.jpg").write_bytes(
        camera_file("Canon EOS 7D", "EF 50mm", "2021:05:06 07:08:09", PARIS, rating=4)
    )
    picture("odd.png", "green", mark=9).rename(photos / os.fsdecode(b"caf\xe9.png"))
    library.build([photos])
    [paris] = [photo.id for photo in library.photos() if photo.path.name == "paris.jpg"]
    library.add_tag([paris], "holiday")
    return library


@pytest.fixture
def empty(databases: Databases, template: Path, tmp_path: Path) -> Iterator[Library]:
    """Another library, which has the model `tiny` and no photos."""
    folder = tmp_path / "other"
    with Library.open(folder, config=on(databases.library(template, folder))) as opened:
        yield opened
