"""Folders of photos to build from, made of a few hundred that are there."""

import struct
from collections.abc import Iterator
from itertools import cycle, islice
from pathlib import Path

from PIL import Image

__all__ = ["lay_copies", "lay_large", "photos_in"]

LARGE = (4000, 3000)
SIDE = 4
"""A large photo is a mosaic of 4 x 4 of the others, so that it has detail as a photo of that size has."""
QUALITY = 90


def photos_in(folder: Path) -> list[Path]:
    """The JPEGs of a folder and those below it. Raises ValueError where there are none."""
    found = [path for path in folder.rglob("*") if path.suffix.lower() in (".jpg", ".jpeg")]
    if not found:
        raise ValueError(f"{folder} holds no JPEGs")
    return sorted(found)


def lay_copies(photos: list[Path], folder: Path, count: int) -> Path:
    """`count` files of these pictures, each of other bytes."""
    folder.mkdir(parents=True)
    for number, path in enumerate(islice(cycle(photos), count)):
        (folder / f"{number:06}.jpg").write_bytes(_remarked(path.read_bytes(), number))
    return folder


def lay_large(photos: list[Path], folder: Path, count: int) -> Path:
    """`count` photos of 12 megapixels."""
    folder.mkdir(parents=True)
    pictures = cycle(photos)
    for number in range(count):
        _mosaic(pictures).save(folder / f"{number:06}.jpg", quality=QUALITY)
    return folder


def _remarked(jpeg: bytes, number: int) -> bytes:
    """The same picture in other bytes: with a remark after the first marker."""
    remark = f"{number:012}".encode()
    return jpeg[:2] + b"\xff\xfe" + struct.pack(">H", len(remark) + 2) + remark + jpeg[2:]


def _mosaic(pictures: Iterator[Path]) -> Image.Image:
    width, height = LARGE[0] // SIDE, LARGE[1] // SIDE
    mosaic = Image.new("RGB", LARGE)
    for place in range(SIDE * SIDE):
        with Image.open(next(pictures)) as opened:
            tile = opened.convert("RGB").resize((width, height))
        mosaic.paste(tile, (place % SIDE * width, place // SIDE * height))
    return mosaic
