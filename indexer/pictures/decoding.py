"""The bytes of a picture -> upright RGB in sRGB, and from there the square that a model sees."""

import hashlib
import os
import struct
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from io import BytesIO
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image

from indexer.embedders.base import Preprocessing
from indexer.pictures.colour import to_srgb
from indexer.pictures.jpegs import encode, missing_edges
from indexer.pictures.limits import Limits
from indexer.pictures.metadata import Metadata, read_metadata
from indexer.pictures.opening import failures_as_reasons, open_picture
from indexer.pictures.perceptual import perceptual_hash
from indexer.pictures.preprocessing import edge_needed, preprocess
from indexer.pictures.raw import RAW_EXTENSIONS, is_raw, open_raw
from indexer.pictures.reading import read_file
from indexer.pictures.regions import Region
from storage.records import ContentRecord, Signature

__all__ = [
    "EXTENSIONS",
    "RAW_EXTENSIONS",
    "Decoded",
    "Limits",
    "Picture",
    "Source",
    "decode",
    "decode_file",
    "edge_needed",
    "load_picture",
    "load_pixels",
    "orientation_of",
    "preprocess",
]

EXTENSIONS = frozenset(
    b".apng .avif .avifs .bmp .dib .gif .heic .heics .heif .heifs .hif .j2c .j2k .jfif .jp2 .jpc"
    b" .jpe .jpeg .jpf .jpg .jpx .mpo .pbm .pgm .png .pnm .ppm .tif .tiff .webp".split()
)
"""Suffixes, in lower case, of the files worth opening; what they hold is found out by content."""

Source = bytes | str | os.PathLike[str] | BinaryIO | Image.Image

_TRANSPOSE = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_SPARE = 2
"""Edges stay this many times longer than asked for: bicubic from there is within 3 levels of 255
of bicubic from the full picture, where a margin of 1 was up to 19 off."""
_REDUCIBLE_MODES = frozenset({"L", "LA", "RGB", "RGBA", "CMYK"})


@dataclass(frozen=True, slots=True, eq=False)
class Picture:
    """A decoded picture, and what its file says of it."""

    image: Image.Image
    """Mode RGB, sRGB, upright; perhaps smaller than the file's."""
    width: int
    """Of the picture in the file, upright, in pixels."""
    height: int
    format: str
    """Pillow's name of the format, or "RAW"."""
    metadata: Metadata


@dataclass(frozen=True, slots=True, eq=False)
class Decoded:
    """A file that was decoded, and the state of the file that it was decoded from."""

    pixels: NDArray[np.uint8]
    """RGB, (size, size, 3); (0, 0, 3) where only the header was read."""
    signature: Signature
    sha256: bytes
    """Of the file's bytes; 32 bytes."""
    width: int
    """Of the picture in the file, upright, in pixels."""
    height: int
    format: str
    """Pillow's name of the format, or "RAW"."""
    metadata: Metadata
    phash: bytes = b""
    """Its perceptual hash, 8 bytes."""
    thumbnails: Mapping[int, bytes] = field(default_factory=dict)
    """JPEGs by edge; those that were asked for and not there yet."""

    def content(self) -> ContentRecord:
        """What the catalog keeps of the bytes."""
        return ContentRecord(
            self.sha256,
            self.signature.size,
            self.width,
            self.height,
            self.format,
            **asdict(self.metadata),
        )


def load_picture(
    source: Source,
    limits: Limits | None = None,
    at_least: int | None = None,
    suffix: bytes = b"",
) -> Image.Image:
    """Load a picture as upright RGB in sRGB: the contents of a file, its path, or an open image.

    The decoder may leave out detail while no edge falls below `at_least` pixels; `suffix` tells RAW files apart where
    there is no path. Raises PictureError, whose message is the reason.
    """
    limits = limits or Limits()
    if isinstance(source, Image.Image):
        with failures_as_reasons():
            limits.check_pixels(*source.size)
            return _upright_srgb(source)
    if isinstance(source, bytes):
        data = source
    elif isinstance(source, (str, os.PathLike)):
        path = Path(source)
        (data, _), suffix = read_file(str(path), limits), path.suffix.lower().encode()
    else:
        data = _read_stream(source, limits)
    return decode(data, limits, at_least, suffix).image


