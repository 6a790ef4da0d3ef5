"""The model that comes with the installation, on the pictures that come with it."""

import hashlib
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from indexer import Library, Query
from indexer.embedders import load_model, starter
from indexer.errors import CheckpointError, UnknownModelError
from indexer.pictures.preprocessing import preprocess
from tests.conftest import EXAMPLES


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
def test_words_find_what_a_picture_shows(examples: Library, words: str, expected: str) -> None:
    assert expected in [hit.path.name for hit in examples.search(words, k=2)]


def test_a_category_finds_its_kinds(examples: Library) -> None:
    found = {hit.path.parent.name for hit in examples.search("bird", k=5)}
    assert found == {"birds"}


def test_a_picture_finds_its_like(examples: Library) -> None:
    cats = {"ginger-kitten.jpg", "playing-kitten.jpg", "chelsea-the-cat.png"}
    query = Query.image(EXAMPLES / "animals" / "grey-cat.jpg")
    assert len(cats & {hit.path.name for hit in examples.search(query, k=5)}) >= 2


def test_all_example_pictures_are_readable(examples: Library) -> None:
    files = [path for path in EXAMPLES.rglob("*") if path.suffix not in ("", ".md")]
    assert (len(examples.photos()), examples.errors()) == (len(files), [])


def test_its_head_is_the_one_that_its_description_tells_of() -> None:
    head = Path(starter.__file__).with_name(starter.HEAD)
    described = json.loads(head.with_suffix(".json").read_text())
    assert described["sha256"] == starter.HEAD_SHA256
    assert hashlib.sha256(head.read_bytes()).hexdigest() == starter.HEAD_SHA256
    assert all(described["sources"].values())  # each with its licence


def test_its_heads_read_features_and_not_classes_alone() -> None:
    tower = load_model("starter", lambda line: None).image_tower
    assert isinstance(tower, starter.HeadedTower)
    heads = next(tower.head.parameters())
    assert heads.shape == (2 * 384, 1000 + 1280)
    assert all(head[:, 1000:].abs().max() > 0 for head in (heads[:384], heads[384:]))


def test_each_head_counts_the_same_however_long_its_vectors_are() -> None:
    one, other, inputs = torch.rand(3, 5), torch.rand(3, 5), torch.rand(4, 5)
    found = starter.Heads(torch.cat([one, 100 * other]), dim=3)(inputs)
    for row, x in zip(found, inputs, strict=True):
        a, b = one @ x, other @ x
        assert torch.allclose(row, (a / a.norm() + b / b.norm()) / 2, atol=1e-6)


@pytest.mark.parametrize(
    ("part", "file"), [("_text_folder", "model.safetensors"), ("_head_folder", starter.HEAD)]
)
def test_its_weights_are_checked_before_they_are_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, part: str, file: str
) -> None:
    source = getattr(starter, part)()
    copy = tmp_path / "model"
    copy.mkdir()
    for path in source.iterdir():
        if path.is_file():
            shutil.copy(path, copy)
    with (copy / file).open("r+b") as opened:
        opened.seek(1000)
        opened.write(b"x")
    monkeypatch.setattr(starter, part, lambda: copy)
    with pytest.raises(CheckpointError, match="has SHA-256 .* reinstall Glimpse"):
        starter.load("", lambda line: None)


def test_its_model_is_the_same_on_every_machine() -> None:
    # Nothing in it is computed on loading, so a library made elsewhere knows it again.
    models = [load_model("starter", lambda line: None) for _ in range(2)]
    assert models[0].fingerprint() == models[1].fingerprint()


def test_it_has_no_variants() -> None:
    with pytest.raises(UnknownModelError, match="the model is called starter"):
        load_model("starter:large", lambda line: None)


def test_it_sees_a_wide_drawing_on_plain_ground_nearly_to_its_ends() -> None:
    drawing = Image.new("RGB", (600, 200), "white")
    for left in (40, 540):
        drawing.paste("red", (left, 90, left + 20, 110))
    seen = preprocess(drawing, starter.PREPROCESSING).astype(int)
    red = np.abs(seen - (255, 0, 0)).max(axis=2) < 60
    assert red[:, :40].any()
    assert red[:, -40:].any()
