"""The networks that learn, by name; all are timm's, so whoever loads their weights can build them."""

import difflib

import timm
import torch
from timm.models.resnet import BasicBlock, ResNet
from torch import nn

from indexer.errors import ModelError, UnknownModelError
from indexer.train.augmentations import SMALL

__all__ = ["NARROW", "make_trunk"]

NARROW = "resnet10-narrow"
"""A ResNet-10 of half the width, which halves small pictures at once: for two processor cores.

It trains about fifteen times as many pictures a second as a ResNet-18.
"""
NARROW_CHANNELS = (32, 64, 128, 256)


def make_trunk(name: str, size: int) -> tuple[nn.Module, int]:
    """A network at random weights without its head, for pictures of `size` pixels; its dimension.

    float32 (n, 3, size, size) -> float32 (n, dim). `name` is `NARROW` or one of timm's. For small
    pictures a ResNet begins with a 3x3 convolution and no max pooling, as in SimCLR's
    appendix B.9 (arXiv 2002.05709); of stride 1, but for `NARROW`. Raises UnknownModelError for
    another name, ModelError where the network does not take pictures of that size.
    """
    trunk = _narrow() if name == NARROW else _of_timm(name)
    try:
        if isinstance(trunk, ResNet) and size <= SMALL:
            _set_stem(trunk, kernel=3, stride=2 if name == NARROW else 1)
            trunk.maxpool = nn.Identity()
        elif set_size := getattr(trunk, "set_input_size", None):  # transformers: a place a patch
            set_size(img_size=size)
        return trunk, _dimension(trunk, size)
    except (AssertionError, RuntimeError, ValueError) as error:
        raise ModelError(f"{name} does not take pictures of {size} pixels: {error}") from error


def _narrow() -> ResNet:
    # timm gives a stem of another width than 64 only three layers; one takes their place.
    width = NARROW_CHANNELS[0]
    blocks = (1, 1, 1, 1)
    trunk = ResNet(
        BasicBlock,
        blocks,
        num_classes=0,
        channels=NARROW_CHANNELS,
        stem_type="deep",
        stem_width=width // 2,
    )
    _set_stem(trunk, kernel=7, stride=2)
    return trunk


def _of_timm(name: str) -> nn.Module:
    if not timm.is_model(name):
        near = difflib.get_close_matches(name, [NARROW, *timm.list_models()])
        hint = f"; did you mean {' or '.join(near)}?" if near else ""
        raise UnknownModelError(f"timm has no network named {name}{hint}")
    return timm.create_model(name, pretrained=False, num_classes=0)  # type: ignore[no-any-return]


def _set_stem(trunk: ResNet, kernel: int, stride: int) -> None:
    """Put one convolution in place of the stem, at random as timm does it."""
    stem = nn.Conv2d(
        3, trunk.bn1.num_features, kernel, stride=stride, padding=kernel // 2, bias=False
    )
    nn.init.kaiming_normal_(stem.weight, mode="fan_out", nonlinearity="relu")
    trunk.conv1 = stem


@torch.no_grad()
def _dimension(trunk: nn.Module, size: int) -> int:
    shape = tuple(trunk.eval()(torch.zeros(1, 3, size, size)).shape)
    trunk.train()
    if len(shape) != 2:
        raise ValueError(f"it gives {shape} for one picture, not one row")
    return int(shape[1])
