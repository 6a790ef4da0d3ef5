"""Vectors to rank, rankings read off plainly by the words of their definitions, and what an evaluation says."""

from collections.abc import Collection
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from indexer import Library
from indexer.evaluation import Evaluation, EvaluationOptions
from indexer.evaluation.gallery import Labels
from indexer.progress import Watch, silently

Vectors = NDArray[np.float32]

WATCH = Watch(silently)
BY_FOLDER = EvaluationOptions(labels="folders", templates=("{}",), speed=False)


def unit(rows: object) -> Vectors:
    array = np.asarray(rows, np.float32)
    return np.asarray(array / np.linalg.norm(array, axis=1, keepdims=True), np.float32)


def random_unit(count: int, dim: int, seed: int = 0) -> Vectors:
    return unit(np.random.default_rng(seed).standard_normal((count, dim)))


def angles(*degrees: float) -> Vectors:
    """Unit vectors in the plane."""
    radians = np.radians(degrees)
    return np.stack([np.cos(radians), np.sin(radians)], axis=1).astype(np.float32)


def labels(*names: str) -> Labels:
    known = tuple(sorted(set(names)))
    codes = np.array([known.index(name) for name in names], np.int64)
    return Labels(known, np.arange(len(names)), codes)


def plain_ranks(
    query: Vectors, gallery: Vectors, relevant: Collection[int], own: int | None = None
) -> list[int]:
    """Sort everything else by cosine, wrong before right where they are equal, and count."""
    rows = [row for row in range(len(gallery)) if row != own]
    cosine = {row: round(float(np.dot(query, gallery[row])), 5) for row in rows}
    order = sorted(rows, key=lambda row: (-cosine[row], row in relevant))
    return [rank for rank, row in enumerate(order, start=1) if row in relevant]


def values(evaluation: Evaluation, task: str) -> dict[str, float]:
    found = evaluation.as_json()["spaces"][0]["tasks"][task]["figures"]
    return {name: figure["value"] for name, figure in found.items()}


def told(library: Library, options: EvaluationOptions) -> tuple[Evaluation, list[str]]:
    lines: list[str] = []
    return library.evaluate(options, notify=lines.append), lines


def root(library: Library) -> Path:
    return library.status().roots[0].path


def write(path: Path, text: str) -> Path:
    path.write_text(text)
    return path