def load_pixels(
    source: Source,
    preprocessing: Preprocessing,
    limits: Limits,
    region: Region | None = None,
    suffix: bytes = b"",
) -> NDArray[np.uint8]:
    """A picture, or a region of it, as a model sees it: RGB, (size, size, 3). Raises PictureError."""
    edge = edge_needed(preprocessing)
    if region is not None:  # the part that is cut out must have detail enough
        edge = round(edge / min(region.width, region.height))
    image = load_picture(source, limits, edge, suffix)
    return preprocess(image if region is None else region.cut(image), preprocessing)


def decode_file(
    path: bytes, preprocessing: Preprocessing, limits: Limits, thumbnails: Path | None = None
) -> Decoded:
    """Read, hash and decode one file. Links are refused; raises PictureError with the reason.

    With the folder of the `thumbnails`, those that are missing there are encoded too.
    """
    data, signature = read_file(path, limits, follow_links=False)
    digest = hashlib.sha256(data).digest()
    suffix = os.path.splitext(path)[1].lower()
    edges = missing_edges(thumbnails, digest) if thumbnails else []
    # The shorter edge comes out at `_SPARE` times this at least, if the file has it: one decoding for all.
    at_least = max(edge_needed(preprocessing), *(edge // _SPARE for edge in edges), 0)
    picture = decode(data, limits, at_least, suffix)
    return Decoded(
        pixels=preprocess(picture.image, preprocessing),
        signature=signature,
        sha256=digest,
        width=picture.width,
        height=picture.height,
        format=picture.format,
        metadata=picture.metadata,
        phash=perceptual_hash(picture.image),
        thumbnails=encode(picture.image, edges),
    )


def decode(
    data: bytes, limits: Limits, at_least: int | None = None, suffix: bytes = b""
) -> Picture:
    """Decode the contents of a file; its suffix helps to tell RAW files from plain TIFF.

    `at_least` as in `load_picture`. Raises PictureError, whose message is the reason.
    """
    limits.check_bytes(len(data))
    with failures_as_reasons():
        if not is_raw(data, suffix):
            return _decode(open_picture(BytesIO(data)), limits, at_least)
        raw = open_raw(data, limits, at_least)
        metadata = read_metadata(raw.image, raw.exif)
        preview = _decode(raw.image, limits, at_least)
        return Picture(preview.image, raw.width, raw.height, "RAW", metadata)


def _read_stream(stream: BinaryIO, limits: Limits) -> bytes:
    if stream.seekable():
        stream.seek(0)
    # One byte over the limit is enough to know that it is passed.
    return stream.read(int(limits.max_file_mb * 1e6) + 1)


def _decode(opened: Image.Image, limits: Limits, at_least: int | None) -> Picture:
    limits.check_pixels(*opened.size)
    width, height = opened.size
    metadata = read_metadata(opened)  # before load(), where Pillow transposes TIFF
    if at_least and opened.format in ("JPEG", "MPO"):
        opened.draft(None, (at_least * _SPARE, at_least * _SPARE))
    opened.load()
    if orientation_of(opened) >= 5:
        width, height = height, width
    image = _upright_srgb(opened, at_least)
    return Picture(image, width, height, opened.format or "", metadata)


def _upright_srgb(opened: Image.Image, at_least: int | None = None) -> Image.Image:
    opened.load()
    image = _reduced(opened, at_least) if at_least else opened
    if (orientation := orientation_of(opened)) in _TRANSPOSE:
        image = image.transpose(_TRANSPOSE[orientation])
    image = to_srgb(image)
    if image is opened:
        image = image.copy()
    image.info = {}  # its profile and its orientation are no longer true
    return image


def _reduced(image: Image.Image, at_least: int) -> Image.Image:
    """Drop detail early, as `draft` does for JPEG: colour conversion costs more than a resize.

    By a power of two, which divides the sizes that cameras make; a remainder shifts the picture.
    """
    factor = min(image.size) // (at_least * _SPARE)
    if factor < 2 or "transparency" in image.info:
        return image
    if image.mode == "1":
        image = image.convert("L")
    if image.mode not in _REDUCIBLE_MODES:
        return image
    return image.reduce(1 << (factor.bit_length() - 1))


def orientation_of(image: Image.Image) -> int:
    """EXIF's 1-8, of a loaded image; 1 where it is missing, damaged or unknown."""
    try:
        orientation = image.getexif().get(ExifTags.Base.Orientation)
    except (OSError, SyntaxError, ValueError, TypeError, KeyError, struct.error):
        return 1
    return orientation if isinstance(orientation, int) and 1 <= orientation <= 8 else 1
