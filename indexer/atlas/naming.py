"""Names for clusters: the label that sets a cluster most apart from the rest of the library."""

import math
from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from indexer.atlas.records import Layout
from storage.vectors import VectorIndex

__all__ = ["by_tags", "by_words", "unique_names"]

LEAST_SHARE = 0.2
"""Of a cluster's photos: a tag that fewer have says nothing of the cluster."""
CANDIDATES = 3
LEAST_OF_BEST = 0.8
"""Of a word's best cosine over the clusters: where it fits another far better, it is no name for this one."""
MOST_VECTORS = 500
"""Of a cluster, for its mean."""

Tag = tuple[int, str, float]
"""A content, a label, a confidence within 0..1."""


def by_tags(layout: Layout, tags: Iterable[Tag]) -> list[list[str]]:
    """Labels for each cluster, the most telling first.

    A label counts by its share p of the cluster's photos, weighed by confidence, and its share q of the whole
    library: p log(p / q), its part in the Kullback-Leibler divergence of the cluster from the library.
    """
    clusters = int(layout.cluster.max(initial=-1)) + 1
    contents, names, confidences = zip(*tags, strict=True) if (tags := list(tags)) else ((),) * 3
    labels, columns = np.unique(np.array(names, np.str_), return_inverse=True)
    rows = layout.at(np.array(contents, np.int64))
    # One line more than clusters: -1, the last, gathers what is in none.
    weight = np.zeros((clusters + 1, len(labels)))
    on_map = rows >= 0
    at = (layout.cluster[rows[on_map]], columns[on_map])
    np.add.at(weight, at, np.array(confidences, np.float64)[on_map])
    sizes = np.bincount(layout.cluster[layout.cluster >= 0], minlength=clusters)
    shares = weight[:clusters] / np.maximum(sizes, 1)[:, None]
    library = weight.sum(axis=0) / max(len(layout.contents), 1)
    return [_best(labels, share, library) for share in shares]


def by_words(
    layout: Layout, index: VectorIndex, labels: Sequence[str], words: NDArray[np.float32]
) -> list[list[str]]:
    """Labels for each cluster, the nearest first: the words compared with its mean less that of the library.

    `words` are the labels' unit vectors (n, dim). Both means are of what is common to all pictures, or to all words,
    freed: what is left is what tells apart.
    """
    words = _unit(words - words.mean(axis=0)) if len(labels) > 1 else words
    middle = _mean(index, layout.contents)
    clusters = int(layout.cluster.max(initial=-1)) + 1
    members = (layout.contents[layout.cluster == number] for number in range(clusters))
    centres = [_mean(index, each) - middle for each in members if len(each)]
    scores = _unit(np.array(centres).reshape(-1, index.dim)) @ words.T
    telling = scores >= np.maximum(LEAST_OF_BEST * scores.max(axis=0, initial=0), 1e-6)
    ranked = np.argsort(-scores, axis=1, kind="stable")
    return [
        [labels[column] for column in order if fits[column]][:CANDIDATES]
        for order, fits in zip(ranked, telling, strict=True)
    ]


def unique_names(candidates: Sequence[Sequence[str]]) -> list[str]:
    """A name for each cluster: its first label; one that is taken gets its second beside it, or a number."""
    names: list[str] = []
    for number, labels in enumerate(candidates, 1):
        choices = [*labels[:1], *(f"{labels[0]}, {other}" for other in labels[1:])]
        stem = labels[0] if labels else "Group"
        first = 2 if labels else number
        numbered = (f"{stem} {i}" for i in range(first, first + 2 * len(candidates) + 1))
        names.append(next(name for name in (*choices, *numbered) if name not in names))
    return names


def _best(
    labels: NDArray[np.str_], share: NDArray[np.float64], library: NDArray[np.float64]
) -> list[str]:
    scores = {
        str(label): p * math.log(p / q)
        for label, p, q in zip(labels, share, library, strict=True)
        if p >= LEAST_SHARE and p > q
    }
    return sorted(scores, key=lambda label: -scores[label])[:CANDIDATES]


def _mean(index: VectorIndex, contents: NDArray[np.int64]) -> NDArray[np.float32]:
    """Of the vectors of these contents, or of as many of them as tell it well enough."""
    step = max(1, len(contents) // MOST_VECTORS)
    mean: NDArray[np.float32] = index.vectors(contents[::step]).mean(axis=0)
    return mean


def _unit(rows: NDArray[np.float32]) -> NDArray[np.float32]:
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    unit: NDArray[np.float32] = rows / np.maximum(lengths, 1e-12)
    return unit
