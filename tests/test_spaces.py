"""Spaces: a model of one's own from a file to answers, and what becomes of it when its files change."""

import shutil
from pathlib import Path

import pytest
import timm
import torch

from indexer import BuildOptions, Library, Query
from indexer.errors import ModelError, NoTextError, UsageError
from tests.conftest import MakePicture


def save_moco(path: Path, seed: int) -> None:
    """A ResNet-18 in the layout of facebookresearch/moco, as its training script saves it."""
    torch.manual_seed(seed)
    query, key = (timm.create_model("resnet18", num_classes=128) for _ in range(2))
    state = {f"module.encoder_q.{name}": value for name, value in query.state_dict().items()}
    state |= {f"module.encoder_k.{name}": value for name, value in key.state_dict().items()}
    state |= {"module.queue": torch.randn(128, 64), "module.queue_ptr": torch.zeros(1).long()}
    torch.save({"epoch": 1, "arch": "resnet18", "state_dict": state, "optimizer": {}}, path)


def test_a_checkpoint_becomes_a_space_that_compares_pictures(
    library: Library, photos: Path, picture: MakePicture, tmp_path: Path
) -> None:
    for name, colour in (("a.png", "red"), ("b.png", "red"), ("c.png", "blue")):
        picture(name, colour, mark=700 + ord(name[0]))
    checkpoint = tmp_path / "moco.pth.tar"
    save_moco(checkpoint, seed=0)
    options = BuildOptions(model=f"ssl:{checkpoint}", space="mine")
    assert library.build([photos], options).embedded == 3
    nearest = library.search(Query.image(photos / "a.png"), k=1, space="mine")
    assert nearest[0].path.name == "b.png"
    with pytest.raises(NoTextError, match="space mine .* reads no words; ask with --space tiny"):
        library.search("red", space="mine")
    ids, vectors = library.vectors("mine")
    assert (len(ids), vectors.shape) == (3, (3, 512))

    save_moco(checkpoint, seed=1)
    with pytest.raises(ModelError, match="has other weights .* give it a space of its own"):
        library.build([photos], options)
    assert library.search(Query.image(photos / "a.png"), k=1, space="mine")


def test_a_checkpoint_named_from_one_folder_is_the_same_from_another(
    library: Library,
    photos: Path,
    picture: MakePicture,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    picture("a.png")
    save_moco(tmp_path / "moco.pth", seed=0)
    monkeypatch.chdir(tmp_path)
    library.build([photos], BuildOptions(model="ssl:moco.pth?size=64", space="mine"))
    monkeypatch.chdir(photos)
    library.build([photos], BuildOptions(model="ssl:../moco.pth?size=64", space="mine"))
    model = library.status().spaces[1].model
    assert model == f"ssl:{tmp_path / 'moco.pth'}?size=64"


def test_an_export_that_is_lost_or_damaged_is_made_again(
    library_folder: Path, photos: Path, picture: MakePicture
) -> None:
    picture("a.png")
    with Library.open(library_folder) as library:
        library.build([photos])
    (bundle,) = (library_folder / "models").iterdir()
    shutil.rmtree(bundle)
    told: list[str] = []
    with Library.open(library_folder) as library:
        assert library.search("red", notify=told.append)
    (bundle / "model.json").write_text("{")
    with Library.open(library_folder) as library:
        assert library.search("red", notify=told.append)
    assert sum("preparing tiny" in line for line in told) == 2


def test_the_same_weights_under_another_name_are_the_same_space(
    library: Library, photos: Path, picture: MakePicture, tmp_path: Path
) -> None:
    picture("a.png")
    for name in ("one.pth", "two.pth"):
        save_moco(tmp_path / name, seed=0)
        library.build([photos], BuildOptions(model=f"ssl:{tmp_path / name}"))
    assert len(library.status().spaces) == 2  # tiny, and the one


def test_a_space_keeps_its_model(library: Library, photos: Path, picture: MakePicture) -> None:
    picture("a.png")
    library.build([photos])
    with pytest.raises(UsageError, match="space tiny was built with tiny, not tiny:blind"):
        library.build([photos], BuildOptions(model="tiny:blind", space="tiny"))
    with pytest.raises(UsageError, match="no space is called tinny; did you mean tiny"):
        library.build([photos], BuildOptions(space="tinny"))
