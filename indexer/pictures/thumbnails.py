"""Small JPEGs of photos, made as a library is built or when first asked for, by the hash of what they show."""

import os
import uuid
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from pathlib import Path

from indexer.errors import PictureError
from indexer.pictures.jpegs import EDGES, fault, seal, thumbnail_path
from indexer.pictures.limits import Limits
from indexer.pictures.reading import read_file
from indexer.pictures.viewer import Viewer
from indexer.urls import is_url
from storage.records import PhotoRecord

__all__ = ["THUMBNAILS", "MakeThumbnail", "Thumbnails"]

THUMBNAILS = "thumbnails"
ASIDE = ".tmp"
MakeThumbnail = Callable[[PhotoRecord, int], bytes]
"""A photo, and the edge of a square -> a JPEG that fits it."""


class Thumbnails:
    """The thumbnails of one library."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def get(
        self, photo: PhotoRecord, edge: int, viewer: Viewer, is_known: Callable[[bytes], bool]
    ) -> bytes:
        """A JPEG that fits a square of `edge` pixels; the viewer makes one that is missing. Raises PictureError.

        `is_known` tells of a hash whether the library still knows such bytes: only then is what was made kept.
        """
        if photo.content is None:
            raise PictureError(photo.reason or "it could not be read")
        sha256 = photo.content.sha256
        kept = thumbnail_path(self.folder, sha256, edge)
        with suppress(OSError):  # it is not there, or something else is
            data = kept.read_bytes()
            if fault(data, sha256, edge, decoding=False) is None:
                return data
        suffix = os.path.splitext(photo.name)[1].lower()
        data = viewer.jpeg(read_inside(photo, viewer.limits), edge, suffix)
        if edge <= max(EDGES):  # larger ones are looked at one by one, and made anew each time
            with suppress(OSError):  # a library that cannot be written to can still be looked at
                self.keep(sha256, {edge: data})
                # Asked last: what is forgotten while it is decoded, its traces removed, would stay.
                if not is_known(sha256):
                    kept.unlink(missing_ok=True)
        return data

    def keep(self, sha256: bytes, made: Mapping[int, bytes]) -> None:
        """Store thumbnails by edge, each whole or not at all. Raises OSError."""
        for edge, data in made.items():
            kept = thumbnail_path(self.folder, sha256, edge)
            kept.parent.mkdir(parents=True, exist_ok=True)
            aside = self.folder / f"{uuid.uuid4().hex}{ASIDE}"
            try:
                aside.write_bytes(seal(data, sha256, edge))
                os.replace(aside, kept)
            except OSError:
                aside.unlink(missing_ok=True)
                raise

    def tidy(self) -> None:
        """Delete what a process that was killed left half-written; one that writes now makes it again."""
        for path in self.folder.glob(f"*{ASIDE}"):
            path.unlink(missing_ok=True)

    def forget(self, hashes: Iterable[bytes]) -> None:
        """Delete the thumbnails of bytes that the library no longer knows."""
        self.tidy()
        for sha256 in hashes:
            for path in thumbnail_path(self.folder, sha256, 0).parent.glob(f"{sha256.hex()}-*"):
                path.unlink(missing_ok=True)


def read_inside(photo: PhotoRecord, limits: Limits) -> bytes:
    """The file's bytes, if it still is a regular file inside its root, or a URL's. Raises PictureError.

    Checked as it is opened: since it was indexed, a link may have taken its place or that of a
    folder above it.
    """
    if is_url(photo.path):
        from indexer.distributed.remote import fetch  # deferred: imports fsspec

        return fetch(photo.path, limits)
    if os.path.realpath(photo.path) != photo.path:
        raise PictureError("a link has taken its place, and links are not followed")
    data, _ = read_file(photo.path, limits, follow_links=False)
    return data
