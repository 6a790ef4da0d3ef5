"""Copies of a picture, as people make them, and frames of its scene that are no copies.

A copy shows the same photo: encoded anew, scaled, cropped by up to 10 %, straightened by up to 5 degrees, turned,
mirrored, or several of these. A frame is what a camera would have taken a moment apart: another view, and a
subject that moved or left.
"""

import io
import random
from collections.abc import Callable, Iterator
from itertools import product
from math import cos, radians, sin

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

__all__ = ["COPIES", "encoded", "frames"]

BICUBIC = Image.Resampling.BICUBIC
FRAMES = 3
WINDOW = 0.82
"""Of each edge: what a frame shows of the scene."""
LEAST_CHANGE = 12.0
"""Levels of 255 by which the place that a subject left changes on average; less is no movement that anybody sees."""

Change = Callable[[Image.Image, random.Random], Image.Image]


def encoded(image: Image.Image, format: str, quality: int = 90) -> bytes:
    """The bytes of a file."""
    out = io.BytesIO()
    image.save(out, format, **({} if format == "PNG" else {"quality": quality}))
    return out.getvalue()


def _as_it_is(image: Image.Image, chance: random.Random) -> Image.Image:
    return image


def _scaled(factor: float) -> Change:
    def change(image: Image.Image, chance: random.Random) -> Image.Image:
        size = [max(16, round(edge * factor)) for edge in image.size]
        return image.resize((size[0], size[1]), Image.Resampling.LANCZOS)

    return change


def _cropped(share: float) -> Change:
    """`share` of each edge goes, split at random between its two sides."""

    def change(image: Image.Image, chance: random.Random) -> Image.Image:
        width, height = image.size
        left, top = (share * edge * chance.random() for edge in image.size)
        box = (left, top, left + width * (1 - share), top + height * (1 - share))
        return image.crop(tuple(round(edge) for edge in box))  # type: ignore[arg-type]

    return change


def _one_side(share: float) -> Change:
    def change(image: Image.Image, chance: random.Random) -> Image.Image:
        width, height = image.size
        return chance.choice(
            [
                image.crop((round(width * share), 0, width, height)),
                image.crop((0, 0, width, round(height * (1 - share)))),
            ]
        )

    return change


def _straightened(degrees: float) -> Change:
    """Turned by so much one way or the other, and cropped to the largest box of the same shape without corners."""

    def change(image: Image.Image, chance: random.Random) -> Image.Image:
        angle = chance.choice((-degrees, degrees))
        width, height = image.size
        longer = max(width / height, height / width)
        scale = 1 / (cos(radians(degrees)) + longer * sin(radians(degrees)))
        turned = image.rotate(angle, BICUBIC)
        left, top = width * (1 - scale) / 2, height * (1 - scale) / 2
        return turned.crop((round(left), round(top), round(width - left), round(height - top)))

    return change


def _on_canvas(degrees: float) -> Change:
    """Turned, with black or white corners."""

    def change(image: Image.Image, chance: random.Random) -> Image.Image:
        fill = chance.choice(((0, 0, 0), (255, 255, 255)))
        angle = chance.choice((-degrees, degrees))
        return image.rotate(angle, BICUBIC, expand=chance.random() < 0.5, fillcolor=fill)

    return change


def _transposed(how: Image.Transpose) -> Change:
    return lambda image, chance: image.transpose(how)


def _all(*changes: Change) -> Change:
    def change(image: Image.Image, chance: random.Random) -> Image.Image:
        for each in changes:
            image = each(image, chance)
        return image

    return change


T90, T180, T270 = (
    _transposed(how)
    for how in (Image.Transpose.ROTATE_90, Image.Transpose.ROTATE_180, Image.Transpose.ROTATE_270)
)
MIRRORED = _transposed(Image.Transpose.FLIP_LEFT_RIGHT)

