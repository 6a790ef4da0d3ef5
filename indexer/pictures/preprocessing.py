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
_LIKE = 12
"""Steps of 255 in any channel by which pixels of one colour may differ, as JPEG's noise makes them."""
_PLAIN = 0.8
"""Share of the outermost pixels that have the colour of a plain ground; a drawing may touch its edges."""


def edge_needed(preprocessing: Preprocessing) -> int:
    """The shortest edge, in pixels, below which `preprocess` would have to enlarge noticeably."""
    return preprocessing.resize_to or preprocessing.size


def preprocess(image: Image.Image, preprocessing: Preprocessing) -> NDArray[np.uint8]:
    """Resize and crop an RGB image to (size, size, 3).

    Equal, pixel for pixel, to the evaluation transforms of torchvision, OpenCLIP and timm up to
    an aspect ratio of 16; near them beyond it. They know no `plain_resize_to`.
    """
    how, edge = preprocessing.resize, edge_needed(preprocessing)
    fill = (preprocessing.fill,) * 3
    if preprocessing.plain_resize_to and (ground := _plain_ground(image)):
        how, edge, fill = "longest", preprocessing.plain_resize_to, ground
    if how == "shortest":
        image = _middle(image)
    kernel = _FILTERS[preprocessing.interpolation]
    resized = _shortened(image, edge).resize(_target(image.size, edge, how), kernel)
    return np.asarray(_centred(resized, preprocessing.size, fill))


def _plain_ground(image: Image.Image) -> tuple[int, int, int] | None:
    """The colour of nearly all the outermost pixels, if they have one."""
    width, height = image.size
    borders = (
        (0, 0, width, 1),
        (0, height - 1, width, height),
        (0, 0, 1, height),
        (width - 1, 0, width, height),
    )
    strips = [np.asarray(image.crop(box)).reshape(-1, 3).T for box in borders]
    channels = np.concatenate(strips, axis=1)
    middle = channels.shape[1] // 2
    red, green, blue = np.partition(channels, middle)[:, middle].tolist()
    apart = np.abs(channels - np.array([[red], [green], [blue]], np.int16)).max(axis=0)
    return (red, green, blue) if (apart <= _LIKE).mean() >= _PLAIN else None


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


def _is_extreme(image: Image.Image) -> bool:
    return max(image.size) > _EXTREME * min(image.size)


def _middle(image: Image.Image) -> Image.Image:
    """The middle of an extreme strip, `_EXTREME` times as long as wide: more than a crop keeps."""
    if not _is_extreme(image):
        return image
    short, long = sorted(image.size)
    margin = (long - _EXTREME * short) // 2
    if image.width == long:
        return image.crop((margin, 0, long - margin, short))
    return image.crop((0, margin, short, long - margin))


def _shortened(image: Image.Image, edge: int) -> Image.Image:
    """An extreme strip averaged along its length, down to about `_EXTREME` times `edge`."""
    if not _is_extreme(image):
        return image
    width, height = (max(1, length // (_EXTREME * edge)) for length in image.size)
    return image.reduce((width, height))


def _centred(image: Image.Image, size: int, fill: tuple[int, ...]) -> Image.Image:
    """Crop or pad each edge to `size`, rounding as CenterCropOrPad of OpenCLIP and timm does."""
    canvas = Image.new("RGB", (size, size), fill)
    left, top = (
        (size - edge) // 2 if edge < size else -round((edge - size) / 2) for edge in image.size
    )
    canvas.paste(image, (left, top))
    return canvas
