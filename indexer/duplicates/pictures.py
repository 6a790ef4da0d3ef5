"""What contents are compared by: perceptual hashes, made where they are missing, and vectors."""

import logging
import os
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from indexer.duplicates.comparing import EDGE, open_thumbnail
from indexer.errors import LibraryLockedError, PictureError
from indexer.pictures.perceptual import perceptual_hash
from indexer.pictures.thumbnails import MakeThumbnail
from indexer.progress import OnStep, Watch
from storage.catalog import Catalog
from storage.perceptual import BYTES, put_hashes
from storage.records import PhotoRecord
from storage.vectors import VectorIndex

__all__ = ["Pictures", "gather"]

log = logging.getLogger(__name__)
KEPT_AT_ONCE = 1000
"""Hashes in one transaction: an interruption loses no more."""


@dataclass(frozen=True, slots=True, eq=False)
class Pictures:
    """Contents and what they are compared by."""

    ids: NDArray[np.int64]
    """Of the contents, (n,)."""
    hashes: NDArray[np.uint8]
    """(n, 8)."""
    vectors: NDArray[np.float32]
    """(n, dim), L2-normalised; zeros where there is none."""


def gather(
    photos: Mapping[int, Sequence[PhotoRecord]],
    known: Mapping[int, bytes | None],
    index: VectorIndex,
    thumbnail: MakeThumbnail,
    catalog: Catalog,
    on_step: OnStep,
) -> Pictures:
    """All that is known of the contents of photos; those that cannot be read now are left out.

    `known` are the hashes that the catalog has; those that it lacks are computed and kept there.
    """
    missing = {content: same[0] for content, same in photos.items() if not known.get(content)}
    fresh = _compute_hashes(missing, thumbnail, catalog, on_step)
    hashes = {content: known.get(content) or fresh.get(content) for content in sorted(photos)}
    hashed = {content: phash for content, phash in hashes.items() if phash}
    ids = np.fromiter(hashed, np.int64, len(hashed))
    embedded = index.has(ids)
    vectors = np.zeros((len(ids), index.dim), np.float32)
    vectors[embedded] = index.vectors(ids[embedded])
    bits = np.frombuffer(b"".join(hashed.values()), np.uint8).reshape(-1, BYTES)
    return Pictures(ids, bits, vectors)


def _compute_hashes(
    photos: Mapping[int, PhotoRecord], thumbnail: MakeThumbnail, catalog: Catalog, on_step: OnStep
) -> dict[int, bytes]:
    """The hashes of contents, by a photo of each; kept in the catalog unless somebody else writes to it.

    Those of files that cannot be read now are left out.
    """

    def hash_of(content: int) -> tuple[int, bytes | None]:
        try:
            image = open_thumbnail(thumbnail(photos[content], EDGE))
        except PictureError as error:
            log.info("%r is not compared: %s", photos[content].path, error)
            return content, None
        return content, perceptual_hash(image)

    found: dict[int, bytes] = {}
    contents = list(photos)
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        watch = Watch(lambda what, done, total: on_step(what, len(found), len(contents)))
        for start in range(0, len(contents), KEPT_AT_ONCE):
            chunk = contents[start : start + KEPT_AT_ONCE]
            made = watch.over(pool.map(hash_of, chunk), len(chunk), "hashing")
            fresh = {content: phash for content, phash in made if phash is not None}
            _keep(catalog, fresh)
            found |= fresh
    return found


def _keep(catalog: Catalog, hashes: Mapping[int, bytes]) -> None:
    try:
        with catalog.writer(), catalog.batch() as batch:
            put_hashes(batch, hashes)
    except LibraryLockedError:
        log.info("hashes are not kept, since the library is being written to")
