"""Laying one small picture over another, and how much they differ where both show the same.

The transform is a similarity (shift, rotation, scale), found from coarse to fine by the inverse compositional
algorithm of Baker and Matthews (2004), "Lucas-Kanade 20 Years On", on pictures of mean 0 and variance 1.
"""

from dataclasses import dataclass
from math import atan2, degrees, hypot

import numpy as np
from numpy.typing import NDArray
from PIL import Image

__all__ = ["Overlay", "Small", "overlay", "small"]

EDGE = 128
"""The square root of the area of the finest level, in pixels; each coarser level has half."""
STEPS = (6, 6, 8, 10)
"""Iterations, from the finest level to the coarsest."""
HOPELESS = 0.5
"""A correlation at the second level below which no finer one helps."""
BLOCK = 8
LEAST_BLOCK = BLOCK * BLOCK // 2
"""Pixels that both must show of a block for it to count."""

Grey = NDArray[np.float32]
Matrix = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Small:
    """A picture made small for comparing."""

    colour: Grey
    """(height, width, 3), levels of 255."""
    levels: tuple[Grey, ...]
    """Grey (height, width), finest first."""


@dataclass(frozen=True, slots=True)
class Overlay:
    """How one picture lies over another, and what differs."""

    correlation: float
    """Of the grey pictures where both show the same, -1 to 1."""
    difference: float
    """Levels of 255, on average, beyond what a shift by a pixel explains."""
    worst_block: float
    """The same, in the block of 1/16 of the edge that differs most."""
    shown: float
    """The share of the first picture that the second shows."""
    outside: float
    """The share of a picture that the other does not show; the smaller of the two such shares. 0 for a crop."""
    scale: float
    """Of the second picture to the first, both being scaled to one area before."""
    angle: float
    """Degrees by which the second picture is rotated."""


def small(image: Image.Image) -> Small:
    """Make an RGB picture ready for comparing."""
    scale = EDGE / np.sqrt(image.width * image.height)
    size = [max(BLOCK, round(edge * scale)) for edge in image.size]
    fine = image.resize((size[0], size[1]), Image.Resampling.BILINEAR, reducing_gap=2.0)
    colour = np.asarray(fine, np.float32)
    levels = [np.asarray(fine.convert("L"), np.float32)]
    for _ in STEPS[1:]:
        levels.append(_halved(levels[-1]))
    return Small(colour, tuple(levels))


def overlay(first: Small, second: Small) -> Overlay | None:
    """Lay the second picture over the first; None where they do not fit."""
    transform = np.eye(3)
    for level in reversed(range(len(STEPS))):
        transform = _scaled(transform, 2.0) if level < len(STEPS) - 1 else transform
        fitted = _fit(first.levels[level], second.levels[level], transform, STEPS[level])
        if fitted is None or (level == len(STEPS) - 2 and fitted[1] < HOPELESS):
            return None
        transform, correlation = fitted
    return _compared(first, second, transform, correlation)


def _fit(first: Grey, second: Grey, transform: Matrix, steps: int) -> tuple[Matrix, float] | None:
    """Improve the transform from the first picture's pixels, centred, to the second's."""
    x, y = _grid(first)
    down, across = np.gradient(first)
    # Shift, then growth and rotation about the centre.
    images = np.stack([across, down, across * x + down * y, down * x - across * y], axis=-1)
    correlation = 0.0
    for _ in range(steps):
        warped, inside = _warp(second, transform, x, y)
        if inside.sum() < inside.size / 2:
            return None
        a, b = first[inside], warped[inside]
        spread_a, spread_b = float(a.std()) + 1e-3, float(b.std()) + 1e-3
        a, b = (a - a.mean()) / spread_a, (b - b.mean()) / spread_b
        correlation = float((a * b).mean())
        steepest = images[inside] / spread_a
        steepest = steepest - steepest.mean(axis=0)
        hessian = steepest.T @ steepest
        step = np.linalg.solve(hessian + 1e-3 * np.eye(4), steepest.T @ (b - a))
        shift_x, shift_y, growth, turn = (float(value) for value in step)
        change = np.array([[1 + growth, -turn, shift_x], [turn, 1 + growth, shift_y], [0, 0, 1]])
        if abs(growth) > 0.5:
            return None
        transform = transform @ np.linalg.inv(change)
        if max(abs(shift_x), abs(shift_y)) < 0.02 and max(abs(growth), abs(turn)) < 0.0005:
            break
    return transform, correlation


