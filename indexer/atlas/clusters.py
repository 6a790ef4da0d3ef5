"""Groups of photos that are alike: HDBSCAN (Campello, Moulavi and Sander 2013).

They are sought in a layout of its own, with more dimensions than the map.
"""

import math

import numpy as np
from numpy.typing import NDArray

from indexer.atlas.projection import Vectors, needed, quietly

__all__ = ["find_clusters", "smallest"]

SHARE = 0.45
"""Of the square root of the number of photos: 3 of 20 photos, 10 of 500, 64 of 20,000 are a cluster."""
LEAST = 3
SAMPLES = 3
"""Neighbours by which HDBSCAN tells how dense a place is."""


def find_clusters(points: Vectors) -> NDArray[np.int64]:
    """The cluster of each point (n, dims), by size from 0, the largest; -1 for a point in none."""
    fewest = smallest(len(points))
    if len(points) < 2 * fewest:
        return np.full(len(points), -1, np.int64)
    if float(np.ptp(points, axis=0).max()) == 0:
        return np.zeros(len(points), np.int64)
    # A cluster of more than half says little, where it has parts; where it has none, it is what there is.
    found = _hdbscan(points, fewest, most=len(points) // 2)
    if (found < 0).mean() > 0.5:
        found = _hdbscan(points, fewest, most=None)
    return _by_size(found)


def _hdbscan(points: Vectors, fewest: int, most: int | None) -> NDArray[np.int64]:
    with quietly():
        hdbscan = needed("sklearn.cluster").HDBSCAN(
            min_cluster_size=fewest, min_samples=SAMPLES, max_cluster_size=most, copy=True
        )
        found: NDArray[np.int64] = hdbscan.fit_predict(points).astype(np.int64)
    return found


def smallest(count: int) -> int:
    """The least number of photos that make a cluster, among so many."""
    return max(LEAST, round(SHARE * math.sqrt(count)))


def _by_size(labels: NDArray[np.int64]) -> NDArray[np.int64]:
    inside = labels >= 0
    order = np.argsort(-np.bincount(labels[inside]), kind="stable")
    rank = np.empty(len(order), np.int64)
    rank[order] = np.arange(len(order))
    out = np.full(len(labels), -1, np.int64)
    out[inside] = rank[labels[inside]]
    return out
