"""What the image tower says of pictures, as they are and in other views."""

import os
import random
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import torch
from numpy.typing import NDArray
from open_clip.zero_shot_metadata import IMAGENET_CLASSNAMES
from PIL import Image
from rich.progress import track
from torch import Tensor, nn

from examples.starter_head.captioned import Captioned
from indexer.embedders import starter
from indexer.pictures.decoding import load_picture
from indexer.pictures.limits import Limits
from indexer.pictures.preprocessing import edge_needed, preprocess

__all__ = ["features"]

LIMITS = Limits(max_megapixels=1000)
"""One of the drawings has 623."""
LARGEST = 640
"""Edge to which a picture is reduced before other views of it are drawn, in pixels."""
BATCH = 16
ZOOM = 0.75, 1.25
"""Edges of views by the picture's longer edge: below 1 its margins are cut off, above 1 there is more ground."""


def features(
    pictures: Sequence[Captioned],
    what: str,
    *,
    views: int = 1,
    mirrored: bool = True,
) -> list[Tensor]:
    """Float32 (n, 1280) for each view; the first is the picture as the starter model sees it.

    The others differ in size and place, and half of them are `mirrored` where that does not change what is shown.
    """
    tower = starter.HeadedTower(starter.classifier(), nn.Identity())
    rows: list[list[Tensor]] = [[] for _ in range(views)]

    def squares(number: int) -> list[NDArray[np.uint8]]:
        rng = random.Random(number)
        return _squares(pictures[number], views, mirrored, rng)

    numbers = range(len(pictures))
    with ThreadPoolExecutor(os.cpu_count()) as threads, torch.inference_mode():
        for start in track(numbers[::BATCH], what):
            batch = threads.map(squares, numbers[start : start + BATCH])
            for view, pixels in enumerate(zip(*batch, strict=True)):
                rows[view].append(_embedded(tower, np.stack(pixels)))
    return [torch.cat(each).clone() for each in rows]


def _embedded(tower: starter.HeadedTower, pixels: NDArray[np.uint8]) -> Tensor:
    scaled = torch.from_numpy(pixels).permute(0, 3, 1, 2).float() / 127.5 - 1
    return tower.describe(scaled)[:, len(IMAGENET_CLASSNAMES) :]


def _squares(
    one: Captioned, views: int, mirrored: bool, rng: random.Random
) -> list[NDArray[np.uint8]]:
    how = starter.PREPROCESSING
    picture = load_picture(one.picture, LIMITS, at_least=edge_needed(how)).convert("RGB")
    first = preprocess(picture, how)
    picture.thumbnail((LARGEST, LARGEST))
    others = (_view(picture, mirrored, rng) for _ in range(views - 1))
    return [first, *(preprocess(each, how) for each in others)]


def _view(picture: Image.Image, mirrored: bool, rng: random.Random) -> Image.Image:
    """A square of white ground with the picture somewhere about its middle."""
    if mirrored and rng.random() < 0.5:
        picture = picture.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    edge = int(max(picture.size) * rng.uniform(*ZOOM))
    ground = Image.new("RGB", (edge, edge), "white")
    left, top = (int((edge - length) * rng.uniform(0.3, 0.7)) for length in picture.size)
    ground.paste(picture, (left, top))
    return ground
