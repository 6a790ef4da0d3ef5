"""Trunks of timm: the embedding is timm's own, from weights that are read safely."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import timm
import torch
from PIL import Image
from safetensors.torch import save_file
from timm.data import create_transform, resolve_model_data_config

from indexer.embedders import load_model
from indexer.embedders.base import Model
from indexer.errors import CheckpointError, ModelError, ModelUnavailableError, UnknownModelError
from indexer.pictures.preprocessing import preprocess
from indexer.runtime import bundle
from indexer.runtime.export import export

SQUASHED = "tf_efficientnetv2_b3.in21k_ft_in1k"
"""Squashes to more than it sees, and then takes the centre."""
SMALL = ["test_vit.r160_in1k", "test_resnet.r160_in1k", "test_efficientnet.r160_in1k"]


def random_trunk(name: str, classes: int | None = None) -> Any:
    torch.manual_seed(2)
    options = {} if classes is None else {"num_classes": classes}
    trunk = timm.create_model(name, **options).eval()
    with torch.no_grad():
        for parameter in trunk.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.02)
    return trunk


def load(name: str, weights: Path) -> Model:
    return load_model(f"timm:{name}@{weights}", lambda _: None)


def features(trunk: Any, pixels: torch.Tensor) -> torch.Tensor:
    """What timm calls the pooled features, without a classifier."""
    with torch.no_grad():
        pooled: torch.Tensor = trunk.forward_head(trunk.forward_features(pixels), pre_logits=True)
    return pooled


@pytest.mark.parametrize("name", SMALL)
def test_the_embedding_is_timms_pooled_features(name: str, tmp_path: Path) -> None:
    trunk = random_trunk(name)
    save_file(trunk.state_dict(), tmp_path / "model.safetensors")
    model = load(name, tmp_path / "model.safetensors")
    pixels = torch.randn(2, 3, 160, 160)
    with torch.no_grad():
        found = model.image_tower(pixels)
    torch.testing.assert_close(found, features(trunk, pixels))
    assert (found.shape[1], model.text_tower) == (model.dim, None)


def test_an_exported_trunk_answers_as_timm_does(tmp_path: Path) -> None:
    trunk = random_trunk("test_convnext")
    torch.save({"state_dict": trunk.state_dict(), "epoch": 1}, tmp_path / "checkpoint.pth")
    model = load("test_convnext", tmp_path / "checkpoint.pth")
    pixels = np.random.default_rng(0).integers(0, 256, (2, 160, 160, 3), np.uint8)
    normalise = create_transform(**resolve_model_data_config(trunk)).transforms[-1]
    rows = features(trunk, normalise(torch.from_numpy(pixels).permute(0, 3, 1, 2) / 255)).numpy()
    found = bundle.load(export(model, tmp_path / "models")).embed_images(pixels)
    cosines = (found * rows).sum(1) / np.linalg.norm(rows, axis=1)
    assert cosines.min() > 0.9999


@pytest.mark.parametrize("classes", [0, 10])
def test_weights_with_any_classifier_or_none_will_do(classes: int, tmp_path: Path) -> None:
    trunk = random_trunk("test_vit", classes)
    save_file(trunk.state_dict(), tmp_path / "own.safetensors")
    pixels = torch.randn(1, 3, 160, 160)
    with torch.no_grad():
        found = load("test_vit", tmp_path / "own.safetensors").image_tower(pixels)
    torch.testing.assert_close(found, features(trunk, pixels))


@pytest.mark.parametrize("name", ["test_vit", "resnet18.a1_in1k", SQUASHED])
def test_pictures_are_prepared_as_timm_prepares_them(name: str, tmp_path: Path) -> None:
    trunk = random_trunk(name)
    save_file(trunk.state_dict(), tmp_path / "model.safetensors")
    model = load(name, tmp_path / "model.safetensors")
    config = resolve_model_data_config(trunk)
    assert model.preprocessing.mean == pytest.approx(config["mean"])
    assert model.preprocessing.std == pytest.approx(config["std"])
    for size in ((300, 200), (97, 331)):
        noise = np.random.default_rng(3).integers(0, 256, (*size, 3), np.uint8)
        picture = Image.fromarray(noise)
        expected = create_transform(**config, normalize=False)(picture).permute(1, 2, 0).numpy()
        np.testing.assert_array_equal(preprocess(picture, model.preprocessing), expected)


def test_the_weights_of_another_trunk_are_refused_with_file_and_key(tmp_path: Path) -> None:
    state = random_trunk("test_vit").state_dict()
    state["norm.weight"] = torch.ones(7)
    del state["cls_token"]
    save_file(state, tmp_path / "odd.safetensors")
    with pytest.raises(CheckpointError) as refusal:
        load("test_vit", tmp_path / "odd.safetensors")
    for told in ("odd.safetensors", "cls_token", "norm.weight", "[7]", "[64]"):
        assert told in str(refusal.value)
    assert "\n" not in str(refusal.value)


def test_weights_that_lack_everything_but_the_classifier_are_refused(tmp_path: Path) -> None:
    save_file({"head.weight": torch.zeros(10, 64), "head.bias": torch.zeros(10)}, tmp_path / "h.pt")
    with pytest.raises(CheckpointError, match="does not fit"):
        load("test_vit", tmp_path / "h.pt")


def test_a_trunk_that_takes_no_square_is_refused_before_any_download() -> None:
    with pytest.raises(ModelError, match="takes 3 x 1024 x 768, not a square"):
        load_model("timm:vit_base_patch16_sapiens2.fb", lambda _: None)


def test_a_missing_file_is_said_to_be_missing(tmp_path: Path) -> None:
    with pytest.raises(ModelUnavailableError, match="no such file"):
        load("test_vit", tmp_path / "none.safetensors")


def test_a_trunk_that_is_nearly_named_is_named() -> None:
    with pytest.raises(UnknownModelError, match="did you mean timm:vit_small_patch14_dinov2"):
        load_model("timm:vit_small_patch14_dinov2.lvd142", lambda _: None)
