"""Drawing a map, and placing on it what came later."""

import threading
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from indexer.atlas.clusters import find_clusters
from indexer.atlas.projection import FEW, Vectors, project, unit_square
from indexer.atlas.records import AtlasOptions, Layout
from indexer.progress import OnStep, Watch, silently
from storage.vectors import VectorIndex, exact_search

__all__ = ["brought_up_to_date", "draw"]

USUAL = AtlasOptions()
MOST_CHANGED = 0.1
"""Of the photos, come or gone: what has changed more is drawn again."""
NEAREST = 5
"""Photos by which another is placed."""
CHUNK = 4096
STEPS = 3

# Numba's threads may not be started from two threads at once, and two pages that ask for a map want the same one.
DRAWING = threading.Lock()


def draw(index: VectorIndex, options: AtlasOptions = USUAL, on_step: OnStep = silently) -> Layout:
    """A new layout of all vectors of an index."""
    contents = index.ids()
    fitted = _sample(contents, options)
    vectors = index.vectors(fitted)
    on_step("laying out the map", 0, STEPS)
    points = unit_square(project(vectors, 2, options.min_dist, options))
    on_step("finding clusters", 1, STEPS)
    # As many as there are axes: the others would be noise alone.
    dims = min(options.cluster_dims, index.dim)
    cluster = find_clusters(project(vectors, dims, 0, options))
    on_step("finding clusters", 2, STEPS)
    layout = Layout(fitted, points, cluster, np.ones(len(fitted), np.bool_), len(contents))
    return _placed(layout, index, contents, options, on_step, original=True)


def brought_up_to_date(
    kept: Layout,
    index: VectorIndex,
    options: AtlasOptions = USUAL,
    on_step: OnStep = silently,
) -> Layout | None:
    """A layout without what has gone and with what came; None where too much has changed for that."""
    contents = index.ids()
    living = kept.among(contents)
    left = int(living.original.sum())
    changed = (kept.drawn - left) + (len(contents) - left)
    if changed and (len(contents) < FEW or changed > MOST_CHANGED * kept.drawn):
        return None
    return _placed(living, index, contents, options, on_step, original=False)


def _placed(
    layout: Layout,
    index: VectorIndex,
    contents: NDArray[np.int64],
    options: AtlasOptions,
    on_step: OnStep,
    *,
    original: bool,
) -> Layout:
    """A layout with the contents that it lacks, each put by those nearest to it."""
    new = np.setdiff1d(contents, layout.contents, assume_unique=True)
    if not len(new):
        return layout
    rows = layout.at(_sample(layout.contents[layout.original], options))
    known = index.vectors(layout.contents[rows])
    points, cluster = layout.points[rows], layout.cluster[rows]
    starts = Watch(on_step).over(_chunks(new), -(-len(new) // CHUNK), "placing photos")
    placed = [_place(index.vectors(part), known, points, cluster) for part in starts]
    joined = np.concatenate([layout.contents, new])
    order = np.argsort(joined)
    return Layout(
        joined[order],
        np.concatenate([layout.points, *(points for points, _ in placed)])[order],
        np.concatenate([layout.cluster, *(cluster for _, cluster in placed)])[order],
        np.concatenate([layout.original, np.full(len(new), original)])[order],
        layout.drawn,
    )


def _place(
    vectors: Vectors, known: Vectors, points: Vectors, cluster: NDArray[np.int64]
) -> tuple[Vectors, NDArray[np.int64]]:
    """Points and clusters of vectors: the cluster that most of the nearest have, and the mean of those."""
    _, rows = exact_search(known, vectors, min(NEAREST, len(known)))
    votes = cluster[rows]
    agreeing = (votes[:, :, None] == votes[:, None, :]).sum(axis=2)
    winner = np.take_along_axis(votes, agreeing.argmax(axis=1)[:, None], axis=1)
    weights = (votes == winner)[:, :, None]
    means = (points[rows] * weights).sum(axis=1) / weights.sum(axis=1)
    return means.astype(np.float32), winner[:, 0]


def _sample(contents: NDArray[np.int64], options: AtlasOptions) -> NDArray[np.int64]:
    """At most as many contents as are fitted, drawn by the seed, ascending."""
    if len(contents) <= options.fitted:
        return contents
    rng = np.random.default_rng(options.seed)
    return np.sort(rng.choice(contents, options.fitted, replace=False))


def _chunks(ids: NDArray[np.int64]) -> Iterator[NDArray[np.int64]]:
    for start in range(0, len(ids), CHUNK):
        yield ids[start : start + CHUNK]
