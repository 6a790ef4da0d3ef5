"""The bytes of a picture -> their hash and what their header says; no pixel is decoded."""

import hashlib
import os
from io import BytesIO

import numpy as np

from indexer.pictures.decoding import Decoded, orientation_of
from indexer.pictures.limits import Limits
from indexer.pictures.metadata import Metadata, read_metadata
from indexer.pictures.opening import failures_as_reasons, open_picture
from indexer.pictures.raw import is_raw, open_raw
from indexer.pictures.reading import read_file

__all__ = ["read_header"]

ANY_PREVIEW = 1
"""Pixels that the preview of a RAW file must have: with any, nothing is developed."""


def read_header(path: bytes, limits: Limits) -> Decoded:
    """Read, hash and describe one file; without pixels, thumbnails and perceptual hash.

    Links are refused; raises PictureError with the reason. That the rest of the file is whole is not looked at.
    """
    data, signature = read_file(path, limits, follow_links=False)
    width, height, format, metadata = _described(data, limits, os.path.splitext(path)[1].lower())
    digest = hashlib.sha256(data).digest()
    no_pixels = np.empty((0, 0, 3), np.uint8)
    return Decoded(no_pixels, signature, digest, width, height, format, metadata)


def _described(data: bytes, limits: Limits, suffix: bytes) -> tuple[int, int, str, Metadata]:
    with failures_as_reasons():
        if is_raw(data, suffix):
            raw = open_raw(data, limits, ANY_PREVIEW)
            return raw.width, raw.height, "RAW", read_metadata(raw.image, raw.exif)
        opened = open_picture(BytesIO(data))
        limits.check_pixels(*opened.size)
        metadata = read_metadata(opened)
        width, height = opened.size
        if orientation_of(opened) >= 5 and opened.format != "TIFF":
            width, height = height, width
        return width, height, opened.format or "", metadata
