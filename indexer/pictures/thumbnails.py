"""Small JPEGs of photos, made when first asked for and kept by the hash of the bytes that they show."""

import io
import os
from collections.abc import Iterable
from pathlib import Path

from indexer.errors import PictureError
from indexer.pictures.decoding import decode
from indexer.pictures.limits import Limits
from indexer.pictures.reading import read_file
from storage.records import PhotoRecord

__all__ = ["THUMBNAILS", "Thumbnails"]

THUMBNAILS = "thumbnails"
QUALITY = 82
KEPT_EDGE = 640
"""Larger ones are made anew each time: they are looked at one by one."""


class Thumbnails:
    """The thumbnails of one library."""

    def __init__(self, folder: Path, limits: Limits) -> None:
        self._folder = folder
        self._limits = limits

    def get(self, photo: PhotoRecord, edge: int) -> bytes:
        """A JPEG that fits a square of `edge` pixels. Raises PictureError."""
        if photo.content is None:
            raise PictureError(photo.reason or "it could not be read")
        kept = self._path(photo.content.sha256, edge)
        if kept.exists():
            return kept.read_bytes()
        data = self._make(photo, edge)
        if edge <= KEPT_EDGE:
            kept.parent.mkdir(parents=True, exist_ok=True)
            aside = kept.with_suffix(f".{os.getpid()}.tmp")
            aside.write_bytes(data)
            os.replace(aside, kept)
        return data

    def forget(self, hashes: Iterable[bytes]) -> None:
        """Delete the thumbnails of bytes that the library no longer knows."""
        for sha256 in hashes:
            for path in self._path(sha256, 0).parent.glob(f"{sha256.hex()}-*"):
                path.unlink(missing_ok=True)

    def _path(self, sha256: bytes, edge: int) -> Path:
        name = sha256.hex()
        return self._folder / name[:2] / f"{name}-{edge}.jpg"

    def _make(self, photo: PhotoRecord, edge: int) -> bytes:
        data = read_inside(photo, self._limits)
        suffix = os.path.splitext(photo.name)[1].lower()
        image = decode(data, self._limits, edge, suffix).image
        image.thumbnail((edge, edge))
        out = io.BytesIO()
        image.save(out, "JPEG", quality=QUALITY)
        return out.getvalue()


def read_inside(photo: PhotoRecord, limits: Limits) -> bytes:
    """The file's bytes, if it still is a regular file inside its root. Raises PictureError.

    Checked as it is opened: since it was indexed, a link may have taken its place or that of a
    folder above it.
    """
    if os.path.realpath(photo.path) != photo.path:
        raise PictureError("a link has taken its place, and links are not followed")
    data, _ = read_file(photo.path, limits, follow_links=False)
    return data
