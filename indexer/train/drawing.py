"""What an augmentation draws at random and does with it: the draws of torchvision's transforms, in their order."""

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import torch
from PIL import Image
from torch import Tensor

__all__ = ["happens", "jittered", "random_box"]

NARROWEST, WIDEST = 3 / 4, 4 / 3
ASPECTS = torch.log(torch.tensor((NARROWEST, WIDEST))).tolist()
TRIES = 10

Box = tuple[int, int, int, int]


def happens(probability: float) -> bool:
    """True so often."""
    return torch.rand(1).item() < probability


def random_box(width: int, height: int, min_scale: float) -> Box:
    """Left, top, right and bottom of a part of a picture: of `min_scale` to all of its area, 3:4 to 4:3.

    Inception's crop (Szegedy et al., arXiv 1409.4842). Where none fits in ten tries, the middle.
    """
    for _ in range(TRIES):
        area = width * height * _uniform(min_scale, 1.0).item()
        aspect = torch.exp(_uniform(*ASPECTS)).item()
        w, h = round(math.sqrt(area * aspect)), round(math.sqrt(area / aspect))
        if 0 < w <= width and 0 < h <= height:
            top = int(torch.randint(0, height - h + 1, (1,)).item())
            left = int(torch.randint(0, width - w + 1, (1,)).item())
            return left, top, left + w, top + h
    return _middle(width, height)


def jittered(image: Image.Image, amounts: tuple[float, float, float, float]) -> Image.Image:
    """Brightness, contrast, saturation and hue changed by so much at most, in an order drawn too.

    The first three by factors about 1, hue by a share of the circle.
    """
    order = torch.randperm(len(_STEPS)).tolist()
    drawn = [
        _uniform(max(step.least, step.centre - amount), step.centre + amount).item()
        if amount
        else None
        for step, amount in zip(_STEPS, amounts, strict=True)
    ]
    for number in order:
        value = drawn[number]
        if value is not None:
            image = _STEPS[number].change(image, value)
    return image


def _uniform(low: float, high: float) -> Tensor:
    return torch.empty(1).uniform_(low, high)


def _middle(width: int, height: int) -> Box:
    if width < height * NARROWEST:
        w, h = width, round(width / NARROWEST)
    elif width > height * WIDEST:
        w, h = round(height * WIDEST), height
    else:
        w, h = width, height
    left, top = (width - w) // 2, (height - h) // 2
    return left, top, left + w, top + h


def _scale_brightness(image: Image.Image, factor: float) -> Image.Image:
    return Image.blend(Image.new("RGB", image.size), image, factor)


def _scale_contrast(image: Image.Image, factor: float) -> Image.Image:
    # As ImageEnhance does, which finds the mean in Python.
    mean = int(np.asarray(image.convert("L")).mean() + 0.5)
    return Image.blend(Image.new("RGB", image.size, (mean, mean, mean)), image, factor)


def _scale_saturation(image: Image.Image, factor: float) -> Image.Image:
    return Image.blend(image.convert("L").convert("RGB"), image, factor)


def _turn_hue(image: Image.Image, share: float) -> Image.Image:
    pixels = np.array(image.convert("HSV"))
    # In 256 steps round the circle, as bytes go round.
    pixels[:, :, 0] += np.int32(share * 255).astype(np.uint8)
    return Image.frombytes("HSV", image.size, pixels).convert("RGB")


class _Step(NamedTuple):
    centre: float
    """The value that changes nothing."""
    least: float
    change: Callable[[Image.Image, float], Image.Image]


_STEPS = (
    _Step(1.0, 0.0, _scale_brightness),
    _Step(1.0, 0.0, _scale_contrast),
    _Step(1.0, 0.0, _scale_saturation),
    _Step(0.0, -0.5, _turn_hue),
)
