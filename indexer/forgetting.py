"""Forgetting a root: what only its photos needed goes with it.

The root goes in one transaction, which also notes that its traces are still to be removed. Whoever writes next
goes on where one that was stopped left off.
"""

import os
from collections.abc import Callable
from functools import partial
from pathlib import Path

from indexer.errors import UsageError
from indexer.pictures.thumbnails import Thumbnails
from indexer.urls import folder_of, is_url
from storage import snapshots
from storage.catalog import Catalog
from storage.records import RootRecord, SpaceRecord
from storage.stores import VectorStore
from storage.vectors import Vectors
from storage.view import View

__all__ = ["forget_root", "remove_traces"]

FORGETTING = "forgetting"  # in the catalog's `meta`, while traces of a root may be left

WordsOf = Callable[[SpaceRecord], Vectors]
"""Words as they may be asked of a space."""


def forget_root(
    catalog: Catalog,
    store: VectorStore,
    root: str | Path,
    thumbnails: Thumbnails,
    words_of: WordsOf,
) -> int:
    """Remove a root's photos, vectors that no other photo has, and thumbnails; how many photos.

    A root that is gone, but of which traces were left, has 0. Raises UsageError for one that is not known, and
    StorageError, with nothing forgotten, where the vectors cannot be taken away.
    """
    store.reach()
    with catalog.writer():
        resumed = remove_traces(catalog, store, thumbnails, words_of)
        with catalog.batch() as batch:
            known = _find(batch, root)
            if known is None and resumed:
                return 0
            if known is None:
                raise UsageError(f"{root} is no root of this library; `glimpse status` lists them")
            count = batch.remove_root(known.id)
            batch.set_meta(FORGETTING, "yes")
        remove_traces(catalog, store, thumbnails, words_of)
    return count


def remove_traces(
    catalog: Catalog, store: VectorStore, thumbnails: Thumbnails, words_of: WordsOf
) -> bool:
    """Leave nothing of a root that went, in no file; False where nothing is to be done. The writer alone does it."""
    with catalog.view() as view:
        if not view.get_meta(FORGETTING):
            return False
        hashes = [sha256 for _, sha256 in view.orphans(older_than_s=0)]
        spaces = view.spaces()
    thumbnails.forget(hashes)
    with catalog.batch() as batch:
        batch.purge_orphans(older_than_s=0)
        snapshots.forget_elsewhere(batch)
    for space in spaces:
        store.publish(catalog, space, everything=True, words=partial(words_of, space))
    catalog.vacuum()
    catalog.drop_backups()
    with catalog.batch() as batch:
        batch.set_meta(FORGETTING, "")
    return True


def _find(view: View, root: str | Path) -> RootRecord | None:
    path = (
        folder_of(os.fspath(root))
        if is_url(root)
        else os.fsencode(os.path.realpath(os.path.expanduser(root)))
    )
    return next((known for known in view.roots() if known.path == path), None)
