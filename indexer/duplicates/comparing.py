"""Whether one picture is a copy of another, by laying the one over the other."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from io import BytesIO
from math import radians, sin

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from indexer.errors import PictureError
from indexer.pictures.perceptual import SYMMETRIES, turned
from indexer.pictures.registration import Overlay, Small, overlay, small

__all__ = ["EDGE", "Comparing", "Likeness", "is_copy", "open_thumbnail"]

# Chosen on 50 photos with 28 copies and 3 frames each (benchmarks/duplicates.py), none of which is among those
# that the benchmark measures.
LEAST_CORRELATION = 0.965
MOST_DIFFERENCE = 0.6
MOST_IN_A_BLOCK = 4.0
"""A subject that moved changes a place by tens of levels; JPEG at quality 40 does by three."""
MOST_OUTSIDE = 0.03
"""A copy shows nothing that its original does not, but for a pixel at each border."""
LARGEST_ANGLE = 7.0
LEAST_SCALE = 0.75
CLOSE = 4
"""Bits by which a symmetry may fit worse than the best and still be tried."""
EDGE = 320
"""Of the thumbnails compared; smaller ones would hide a subject that moved a little."""
HELD = 512
"""Small pictures in memory, 0.3 MB each."""

Hash = NDArray[np.uint8]
Thumbnail = Callable[[int], bytes]


@dataclass(frozen=True, slots=True)
class Likeness:
    """What a copy is to the picture that it was compared with."""

    quarter_turns: int
    """Anticlockwise, by which the other is turned to become the copy."""
    mirrored: bool
    angle: float
    """Degrees of rotation besides."""
    shown: float
    """The share of the other picture that the copy shows."""


def is_copy(laid: Overlay) -> bool:
    """Whether two pictures show the same photo, by how they lie over each other."""
    corners = 0.5 * sin(radians(abs(laid.angle)))  # what a rotated frame cuts off and adds
    return (
        laid.correlation >= LEAST_CORRELATION
        and laid.difference <= MOST_DIFFERENCE
        and laid.worst_block <= MOST_IN_A_BLOCK
        and laid.outside <= MOST_OUTSIDE + corners
        and abs(laid.angle) <= LARGEST_ANGLE
        and LEAST_SCALE <= laid.scale <= 1 / LEAST_SCALE
    )


class Comparing:
    """Compares contents by their thumbnails, of which the latest stay in memory."""

    def __init__(self, thumbnail: Thumbnail) -> None:
        """`thumbnail` gives the JPEG of a content, or raises PictureError."""
        self._thumbnail = thumbnail
        self._small = lru_cache(HELD)(self._load)

    def compare(self, first: int, second: int, hashes: tuple[Hash, Hash]) -> Likeness | None:
        """What the second content is to the first; None where it is no copy, or either cannot be read."""
        try:
            other = self._small(second, 0)
            for symmetry in likely_symmetries(*hashes):
                laid = overlay(self._small(first, symmetry), other)
                if laid and is_copy(laid):
                    turns, mirrored = SYMMETRIES[symmetry]
                    return Likeness(turns, mirrored, laid.angle, laid.shown)
        except PictureError:
            return None
        return None

    def _load(self, content: int, symmetry: int) -> Small:
        image = open_thumbnail(self._thumbnail(content))
        turns, mirrored = SYMMETRIES[symmetry]
        if mirrored:
            image = image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
        return small(image.rotate(90 * turns, expand=True) if turns else image)


def open_thumbnail(data: bytes) -> Image.Image:
    """A thumbnail's picture. Raises PictureError where its file was damaged."""
    try:
        image = Image.open(BytesIO(data))
        image.load()
    except (OSError, SyntaxError, ValueError) as error:
        raise PictureError(f"its thumbnail is damaged ({error})") from error
    return image.convert("RGB")


def likely_symmetries(first: Hash, second: Hash) -> list[int]:
    """By which the first may have become the second, the likeliest first, as indices of SYMMETRIES."""
    distances = np.bitwise_count(turned(first[None])[:, 0] ^ second).sum(axis=1, dtype=np.int64)
    order = np.argsort(distances, kind="stable")
    return [int(i) for i in order[:2] if distances[i] <= distances[order[0]] + CLOSE]
