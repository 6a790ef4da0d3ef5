"""The square that a model sees, cut from an upright picture."""

from typing import Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from indexer.embedders.base import Preprocessing

__all__ = ["edge_needed", "preprocess"]

_FILTERS = {
    "bilinear": Image.Resampling.BILINEAR,
    "bicubic": Image.Resampling.BICUBIC,
    "lanczos": Image.Resampling.LANCZOS,
    "nearest": Image.Resampling.NEAREST,
}
_EXTREME = 16
"""Aspect ratio beyond which a picture is cut down first: 1 x 60000 would become 224 x 13.4 million
pixels on the way."""


def edge_needed(preprocessing: Preprocessing) -> int:
    """The shortest edge, in pixels, below which `preprocess` would have to enlarge."""
    return preprocessing.resize_to or preprocessing.size


def preprocess(image: Image.Image, preprocessing: Preprocessing) -> NDArray[np.uint8]:
    """Resize and crop an RGB image to (size, size, 3).

    Equal, pixel for pixel, to the evaluation transforms of torchvision, OpenCLIP and timm up to
    an aspect ratio of 16; near them beyond it.
    """
    edge, kernel = edge_needed(preprocessing), _FILTERS[preprocessing.interpolation]
    if max(image.size) > _EXTREME * min(image.size):
        if preprocessing.resize == "shortest":
            image = _middle(image)
        elif preprocessing.resize == "squash":
            # Pillow resizes the width first, which here would leave `edge` very long columns.
            image = image.resize((image.width, edge), kernel)
    resized = image.resize(_target(image.size, edge, preprocessing.resize), kernel)
    return np.asarray(_centred(resized, preprocessing.size, preprocessing.fill))


def _target(
    size: tuple[int, int], edge: int, how: Literal["shortest", "squash", "longest"]
) -> tuple[int, int]:
    width, height = size
    match how:
        case "squash":
            return edge, edge
        case "longest":  # rounded half to even, as ResizeKeepRatio of OpenCLIP and timm does
            ratio = max(size) / edge
            return max(1, round(width / ratio)), max(1, round(height / ratio))
        case "shortest":  # cut to a whole number, as torchvision does
            if width <= height:
                return edge, int(edge * height / width)
            return int(edge * width / height), edge


def _middle(image: Image.Image) -> Image.Image:
    """The middle of a strip, `_EXTREME` times as long as it is wide: more than a crop can keep."""
    short, long = sorted(image.size)
    margin = (long - _EXTREME * short) // 2
    if image.width == long:
        return image.crop((margin, 0, long - margin, short))
    return image.crop((0, margin, short, long - margin))


def _centred(image: Image.Image, size: int, fill: int) -> Image.Image:
    """Crop or pad each edge to `size`, rounding as CenterCropOrPad of OpenCLIP and timm does."""
    canvas = Image.new("RGB", (size, size), (fill, fill, fill))
    left, top = (
        (size - edge) // 2 if edge < size else -round((edge - size) / 2) for edge in image.size
    )
    canvas.paste(image, (left, top))
    return canvas
