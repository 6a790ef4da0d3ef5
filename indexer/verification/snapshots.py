"""Snapshots: as they were recorded, and nothing beside them; written anew from the catalog, without a model."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np

from indexer.errors import StorageError
from indexer.search.background import BACKGROUND, read_kept
from indexer.spaces import Spaces
from indexer.verification.findings import Ledger
from indexer.verification.folders import entries, take_away
from storage import auditing, snapshots
from storage.catalog import Catalog
from storage.discarding import discard
from storage.records import SpaceRecord
from storage.snapshots import SNAPSHOTS
from storage.stores import SnapshotStore
from storage.vectors import Vectors

__all__ = ["check_snapshots", "kept_words"]

ANEW = "written anew from the catalog"


def check_snapshots(
    catalog: Catalog, store: SnapshotStore, spaces: Spaces, ledger: Ledger, *, settled: bool
) -> None:
    """Check every snapshot; what no record names is looked for only while nobody else writes (`settled`)."""
    folder = catalog.folder / SNAPSHOTS
    list(entries(folder, "snapshots", ledger))  # so that it can be read
    with catalog.view() as view:
        faults = {space: auditing.faults(view, catalog.folder, space) for space in view.spaces()}
        ledger.count("snapshots", sum(len(snapshots.published(view, space)) for space in faults))
        strays = auditing.unrecorded(view, catalog.folder) if settled else []
    for path in strays:
        take_away(path, "snapshots", "recorded nowhere", ledger)
    for space, found in faults.items():
        if found:
            _write_anew(catalog, store, space, found, spaces, ledger)


def _write_anew(
    catalog: Catalog,
    store: SnapshotStore,
    space: SpaceRecord,
    faults: Sequence[auditing.Fault],
    spaces: Spaces,
    ledger: Ledger,
) -> None:
    folder, done, repaired = catalog.folder / SNAPSHOTS, ANEW, True
    if ledger.repairing:
        try:
            for fault in faults:
                discard(folder / fault.record.file)
            words = partial(kept_words, spaces.folder(space), space.dim)
            store.publish(catalog, space, everything=faults[0].is_large, words=words)
        except (OSError, StorageError) as error:
            done, repaired = f"left: {error}", False
    for fault in faults:
        ledger.note("snapshots", folder / fault.record.file, fault.what, done, repaired=repaired)


def kept_words(folder: Path, dim: int) -> Vectors:
    """The words that are kept beside a model, to tune a large snapshot by; none where there are none."""
    try:
        return read_kept(folder / BACKGROUND)
    except (OSError, ValueError):
        return np.empty((0, dim), np.float32)
