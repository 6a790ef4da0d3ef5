"""What a library holds: its roots, its spaces, its sizes on disk."""

import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from indexer.atlas.kept import MAPS
from indexer.config import Config
from indexer.pictures.thumbnails import THUMBNAILS
from indexer.results import RootStatus, SpaceStatus, Status
from indexer.roots import find
from indexer.spaces import DEFAULT, MODELS
from indexer.urls import as_path
from storage import counting, snapshots
from storage.catalog import Catalog
from storage.choosing import EXACT
from storage.records import RootRecord, SpaceRecord, State
from storage.snapshots import SNAPSHOTS
from storage.view import View

__all__ = ["library_status", "root_status", "sizes", "space_status"]

DERIVED = (SNAPSHOTS, MODELS, THUMBNAILS, MAPS)


def library_status(view: View, folder: Path, catalog: str) -> Status:
    """Roots and spaces; `catalog` tells where the catalog lies."""
    counts = counting.count_by_state(view)
    roots = tuple(_root_status(root, counts) for root in view.roots())
    spaces = tuple(space_status(view, space) for space in view.spaces())
    return Status(folder, catalog, roots, spaces)


def root_status(view: View, root: str | Path) -> RootStatus:
    """One root by its path or URL. Raises UsageError where there is none such."""
    return _root_status(find(view, root), counting.count_by_state(view))


def _root_status(root: RootRecord, counts: Mapping[tuple[int, State], int]) -> RootStatus:
    own = {state: n for (id, state), n in counts.items() if id == root.id}
    return RootStatus(as_path(root.path), root.offline_reason, own)


def space_status(view: View, space: SpaceRecord) -> SpaceStatus:
    """One space with its index."""
    large = next(iter(snapshots.published(view, space)), None)
    return SpaceStatus(
        space.name,
        space.model,
        space.dim,
        space.reads_text,
        counting.count_vectors(view, space.id),
        large.kind if large else EXACT,
        large.recall if large else 1.0,
        space.name == view.get_meta(DEFAULT),
    )


def sizes(catalog: Catalog, config: Config) -> dict[str, int]:
    """Bytes on disk by part; looks at every file of the library."""
    folder = catalog.folder
    found = {"catalog": catalog.size(), **{name: _size(folder / name) for name in DERIVED}}
    file = config.milvus.address(folder).file if config.library.vectors == "milvus" else None
    return {**found, file.name: _size(file)} if file else found


def _size(folder: Path | str) -> int:
    """Bytes in a folder and those below; what vanishes meanwhile counts nothing."""
    size = 0
    with suppress(FileNotFoundError), os.scandir(folder) as entries:
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                size += _size(entry.path)
                continue
            with suppress(FileNotFoundError):
                size += entry.stat(follow_symlinks=False).st_size
    return size
