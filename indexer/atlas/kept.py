"""Maps on disk: derived data, sealed and renamed into place; what cannot be read is drawn again."""

import logging
import time
import zipfile
from collections.abc import Iterable
from io import BytesIO
from pathlib import Path

import numpy as np

from indexer import sealed
from indexer.atlas.records import AtlasOptions, Layout
from storage.records import SpaceRecord

__all__ = ["MAPS", "file_of", "read", "stem_of", "write"]

MAPS = "maps"
"""The folder in a library."""
DAMAGED = (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile)
ABANDONED_S = 3600.0
ARRAYS = ("contents", "points", "cluster", "original")

log = logging.getLogger(__name__)


def file_of(library: Path, space: SpaceRecord, options: AtlasOptions) -> Path:
    """Where the map of a space is kept: another model or other options have another file."""
    return library / MAPS / f"{stem_of(space)}-{options.digest()}.npz"


def read(path: Path, library_id: str) -> Layout | None:
    """The layout in a file; None where there is none that can be read, or that of another library."""
    if not path.exists():
        return None
    try:
        kept = BytesIO(sealed.read(path, library_id))
        with np.load(kept, allow_pickle=False) as data:
            contents, points, cluster, original = (data[name] for name in ARRAYS)
            drawn = int(data["drawn"])
    except DAMAGED as error:
        log.warning("the map %s cannot be read (%s); it is drawn again", path.name, error)
        return None
    n = len(contents)
    if points.shape != (n, 2) or cluster.shape != (n,) or original.shape != (n,):
        return None
    return Layout(contents, points, cluster, original, drawn)


def write(path: Path, layout: Layout, library_id: str, spaces: Iterable[SpaceRecord]) -> None:
    """Keep a layout, and drop maps of spaces that are gone; a folder that cannot be written costs only time."""
    data = BytesIO()
    np.savez(data, drawn=layout.drawn, **{name: getattr(layout, name) for name in ARRAYS})
    try:
        path.parent.mkdir(exist_ok=True)
        sealed.write(path, data.getvalue(), library_id)
        _sweep(path, {stem_of(space) for space in spaces})
    except OSError as error:
        log.warning("the map cannot be kept: %s", error)


def stem_of(space: SpaceRecord) -> str:
    """How the names of a space's maps begin."""
    return f"{space.id}-{space.fingerprint[:16]}"


def _sweep(newest: Path, spaces: set[str]) -> None:
    """Delete what belongs to no space, what other options of this one left, and what a killed process left aside."""
    own = newest.stem.rpartition("-")[0]
    for file in newest.parent.iterdir():
        space = file.name.partition(".")[0].rpartition("-")[0]
        if file.suffix == ".tmp":
            stale = time.time() - file.stat().st_mtime > ABANDONED_S
        else:
            stale = space not in spaces or (space == own and file != newest)
        if stale:
            file.unlink(missing_ok=True)