def _compared(first: Small, second: Small, transform: Matrix, correlation: float) -> Overlay:
    x, y = _grid(first.levels[0])
    warped, inside = _warp(second.colour, transform, x, y)
    back = np.asarray(np.linalg.inv(transform), np.float64)
    _, covered = _warp(first.levels[0], back, *_grid(second.levels[0]))
    beyond = np.minimum(_beyond(first.colour, warped), _beyond(warped, first.colour)).max(axis=-1)
    return Overlay(
        correlation,
        float(beyond[inside].mean()),
        _worst_block(beyond, inside),
        float(inside.mean()),
        1 - max(float(inside.mean()), float(covered.mean())),
        hypot(transform[0, 0], transform[1, 0]),
        degrees(atan2(transform[1, 0], transform[0, 0])),
    )


def _beyond(picture: Grey, other: Grey) -> Grey:
    """How far each pixel lies outside of what the other has around the same place."""
    padded = np.pad(other, ((1, 1), (1, 1), (0, 0)), mode="edge")
    height, width = picture.shape[:2]
    around = [padded[i : i + height, j : j + width] for i in range(3) for j in range(3)]
    low, high = np.minimum.reduce(around), np.maximum.reduce(around)
    return np.asarray(np.maximum(np.maximum(low - picture, picture - high), 0), np.float32)


def _worst_block(beyond: Grey, inside: NDArray[np.bool_]) -> float:
    height, width = (edge // BLOCK * BLOCK for edge in beyond.shape)
    shape = (height // BLOCK, BLOCK, width // BLOCK, BLOCK)
    known = inside[:height, :width].reshape(shape)
    count = known.sum(axis=(1, 3))
    total = (beyond[:height, :width].reshape(shape) * known).sum(axis=(1, 3))
    enough = count >= LEAST_BLOCK
    return float((total[enough] / count[enough]).max()) if enough.any() else 0.0


def _grid(picture: Grey) -> tuple[Grey, Grey]:
    """Coordinates of each pixel from the centre."""
    height, width = picture.shape[:2]
    y, x = np.mgrid[:height, :width].astype(np.float32)
    return x - (width - 1) / 2, y - (height - 1) / 2


def _warp(picture: Grey, transform: Matrix, x: Grey, y: Grey) -> tuple[Grey, NDArray[np.bool_]]:
    """The picture at the transformed places, by bilinear interpolation; which of them lie in it."""
    height, width = picture.shape[:2]
    t = transform.astype(np.float32)
    u = t[0, 0] * x + t[0, 1] * y + (t[0, 2] + np.float32((width - 1) / 2))
    v = t[1, 0] * x + t[1, 1] * y + (t[1, 2] + np.float32((height - 1) / 2))
    inside = (u >= 0) & (u <= width - 1) & (v >= 0) & (v <= height - 1)
    left = np.clip(u.astype(np.int32), 0, width - 2)
    top = np.clip(v.astype(np.int32), 0, height - 2)
    right_share, low_share = u - left, v - top
    if picture.ndim == 3:
        right_share, low_share = right_share[..., None], low_share[..., None]
    flat = picture.reshape(height * width, *picture.shape[2:])
    at = top * width + left
    upper = flat[at] * (1 - right_share) + flat[at + 1] * right_share
    lower = flat[at + width] * (1 - right_share) + flat[at + width + 1] * right_share
    return upper * (1 - low_share) + lower * low_share, inside


def _halved(picture: Grey) -> Grey:
    height, width = (edge // 2 * 2 for edge in picture.shape)
    quads = picture[:height, :width].reshape(height // 2, 2, width // 2, 2)
    return np.asarray(quads.mean(axis=(1, 3)), np.float32)


def _scaled(transform: Matrix, factor: float) -> Matrix:
    """The same transform between pictures of so many times the size."""
    out = transform.copy()
    out[:2, 2] *= factor
    return out