COPIES: dict[str, tuple[Change, str, int]] = {
    "jpeg-95": (_as_it_is, "JPEG", 95),
    "jpeg-75": (_as_it_is, "JPEG", 75),
    "jpeg-40": (_as_it_is, "JPEG", 40),
    "webp-70": (_as_it_is, "WEBP", 70),
    "png": (_as_it_is, "PNG", 0),
    "scaled-0.3": (_scaled(0.3), "JPEG", 90),
    "scaled-0.5": (_scaled(0.5), "WEBP", 80),
    "scaled-1.5": (_scaled(1.5), "JPEG", 85),
    "scaled-2": (_scaled(2.0), "JPEG", 90),
    "cropped-2": (_cropped(0.02), "JPEG", 90),
    "cropped-5": (_cropped(0.05), "JPEG", 90),
    "cropped-10": (_cropped(0.10), "JPEG", 90),
    "cropped-10-one-side": (_one_side(0.10), "JPEG", 90),
    "straightened-1": (_straightened(1), "JPEG", 90),
    "straightened-3": (_straightened(3), "JPEG", 90),
    "straightened-5": (_straightened(5), "JPEG", 90),
    "rotated-2-corners": (_on_canvas(2), "JPEG", 90),
    "rotated-5-corners": (_on_canvas(5), "JPEG", 90),
    "turned-90": (T90, "JPEG", 90),
    "turned-180": (T180, "JPEG", 90),
    "turned-270": (T270, "JPEG", 90),
    "mirrored": (MIRRORED, "JPEG", 90),
    "cropped-5-scaled-0.5-jpeg-60": (_all(_cropped(0.05), _scaled(0.5)), "JPEG", 60),
    "straightened-2-cropped-4": (_all(_straightened(2), _cropped(0.04)), "JPEG", 85),
    "straightened-3-scaled-0.4": (_all(_straightened(3), _scaled(0.4)), "WEBP", 75),
    "turned-90-cropped-5": (_all(T90, _cropped(0.05)), "JPEG", 80),
    "turned-270-scaled-0.5-jpeg-50": (_all(T270, _scaled(0.5)), "JPEG", 50),
    "turned-180-straightened-2": (_all(T180, _straightened(2)), "JPEG", 85),
}
"""By name: the change, the format and its quality."""


def frames(image: Image.Image, chance: random.Random) -> Iterator[Image.Image]:
    """Views of one scene, a moment apart; none where nothing in the picture could move visibly."""
    scene = _without_subject(image)
    if scene is None:
        return
    background, subject, box = scene
    for _ in range(FRAMES):
        moment = background.copy()
        if chance.random() < 0.8:
            reach = 0.6 * (box[2] - box[0]), 0.6 * (box[3] - box[1])
            place = [
                round(box[i] + chance.choice((-1, 1)) * chance.uniform(0.5, 1) * reach[i])
                for i in (0, 1)
            ]
            moment.paste(subject, (place[0], place[1]), _soft(subject.size))
        yield _view(moment, chance)


def _without_subject(
    image: Image.Image,
) -> tuple[Image.Image, Image.Image, tuple[int, int, int, int]] | None:
    """The scene with its busiest place painted over by what surrounds it; that place; where it was."""
    width, height = image.size
    size = width // 5, height // 5
    detail = np.asarray(image.convert("L").filter(ImageFilter.FIND_EDGES), np.float32)
    corners = [
        (round(x * width), round(y * height))
        for x, y in product((0.25, 0.325, 0.4, 0.475, 0.55), repeat=2)
    ]
    left, top = max(corners, key=lambda c: _sum(detail, c, size))
    box = (left, top, left + size[0], top + size[1])
    subject = image.crop(box)
    step = -size[0] if left > width * 0.4 else size[0]
    cover = image.crop((left + step, top, left + step + size[0], top + size[1]))
    background = image.copy()
    background.paste(cover, box, _soft(size))
    change = np.abs(np.asarray(cover, np.float32) - np.asarray(subject, np.float32)).mean()
    return (background, subject, box) if change >= LEAST_CHANGE else None


def _sum(detail: NDArray[np.float32], corner: tuple[int, int], size: tuple[int, int]) -> float:
    return float(detail[corner[1] : corner[1] + size[1], corner[0] : corner[0] + size[0]].sum())


def _soft(size: tuple[int, int]) -> Image.Image:
    """A mask with soft borders."""
    mask = Image.new("L", size, 0)
    margin = max(1, min(size) // 10)
    mask.paste(255, (margin, margin, size[0] - margin, size[1] - margin))
    return mask.filter(ImageFilter.GaussianBlur(margin / 2))


def _view(moment: Image.Image, chance: random.Random) -> Image.Image:
    """From a slightly other place, angle and exposure."""
    width, height = moment.size
    out = round(width * WINDOW), round(height * WINDOW)
    shift = [(1 - WINDOW) * edge * chance.random() for edge in moment.size]
    corners = [(0.0, 0.0), (0.0, WINDOW), (WINDOW, WINDOW), (WINDOW, 0.0)]
    quad: list[float] = []
    for x, y in corners:
        bend = [chance.uniform(-0.02, 0.02) for _ in range(2)]
        quad += [shift[0] + (x + bend[0]) * width, shift[1] + (y + bend[1]) * height]
    view = moment.transform(out, Image.Transform.QUAD, quad, BICUBIC)
    gain = chance.uniform(0.93, 1.07)
    return view.point(lambda level: min(255, round(level * gain)))
