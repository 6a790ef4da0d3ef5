"""Vectors in few dimensions: UMAP (arXiv 1802.03426), or principal axes where there are few of them.

UMAP is given the neighbours that FAISS finds, exactly, and a start along the principal axes: three times as quick
as finding its own, and a start that no gap between groups of photos can break.
"""

import importlib
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray

from indexer.atlas.records import AtlasOptions
from indexer.errors import GlimpseError
from storage.vectors import exact_search

__all__ = ["FEW", "Vectors", "needed", "principal_axes", "project", "quietly", "unit_square"]

FEW = 40
"""So few photos have no neighbourhoods to speak of: their principal axes show all there is."""
JITTER = 1e-4
"""Of a layout's extent: keeps equal vectors, and axes along which nothing differs, from dividing by nothing."""

Vectors = NDArray[np.float32]


def project(vectors: Vectors, dims: int, min_dist: float, options: AtlasOptions) -> Vectors:
    """Unit vectors (n, dim) as points (n, dims) that keep neighbours together; the same each time."""
    if len(vectors) < FEW:
        return principal_axes(vectors, dims)
    neighbours = min(options.neighbours, len(vectors) - 1)
    rng = np.random.default_rng(options.seed)
    start = principal_axes(vectors, dims)
    start += rng.normal(scale=JITTER * (np.ptp(start) or 1), size=start.shape).astype(np.float32)
    cosines, rows = exact_search(vectors, vectors, neighbours)
    with quietly():
        mapper = needed("umap").UMAP(
            n_components=dims,
            n_neighbors=neighbours,
            min_dist=min_dist,
            metric="cosine",
            init=start,
            precomputed_knn=(rows, np.maximum(0, 1 - cosines)),
            force_approximation_algorithm=True,  # else the neighbours given are not used
            random_state=options.seed,
            n_jobs=1,  # which a seed needs
        )
        points = mapper.fit_transform(vectors)
    return np.ascontiguousarray(points, np.float32)


def principal_axes(vectors: Vectors, dims: int) -> Vectors:
    """Vectors (n, dim) along the axes (n, dims) in which they differ most; zeros where there are fewer axes."""
    centred = (vectors - vectors.mean(axis=0)) if len(vectors) else vectors
    # The covariance is as small as the dimension, however many photos there are.
    _, axes = np.linalg.eigh(centred.T.astype(np.float64) @ centred)
    axes = axes[:, ::-1][:, :dims]
    # An axis may point either way: the largest weight is made positive, so that a map is never mirrored.
    signs = np.sign(axes[np.abs(axes).argmax(axis=0), np.arange(axes.shape[1])])
    out = np.zeros((len(vectors), dims), np.float32)
    out[:, : axes.shape[1]] = centred @ (axes * signs)
    return out


def unit_square(points: Vectors) -> Vectors:
    """Points (n, 2) moved and scaled into 0..1, by the same factor in both directions."""
    if not len(points):
        return points
    low, high = points.min(axis=0), points.max(axis=0)
    extent = float((high - low).max())
    if extent == 0:
        return np.full_like(points, 0.5)
    scaled: Vectors = np.clip((points - (low + high) / 2) / extent + 0.5, 0, 1)
    return scaled.astype(np.float32)


def needed(package: str) -> Any:
    """A package that not every installation has. Raises GlimpseError."""
    try:
        # Deferred: an optional package, which takes seconds to import.
        return importlib.import_module(package)
    except ModuleNotFoundError as error:
        raise GlimpseError(
            f"a map needs the package {(error.name or package).partition('.')[0]}; "
            "install it with: pip install 'glimpse[map]'"
        ) from error


@contextmanager
def quietly() -> Iterator[None]:
    """Without the warnings of others, on which a user can do nothing."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
