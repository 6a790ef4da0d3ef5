"""How sure a tag is: a label is held against many other words, photo by photo.

A photo's cosines with unrelated words have a mean and a spread of their own. How many spreads a label stands above
that mean, its z, says more than the cosine: it compares between photos and between labels, and depends on neither
the library nor the rest of the list. Of the other ways that benchmarks/tagging.py measures, one finds more and gives
twice to four times as many tags that are wrong altogether; it takes away what most photos show.
"""

import numpy as np
from numpy.typing import NDArray

from indexer.progress import Watch

__all__ = ["above_words", "confidences", "given", "proven"]

Ids = NDArray[np.int64]
Vectors = NDArray[np.float32]

MIDDLE, SLOPE = 4.31, 1.64
"""Of the logistic curve from z to the share of tags that are right, fitted by benchmarks/tagging.py."""
LEAST_SPREAD = 1e-4
"""Of cosines: for a model to which all words are one."""
PROOF = 0.8
"""The confidence that the best photo of a label reaches."""
BLOCK = 4096


def above_words(photos: Vectors, labels: Vectors, words: Vectors) -> Vectors:
    """The z of each label (c, dim) for each photo (n, dim) among the words (b, dim): (n, c)."""
    background = photos @ words.T
    spread = np.maximum(background.std(axis=1, keepdims=True), LEAST_SPREAD)
    return np.asarray(
        (photos @ labels.T - background.mean(axis=1, keepdims=True)) / spread, np.float32
    )


def confidences(z: Vectors) -> Vectors:
    """0 to 1: about the share of tags at this z that are right."""
    return np.asarray(1 / (1 + np.exp(np.clip(-SLOPE * (z - MIDDLE), -50, 50))), np.float32)


def given(
    photos: Vectors, labels: Vectors, words: Vectors, threshold: float, watch: Watch
) -> tuple[Ids, Ids, Vectors]:
    """Rows of the photos, rows of the labels, and confidences of the tags that are sure enough, each (t,)."""
    found = [(np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0, np.float32))]
    starts = range(0, len(photos), BLOCK)
    for start in watch.over(starts, len(starts), "batches of photos"):
        sure = confidences(above_words(photos[start : start + BLOCK], labels, words))
        rows, columns = np.nonzero(sure >= threshold)
        found.append((rows + start, columns, sure[rows, columns]))
    rows, columns, kept = (np.concatenate(part) for part in zip(*found, strict=True))
    return rows, columns, np.asarray(kept, np.float32)


def proven(columns: Ids, sure: Vectors, known: Ids) -> NDArray[np.bool_]:
    """Which tags (t,) stand: those of labels that one photo shows almost for certain, or that are `known`.

    A library that has nothing of a label still has photos that come near to it.
    """
    best = np.zeros(1 + max(columns.max(initial=0), known.max(initial=0)), np.float32)
    np.maximum.at(best, columns, sure)
    best[known] = 1
    return np.asarray(best[columns] >= PROOF)
