"""What `train` made: `run:NAME`, or `run:FOLDER` for the folder of a run wherever it lies.

`run.json` says how the network is built, `weights.safetensors` beside it fills it. CLIP lies there as open_clip
saves a model.
"""

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from timm import is_model
from timm.models.resnet import ResNet
from torch import nn

from indexer.embedders import load_model
from indexer.embedders.base import Model, Notify, Preprocessing
from indexer.embedders.checkpoints import read_state_dict
from indexer.embedders.towers import misfit
from indexer.embedders.trunks import named, recognise
from indexer.errors import CheckpointError, ModelUnavailableError

__all__ = ["load", "references", "trunk_of"]

DESCRIPTION, WEIGHTS = "run.json", "weights.safetensors"
LICENCE = "your own"


def references() -> Sequence[str]:
    """None that are known by name; each library has its own."""
    return []


def load(reference: str, notify: Notify) -> Model:
    """Load the model of a run. Raises ModelUnavailableError or CheckpointError."""
    folder = Path(os.path.expanduser(reference))
    described = _described(folder)
    try:
        model = _model(folder, described, notify)
    except (KeyError, TypeError, ValueError, RuntimeError) as error:
        raise CheckpointError(
            f"{folder / DESCRIPTION} and its weights disagree: {misfit(error)}"
        ) from error
    model.name = f"run:{reference}"
    model.licence = LICENCE if "over" not in described["network"] else model.licence
    model.details |= {"method": described["method"], "pictures": described["data"]["pictures"]}
    return model


def _described(folder: Path) -> dict[str, Any]:
    path = folder / DESCRIPTION
    try:
        described: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ModelUnavailableError(
            f"there is no finished run in {folder}; `glimpse train` makes one"
        ) from None
    except (OSError, ValueError) as error:
        raise CheckpointError(f"{path} cannot be read: {error}") from error
    return described


def _model(folder: Path, described: Mapping[str, Any], notify: Notify) -> Model:
    network = described["network"]
    if "open_clip" in network:
        return load_model(f"open_clip:local-dir:{folder}", notify)
    state = read_state_dict(folder / WEIGHTS)
    if "heads" in network:
        return _with_heads(folder, network, state, notify)
    preprocessing = _preprocessing(described["preprocessing"])
    if "like" in network:
        tower = load_model(_beside(folder, network["like"]), notify).image_tower
    else:
        tower = trunk_of(network, state)
    tower.load_state_dict(state)
    tower.eval().requires_grad_(False)
    return Model(
        name="",
        dim=described["dim"],
        preprocessing=preprocessing,
        image_tower=tower,
        licence=LICENCE,
    )


def _beside(folder: Path, name: str) -> str:
    """A model by its name; another run lies beside this one, wherever the library is now."""
    prefix, _, run = name.partition(":")
    return f"run:{folder.parent / run}" if prefix == "run" else name


def trunk_of(network: Mapping[str, Any], state: Mapping[str, torch.Tensor]) -> nn.Module:
    """Timm's network of that name, with the stem that its tensors tell of; one of ours as all of them tell."""
    if not is_model(network["trunk"]):
        return recognise(state, stem_stride=network["stem_stride"]).module
    trunk = named(network["trunk"]).module
    if isinstance(trunk, ResNet) and "conv1.weight" in state:
        _set_stem(trunk, state["conv1.weight"], network["stem_stride"])
    elif set_size := getattr(trunk, "set_input_size", None):
        set_size(img_size=network["size"])
    return trunk


def _set_stem(trunk: ResNet, weight: torch.Tensor, stride: int) -> None:
    """One convolution without pooling behind it, if training put that in place of timm's stem for small pictures."""
    if weight.shape == getattr(trunk.conv1, "weight", torch.empty(0)).shape:
        return
    width, channels, kernel, _ = weight.shape
    trunk.conv1 = torch.nn.Conv2d(
        channels, width, kernel, stride=stride, padding=kernel // 2, bias=False
    )
    trunk.maxpool = torch.nn.Identity()


def _with_heads(
    folder: Path, network: Mapping[str, Any], state: Mapping[str, torch.Tensor], notify: Notify
) -> Model:
    model = load_model(_beside(folder, network["over"]), notify)
    model.image_tower = nn.Sequential(model.image_tower, Unit(), _head(state, "image_head."))
    if model.text_tower is not None and not network["heads"]["lock_text"]:
        model.text_tower = nn.Sequential(model.text_tower, Unit(), _head(state, "text_head."))
    model.dim = network["heads"]["dim"]
    model.image_tower.eval().requires_grad_(False)
    return model


class Unit(nn.Module):
    """Rows of length 1, which is how the library keeps the vectors that heads learn from."""

    def forward(self, rows: torch.Tensor) -> torch.Tensor:
        """(n, dim) -> (n, dim)."""
        return nn.functional.normalize(rows, dim=-1)


def _head(state: Mapping[str, torch.Tensor], prefix: str) -> nn.Module:
    """One linear layer, or two with GELU between them, as the tensors tell."""
    weights = {key.removeprefix(prefix): t for key, t in state.items() if key.startswith(prefix)}
    if set(weights) == {"weight"}:
        outputs, inputs = weights["weight"].shape
        head: nn.Module = nn.Linear(inputs, outputs, bias=False)
    else:
        hidden, inputs = weights["0.weight"].shape
        outputs = weights["2.weight"].shape[0]
        head = nn.Sequential(nn.Linear(inputs, hidden), nn.GELU(), nn.Linear(hidden, outputs))
    head.load_state_dict(weights)
    return head


def _preprocessing(described: Mapping[str, Any]) -> Preprocessing:
    values: dict[str, Any] = {
        key: tuple(value) if isinstance(value, list) else value for key, value in described.items()
    }
    return Preprocessing(**values)
