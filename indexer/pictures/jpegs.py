"""What a thumbnail is: its sizes, its name, its encoding."""

import io
from collections.abc import Iterable
from pathlib import Path

from PIL import Image

__all__ = ["EDGES", "encode", "missing_edges", "thumbnail_path"]

EDGES = (320, 640)
"""Pixels of the square that each kept thumbnail fits."""
QUALITY = 82


def thumbnail_path(folder: Path, sha256: bytes, edge: int) -> Path:
    """Where the thumbnail of a file with this hash lies."""
    name = sha256.hex()
    return folder / name[:2] / f"{name}-{edge}.jpg"


def missing_edges(folder: Path, sha256: bytes) -> list[int]:
    """The sizes that are still to be made."""
    return [edge for edge in EDGES if not thumbnail_path(folder, sha256, edge).exists()]


def encode(image: Image.Image, edges: Iterable[int]) -> dict[int, bytes]:
    """An RGB picture as a JPEG that fits a square of so many pixels, for each size; never enlarged."""
    made: dict[int, bytes] = {}
    before: tuple[tuple[int, int], bytes] | None = None
    for edge in sorted(edges, reverse=True):
        if max(image.size) > edge:
            image = image.copy()
            # Each from the one before, which is nearer in size; as sharp as bicubic, at two thirds of its cost.
            image.thumbnail((edge, edge), Image.Resampling.HAMMING)
        if before is None or image.size != before[0]:
            out = io.BytesIO()
            image.save(out, "JPEG", quality=QUALITY)
            before = image.size, out.getvalue()
        made[edge] = before[1]
    return made
