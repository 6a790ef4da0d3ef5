"""Forgetting a root: what only its photos needed goes with it."""

import os
from collections.abc import Callable
from functools import partial
from pathlib import Path

from indexer.errors import UsageError
from indexer.pictures.thumbnails import Thumbnails
from storage import snapshots
from storage.catalog import Batch, Catalog
from storage.records import RootRecord, SpaceRecord
from storage.vectors import Vectors

__all__ = ["forget_root"]

WordsOf = Callable[[SpaceRecord], Vectors]
"""Words as they may be asked of a space."""


def forget_root(
    catalog: Catalog, root: str | Path, thumbnails: Thumbnails, words_of: WordsOf
) -> int:
    """Remove a root's photos, vectors that no other photo has, and thumbnails; how many photos. Raises UsageError."""
    with catalog.writer():
        with catalog.batch() as batch:
            count = batch.remove_root(_find(batch, root).id)
        with catalog.batch() as batch:
            hashes = batch.purge_orphans(older_than_s=0)
        with catalog.view() as view:
            spaces = view.spaces()
        for space in spaces:
            snapshots.publish(catalog, space, everything=True, words=partial(words_of, space))
        thumbnails.forget(hashes)
        catalog.vacuum()
        catalog.drop_backups()
    return count


def _find(batch: Batch, root: str | Path) -> RootRecord:
    path = os.fsencode(os.path.realpath(os.path.expanduser(root)))
    for known in batch.roots():
        if known.path == path:
            return known
    raise UsageError(f"{root} is no root of this library; `glimpse status` lists them")
