"""The model that comes with the installation, on the pictures that come with it."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from indexer import BuildOptions, Config, Library, Query
from indexer.embedders import load_model, starter
from indexer.errors import CheckpointError, UnknownModelError

PHOTOS = Path(__file__).parent.parent / "examples" / "photos"


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Library]:
    folder = tmp_path_factory.mktemp("starter") / "library"
    with Library.open(folder, create=True, config=Config()) as opened:
        opened.build([PHOTOS], BuildOptions(model="starter"))
        yield opened


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("a cat", "grey-cat.jpg"),
        ("tiger", "tiger-in-snow.jpg"),
        ("giant panda", "giant-panda.jpg"),
        ("musical instrument", "orchestra.jpg"),
        ("castle", "neuschwanstein.jpg"),
        ("beach", "beach.jpg"),
        ("steam train", "steam-locomotive.jpg"),
        ("scissors", "scissors.jpg"),
    ],
)
def test_words_find_what_a_picture_shows(library: Library, words: str, expected: str) -> None:
    assert expected in [hit.path.name for hit in library.search(words, k=2)]


def test_a_category_finds_its_kinds(library: Library) -> None:
    found = {hit.path.parent.name for hit in library.search("bird", k=5)}
    assert found == {"birds"}


def test_a_picture_finds_its_like(library: Library) -> None:
    cats = {"ginger-kitten.jpg", "playing-kitten.jpg", "chelsea-the-cat.png"}
    query = Query.image(PHOTOS / "animals" / "grey-cat.jpg")
    assert len(cats & {hit.path.name for hit in library.search(query, k=5)}) >= 2


def test_all_example_pictures_are_readable(library: Library) -> None:
    files = [path for path in PHOTOS.rglob("*") if path.suffix not in ("", ".md")]
    assert (len(library.photos()), library.errors()) == (len(files), [])


def test_its_weights_are_checked_before_they_are_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy = shutil.copytree(starter._text_folder(), tmp_path / "model")
    with (copy / "model.safetensors").open("r+b") as file:
        file.seek(1000)
        file.write(b"x")
    monkeypatch.setattr(starter, "_text_folder", lambda: copy)
    with pytest.raises(CheckpointError, match="has SHA-256 .* reinstall Glimpse"):
        starter.load("", lambda line: None)


def test_it_has_no_variants() -> None:
    with pytest.raises(UnknownModelError, match="the model is called starter"):
        load_model("starter:large", lambda line: None)
