"""What a thumbnail is: its sizes, its name, its encoding, and how it tells that it is what was written."""

import hashlib
import io
import re
from collections.abc import Iterable
from pathlib import Path

from PIL import Image

__all__ = [
    "EDGES",
    "NAME",
    "encode",
    "fault",
    "missing_edges",
    "seal",
    "thumbnail_path",
    "unsealed",
]

EDGES = (320, 640)
"""Pixels of the square that each kept thumbnail fits."""
QUALITY = 82
NAME = re.compile(r"([0-9a-f]{64})-([1-9][0-9]{0,4})\.jpg")
"""What a thumbnail is called: the hash of the file that it shows, and its edge."""
START, END, JFIF = b"\xff\xd8", b"\xff\xd9", b"\xff\xe0"
COMMENT = b"\xff\xfe\x00\x22"
"""The marker of a comment of 32 bytes, which follows the start: a SHA-256 over the others and over what they show."""
SEALED = len(START + COMMENT) + hashlib.sha256().digest_size


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


def seal(data: bytes, sha256: bytes, edge: int) -> bytes:
    """A JPEG of `encode`, of the file with this hash, with a comment by which `fault` knows it again."""
    return START + COMMENT + _digest(data, sha256, edge) + data[len(START) :]


def unsealed(data: bytes) -> bytes:
    """The JPEG as `encode` gave it."""
    return START + data[SEALED:] if data.startswith(START + COMMENT) else data


def fault(data: bytes, sha256: bytes, edge: int, *, decoding: bool = True) -> str | None:
    """What is wrong with the thumbnail of the file with this hash; None for nothing.

    One that an earlier Glimpse made has no seal; of that it is only known whether it can be decoded.
    """
    if not data:
        return "empty"
    if not data.startswith(START) or not data.endswith(END):
        return "truncated, or no JPEG"
    if not data.startswith(START + JFIF):
        whole = data == seal(unsealed(data), sha256, edge)
        return None if whole else "not what was written"
    return _why_undecodable(data, edge) if decoding else None


def _why_undecodable(data: bytes, edge: int) -> str | None:
    try:
        with Image.open(io.BytesIO(data), formats=["JPEG"]) as image:
            image.load()
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError):
        return "not to be decoded"
    return None if max(image.size) <= edge else "too large"


def _digest(data: bytes, sha256: bytes, edge: int) -> bytes:
    return hashlib.sha256(b"%s-%d:" % (sha256, edge) + data).digest()
