"""The layout of a space as it is now, and the map of photos that it makes."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from indexer.atlas import kept
from indexer.atlas.drawing import DRAWING, brought_up_to_date, draw
from indexer.atlas.records import AtlasOptions, Cluster, Layout, PhotoMap
from indexer.progress import OnStep
from storage.records import SpaceRecord
from storage.vectors import VectorIndex

__all__ = ["photo_map", "up_to_date"]


def up_to_date(
    library: Path,
    library_id: str,
    spaces: Sequence[SpaceRecord],
    space: SpaceRecord,
    index: VectorIndex,
    options: AtlasOptions,
    on_step: OnStep,
) -> Layout:
    """The layout of a space: the one that is kept, brought up to date, else a new one."""
    path = kept.file_of(library, space, options)
    with DRAWING:
        before = kept.read(path, library_id)
        layout = brought_up_to_date(before, index, options, on_step) if before else None
        layout = layout or draw(index, options, on_step)
        if before is None or not np.array_equal(before.contents, layout.contents):
            kept.write(path, layout, library_id, spaces)
    return layout


def photo_map(
    layout: Layout, pairs: NDArray[np.int64], names: Sequence[str], space: str
) -> PhotoMap:
    """The map of photos, by their ids with those of their contents (n, 2)."""
    rows = layout.at(pairs[:, 1])
    ids, rows = pairs[rows >= 0, 0], rows[rows >= 0]
    points, cluster = layout.points[rows], layout.cluster[rows]
    counts = np.bincount(cluster[cluster >= 0], minlength=len(names))
    clusters = [
        Cluster(number, names[number], int(count), _centre(points[cluster == number]))
        for number, count in enumerate(counts)
        if count
    ]
    clusters.sort(key=lambda each: (-each.count, each.number))
    return PhotoMap(ids, points, cluster, tuple(clusters), space)


def _centre(points: NDArray[np.float32]) -> tuple[float, float]:
    x, y = np.median(points, axis=0)
    return float(x), float(y)
