"""How sure a tag is: a label is held against many other words, photo by photo.

A photo's cosines with unrelated words have a mean and a spread of their own. How many spreads a label stands above
that mean, its z, says more than the cosine: it compares between photos and between labels, and depends on neither
the library nor the rest of the list. Other ways were measured and were worse, most of all calibrating a label
over the library, which takes away what most photos show: benchmarks/tagging.py has them.
"""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from indexer.progress import Watch

__all__ = ["above_words", "confidences", "given"]

Ids = NDArray[np.int64]
Vectors = NDArray[np.float32]

MIDDLE, SLOPE = 4.2, 1.63
"""Of the logistic curve from z to the share of tags that are right, fitted by benchmarks/tagging.py."""
LEAST_SPREAD = 1e-4
"""Of cosines: for a model to which all words are one."""
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
) -> Iterator[tuple[int, int, float]]:
    """Row of the photo, row of the label and confidence of each tag that is sure enough."""
    starts = range(0, len(photos), BLOCK)
    for start in watch.over(starts, len(starts), "batches of photos"):
        sure = confidences(above_words(photos[start : start + BLOCK], labels, words))
        rows, columns = np.nonzero(sure >= threshold)
        yield from zip(
            (rows + start).tolist(), columns.tolist(), sure[rows, columns].tolist(), strict=True
        )
