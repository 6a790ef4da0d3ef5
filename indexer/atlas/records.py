"""What a map is, and how it is to be drawn."""

import hashlib
from dataclasses import astuple, dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["AtlasOptions", "Cluster", "Layout", "PhotoMap"]

FORMAT = 1
"""Raised when a layout comes about in another way, so that older ones are drawn again."""


@dataclass(frozen=True, slots=True)
class Cluster:
    """A group of photos that are alike."""

    number: int
    """What `PhotoMap.cluster` says; 0 is the largest of the whole library."""
    name: str
    """No other cluster of the map has it."""
    count: int
    """Photos on this map."""
    centre: tuple[float, float]
    """The median of its points, (x, y)."""


@dataclass(frozen=True, slots=True, eq=False)
class PhotoMap:
    """Where each photo lies in the plane, and the cluster that it belongs to."""

    ids: NDArray[np.int64]
    """Photos, (n,), ascending; exact copies lie on one point."""
    points: NDArray[np.float32]
    """(n, 2), within 0..1; distances count alike in both directions."""
    cluster: NDArray[np.int64]
    """(n,), -1 for a photo that is like no others."""
    clusters: tuple[Cluster, ...]
    """Those that have a photo on this map, the largest first."""
    space: str = ""
    """The name of the space whose vectors were laid out."""


@dataclass(frozen=True, slots=True)
class AtlasOptions:
    """How a map is drawn; the defaults are those that were measured (docs/map.md)."""

    neighbours: int = 15
    """That UMAP keeps together for each photo."""
    min_dist: float = 0.1
    """How close UMAP packs points."""
    cluster_dims: int = 4
    """Of the layout, apart from the map, in which clusters are sought."""
    fitted: int = 20_000
    """Photos laid out at most; the others of a larger library are placed among them."""
    seed: int = 0

    def digest(self) -> str:
        """Names these options in a file name."""
        return hashlib.sha256(repr((FORMAT, *astuple(self))).encode()).hexdigest()[:8]


@dataclass(frozen=True, slots=True, eq=False)
class Layout:
    """The contents of a space in the plane; what is kept on disk."""

    contents: NDArray[np.int64]
    """Ids of contents, (n,), ascending."""
    points: NDArray[np.float32]
    """(n, 2), within 0..1."""
    cluster: NDArray[np.int64]
    """(n,), -1 for none."""
    original: NDArray[np.bool_]
    """(n,): there when the map was drawn, not placed on it later."""
    drawn: int
    """How many contents there were when the map was drawn."""

    def among(self, contents: NDArray[np.int64]) -> "Layout":
        """Only those contents that are still there."""
        keep = np.isin(self.contents, contents, assume_unique=True)
        return Layout(
            self.contents[keep],
            self.points[keep],
            self.cluster[keep],
            self.original[keep],
            self.drawn,
        )

    def at(self, contents: NDArray[np.int64]) -> NDArray[np.int64]:
        """The row of each content; -1 for those that the map does not have."""
        if not len(self.contents):
            return np.full(len(contents), -1)
        rows = np.minimum(np.searchsorted(self.contents, contents), len(self.contents) - 1)
        return np.where(self.contents[rows] == contents, rows, -1)
