"""A library that has one of every derived file."""

import shutil
from pathlib import Path

import pytest
from PIL import Image

from indexer import Config, Library
from indexer.runtime.half import _keep_agreement
from tests.conftest import RGB, made_once
from tests.verify.libraries import publish


@pytest.fixture(scope="session")
def shown(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Photos that no test writes to."""

    def make(folder: Path) -> None:
        (folder / "photos").mkdir()
        for number, (name, colour) in enumerate(4 * list(RGB.items())):
            picture = Image.new("RGB", (700 + number, 400), colour)
            picture.save(folder / "photos" / f"{name}-{number}.png")

    return made_once(tmp_path_factory, "shown", make) / "photos"


@pytest.fixture(scope="session")
def sound(template: Path, shown: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A library that has one of every derived file."""

    def make(folder: Path) -> None:
        shutil.copytree(template, folder / "library")
        with Library.open(folder / "library", config=Config()) as library:
            library.build([shown])
            library.tag(["red", "blue"])
            library.map()
            library.search("red")
        publish(folder / "library")
        _keep_agreement(next(folder.glob("library/models/*")), 0.9999)

    return made_once(tmp_path_factory, "sound", make) / "library"


@pytest.fixture
def folder(sound: Path, tmp_path: Path) -> Path:
    shutil.copytree(sound, tmp_path / "mine")
    return tmp_path / "mine"
