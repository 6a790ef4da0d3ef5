"""The measures, each by its definition; what is measured query by query is averaged elsewhere.

Ranks are those of a query's relevant answers: int64 (r,), from 1, ascending, never empty.
"""

import numpy as np
from numpy.typing import NDArray

from indexer.evaluation.ranking import Ids, Vectors

__all__ = [
    "TEMPERATURE",
    "alignment",
    "average_precision",
    "capped_precision",
    "hit",
    "precision",
    "recall",
    "reciprocal_rank",
    "uniformity",
    "vote",
]

Values = NDArray[np.float64]

TEMPERATURE = 0.07
"""Wu et al., arXiv 1805.01978."""


def hit(ranks: Ids, k: int) -> float:
    """Recall@k where one right answer is enough: 1 if any is among the first k, else 0."""
    return float(ranks[0] <= k)


def recall(ranks: Ids, k: int) -> float:
    """Recall@k where all are wanted: the share of the relevant answers that is among the first k."""
    return float(np.count_nonzero(ranks <= k) / len(ranks))


def precision(ranks: Ids, k: int) -> float:
    """The share of the first k answers that is relevant, out of k even where fewer are."""
    return float(np.count_nonzero(ranks <= k) / k)


def capped_precision(ranks: Ids, k: int) -> float:
    """The share of what could be right among the first k answers that is: out of the relevant, or k if they are more.

    Plain precision cannot reach 1 where fewer than k are relevant; this can. For k relevant answers both are one.
    """
    return float(np.count_nonzero(ranks <= k) / min(k, len(ranks)))


def average_precision(ranks: Ids) -> float:
    """Mean of the precision at each relevant answer (Manning et al., Introduction to IR, 8.4)."""
    return float(np.mean(np.arange(1, len(ranks) + 1) / ranks))


def reciprocal_rank(ranks: Ids) -> float:
    """1 over the rank of the first right answer."""
    return float(1 / ranks[0])


def vote(codes: Ids, cosines: Vectors, classes: int) -> int:
    """The class that weighted neighbours elect, by their codes (k,) and cosines (k,).

    Each has the weight exp(cosine / temperature): Wu et al., arXiv 1805.01978, "weighted k-nearest neighbor
    classifier". Of classes with equal votes the first wins.
    """
    weights = np.exp(cosines.astype(np.float64) / TEMPERATURE)
    return int(np.argmax(np.bincount(codes, weights, minlength=classes)))


def alignment(vectors: Vectors, codes: Ids, queries: Ids) -> Values:
    """For each query (m,), a row of `vectors` (n, dim): its mean ||x - y||^2 to the others of its class.

    The mean over queries is the alignment of Wang and Isola, arXiv 2005.10242, with alpha = 2 and, as positive
    pairs, photos of one class. Each class has two members at least.
    """
    own = codes[queries]
    sizes = np.bincount(codes)[own]
    sums = np.zeros((codes.max() + 1, vectors.shape[1]))
    np.add.at(sums, codes, vectors)
    # ||x - y||^2 = 2 - 2 x.y for unit vectors; x itself, at distance 0, adds nothing to the sum.
    with_all = np.einsum("md,md->m", vectors[queries], sums[own])
    return np.asarray(2 * (sizes - with_all) / (sizes - 1), np.float64)


def uniformity(vectors: Vectors, queries: Ids) -> Values:
    """For each query (m,), a row of `vectors` (n, dim): its mean exp(-2 ||x - y||^2) to all others.

    The logarithm of the mean over queries is the uniformity of Wang and Isola, arXiv 2005.10242, with
    t = 2, over pairs of distinct photos as in the authors' code.
    """
    totals = np.exp(4 * (vectors[queries] @ vectors.T) - 4).sum(axis=1, dtype=np.float64)
    return np.asarray(
        (totals - 1) / (len(vectors) - 1), np.float64
    )  # less the photo with itself, exp(0)
