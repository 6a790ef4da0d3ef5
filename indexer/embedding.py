"""Vectors of pictures, whatever one of them does to the model."""

import logging

import numpy as np
from numpy.typing import NDArray

from indexer.embedders.base import Embedder

__all__ = ["Vector", "embed_batch"]

log = logging.getLogger(__name__)

Vector = NDArray[np.float32]


def embed_batch(embedder: Embedder, pixels: NDArray[np.uint8]) -> list[Vector | None]:
    """A vector for each picture (n, size, size, 3); None for one that the model cannot do.

    A model that fails on a batch, out of memory say, is given the halves: only the culprit goes without.
    """
    try:
        vectors = embedder.embed_images(pixels)
    except (RuntimeError, MemoryError) as error:
        if len(pixels) == 1:
            log.warning("the model failed on a picture: %s", error)
            return [None]
        half = len(pixels) // 2
        return embed_batch(embedder, pixels[:half]) + embed_batch(embedder, pixels[half:])
    return [vector if _is_usable(vector) else None for vector in vectors]


def _is_usable(vector: Vector) -> bool:
    """Whether it is near something: numbers, and not all of them 0."""
    return bool(np.isfinite(vector).all() and vector.any())
