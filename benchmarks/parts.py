"""The parts of building a library, each with the machine to itself."""

import os
import resource
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.spent import cpu_seconds
from indexer.config import BuildConfig
from indexer.embedders.base import Embedder, Preprocessing
from indexer.pictures.decoding import Decoded
from indexer.pictures.limits import Limits
from indexer.pictures.pool import DecodePool

__all__ = [
    "BATCH",
    "Alone",
    "Figures",
    "Free",
    "Pixels",
    "Rows",
    "compared",
    "decode_alone",
    "embed_alone",
]

BATCH = BuildConfig().batch_size
NEAREST = 10

Pixels = NDArray[np.uint8]
Rows = NDArray[np.float32]
Figures = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Alone:
    """One part of the work, with the machine to itself."""

    pictures: int
    seconds: float
    cpu_seconds: float

    @property
    def cpu_ms(self) -> float:
        """Of one core, for one picture."""
        return 1000 * self.cpu_seconds / self.pictures

    def figures(self) -> Figures:
        """As they are published."""
        return {
            "images_per_s": round(self.pictures / self.seconds, 1),
            "cpu_ms": round(self.cpu_ms, 2),
        }


class Free:
    """An embedder that costs nothing: what a build takes with it is all that is neither decoding nor model."""

    def __init__(self, like: Embedder) -> None:
        self.fingerprint, self.dim = like.fingerprint, like.dim
        self._row = np.full(like.dim, like.dim**-0.5, np.float32)

    def embed_images(self, pixels: Pixels) -> Rows:
        """The same unit row (n, dim) for every picture."""
        return np.tile(self._row, (len(pixels), 1))


def decode_alone(
    photos: Path, preprocessing: Preprocessing, workers: int
) -> tuple[Alone, dict[str, Pixels]]:
    """Every file of a folder through the processes that a build uses, thumbnails included; pixels by name.

    What the processes take to start is left out.
    """
    paths = [os.fsencode(path) for path in sorted(photos.iterdir())]
    start, _ = _decode(paths[:workers], preprocessing, workers)
    whole, pixels = _decode(paths, preprocessing, workers)
    part = Alone(
        whole.pictures - start.pictures,
        whole.seconds - start.seconds,
        whole.cpu_seconds - start.cpu_seconds,
    )
    return part, pixels


def _decode(
    paths: Sequence[bytes], preprocessing: Preprocessing, workers: int
) -> tuple[Alone, dict[str, Pixels]]:
    pixels: dict[str, Pixels] = {}
    nowhere = Path(os.fsdecode(paths[0])).parent / "none"
    before, began = cpu_seconds(resource.RUSAGE_CHILDREN), time.perf_counter()
    with DecodePool(preprocessing, Limits(), workers, 30, thumbnails=nowhere) as pool:
        for path, result in pool.decode(paths):
            if not isinstance(result, Decoded):
                raise result
            pixels[Path(os.fsdecode(path)).name] = result.pixels
    seconds = time.perf_counter() - began
    spent = cpu_seconds(resource.RUSAGE_CHILDREN) - before
    return Alone(len(pixels), seconds, spent), pixels


def embed_alone(embedder: Embedder, pixels: Sequence[Pixels]) -> tuple[Alone, Rows]:
    """The model alone, over what is decoded already."""
    batches = [np.stack(pixels[i : i + BATCH]) for i in range(0, len(pixels), BATCH)]
    embedder.embed_images(batches[0])
    before, began = cpu_seconds(resource.RUSAGE_SELF), time.perf_counter()
    rows = [embedder.embed_images(batch) for batch in batches]
    seconds = time.perf_counter() - began
    spent = cpu_seconds(resource.RUSAGE_SELF) - before
    return Alone(len(pixels), seconds, spent), np.concatenate(rows)


def compared(ours: Rows, exact: Rows) -> Figures:
    """Cosines (n,) of rows (n, dim) with what they stand for, and how far their nearest neighbours are the same."""
    cosines = np.einsum("nd,nd->n", ours, exact)
    near, nearest = _neighbours(ours), _neighbours(exact)
    shared = [len(set(a) & set(b)) / NEAREST for a, b in zip(near, nearest, strict=True)]
    return {
        "cosine_mean": round(float(cosines.mean()), 5),
        "cosine_least": round(float(cosines.min()), 5),
        f"overlap_at_{NEAREST}": round(float(np.mean(shared)), 4),
    }


def _neighbours(rows: Rows) -> list[list[int]]:
    scores = rows @ rows.T
    np.fill_diagonal(scores, -2)
    order: list[list[int]] = np.argsort(-scores, axis=1, kind="stable")[:, :NEAREST].tolist()
    return order
