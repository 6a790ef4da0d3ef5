"""A query's terms become one direction in a space, which ranks photos and is weighed against the background."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from indexer.errors import QueryError
from indexer.search.background import Background

__all__ = ["Direction", "Kind", "Part", "combine", "join"]

Vector = NDArray[np.float32]
SHORTEST = 1e-6


class Kind(StrEnum):
    """Where a part of a query comes from, which says what to compare its scores with."""

    WORDS = "words"
    PICTURE = "picture"
    MARKS = "marks"


@dataclass(frozen=True, slots=True, eq=False)
class Part:
    """A unit vector (dim,) with its weight in the query; below zero where less of it is wanted."""

    vector: Vector
    weight: float
    kind: Kind


@dataclass(frozen=True, slots=True, eq=False)
class Direction:
    """Parts whose weighted sum has length 1."""

    parts: tuple[Part, ...]

    @property
    def vector(self) -> Vector:
        """The unit vector (dim,) whose inner product with a photo's is the photo's score."""
        total = sum(part.weight * part.vector for part in self.parts)
        return np.asarray(total, np.float32)

    def deviations(self, vectors: Vector, background: Background) -> Vector:
        """How far above what unrelated queries give them these photos (n, dim) score, in standard deviations (n,).

        Not a number where nothing is known of the background.
        """
        mean, variance = np.zeros(len(vectors)), np.zeros(len(vectors))
        for part in self.parts:
            level, spread = _expected(part, vectors, background)
            mean += part.weight * level
            variance += (part.weight * spread) ** 2
        with np.errstate(divide="ignore", invalid="ignore"):
            found = (vectors @ self.vector - mean) / np.sqrt(variance)
        return np.where(variance > SHORTEST**2, found, np.nan).astype(np.float32)


def combine(parts: Sequence[Part], background: Background, query: str) -> Direction:
    """Parts as one direction, in which each pulls as much as its weight says.

    In a joint space pictures are far closer to pictures than to words (the modality gap, arXiv 2203.02053), so a
    plain sum would follow the picture alone. Words and pictures each count in units of how far queries of
    their kind spread the library's photos. Raises QueryError where the parts cancel each other out.
    """
    usual = {Kind.WORDS: background.spread_by_words, Kind.PICTURE: background.spread_by_photos}
    if len({part.kind for part in parts}) > 1 and min(usual.values()) > SHORTEST:
        parts = [Part(p.vector, p.weight / usual[p.kind], p.kind) for p in parts]
    return _normalised(parts, query)


def join(direction: Direction, part: Part, background: Background) -> Direction:
    """A direction with one part more, both in units of their spread over the library."""
    scale = background.spread(direction.vector) or 1.0
    weight = part.weight / (background.spread(part.vector) or 1.0)
    parts = [Part(p.vector, p.weight / scale, p.kind) for p in direction.parts]
    return _normalised([*parts, Part(part.vector, weight, part.kind)], "what was marked")


def _normalised(parts: Sequence[Part], query: str) -> Direction:
    length = float(np.linalg.norm(sum(part.weight * part.vector for part in parts)))
    if length < SHORTEST * max((abs(part.weight) for part in parts), default=1):
        raise QueryError(f"the terms of {query!r} cancel each other out; change a weight")
    return Direction(tuple(Part(p.vector, p.weight / length, p.kind) for p in parts))


def _expected(part: Part, vectors: Vector, background: Background) -> tuple[Vector, Vector]:
    match part.kind:
        case Kind.WORDS:
            return background.of_words(vectors)
        case Kind.PICTURE:
            return background.of_photos(vectors)
        case Kind.MARKS:
            level, spread = background.level(part.vector), background.spread(part.vector)
            ones = np.ones(len(vectors), np.float32)
            return level * ones, spread * ones
