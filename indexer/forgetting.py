"""Forgetting a root: what only its photos needed goes with it.

The root goes in one transaction, which also notes that its traces are still to be removed. Whoever writes next
goes on where one that was stopped left off.
"""

from collections.abc import Callable
from functools import partial
from pathlib import Path

from indexer.embedders.base import Notify
from indexer.errors import UsageError
from indexer.pictures.thumbnails import Thumbnails
from indexer.progress import silently
from indexer.roots import find
from storage import snapshots
from storage.batch import Batch
from storage.catalog import Catalog
from storage.records import SpaceRecord
from storage.stores import VectorStore
from storage.vectors import Vectors

__all__ = ["forget_root", "remove_traces"]

FORGETTING = "forgetting"  # in the catalog's `meta`, while traces of a root may be left
EVERYTHING, FREED_SPACE = "yes", "space"
"""Where they may be left: in every file, or in the space alone that the catalog's file has given up."""
LEFT = "another program reads the catalog: what is forgotten leaves its files by the next build"

WordsOf = Callable[[SpaceRecord], Vectors]
"""Words as they may be asked of a space."""


def forget_root(
    catalog: Catalog,
    store: VectorStore,
    root: str | Path,
    thumbnails: Thumbnails,
    words_of: WordsOf,
    notify: Notify = silently,
) -> int:
    """Remove a root's photos, vectors that no other photo has, and thumbnails; how many photos.

    A root that is gone, but of which traces were left, has 0. Raises UsageError for one that is not known, and
    StorageError, with nothing forgotten, where the vectors cannot be taken away.
    """
    store.reach()
    with catalog.writer():
        with catalog.batch() as batch:
            count = _forget_rows(batch, root)
        remove_traces(catalog, store, thumbnails, words_of, notify)
    return count


def _forget_rows(batch: Batch, root: str | Path) -> int:
    """Note that traces are left, too."""
    try:
        known = find(batch, root)
    except UsageError:
        if batch.get_meta(FORGETTING):
            return 0
        raise
    batch.set_meta(FORGETTING, EVERYTHING)
    return batch.remove_root(known.id)


def remove_traces(
    catalog: Catalog,
    store: VectorStore,
    thumbnails: Thumbnails,
    words_of: WordsOf,
    notify: Notify,
) -> None:
    """Leave nothing of a root that went, in no file; the writer alone does it, and where somebody reads, the next."""
    with catalog.view() as view:
        left = view.get_meta(FORGETTING)
    if not left:
        return
    if left != FREED_SPACE:
        _remove_from_files(catalog, store, thumbnails, words_of)
    is_done = catalog.vacuum()
    catalog.drop_backups()
    with catalog.batch() as batch:
        batch.set_meta(FORGETTING, "" if is_done else FREED_SPACE)
    if not is_done:
        notify(LEFT)


def _remove_from_files(
    catalog: Catalog, store: VectorStore, thumbnails: Thumbnails, words_of: WordsOf
) -> None:
    with catalog.view() as view:
        hashes = [sha256 for _, sha256 in view.orphans(older_than_s=0)]
        spaces = view.spaces()
    thumbnails.forget(hashes)
    with catalog.batch() as batch:
        batch.purge_orphans(older_than_s=0)
        snapshots.forget_elsewhere(batch)
    for space in spaces:
        store.publish(catalog, space, everything=True, words=partial(words_of, space))
