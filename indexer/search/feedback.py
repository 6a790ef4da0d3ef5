"""Relevance feedback: photos marked as right or wrong teach a small classifier, which joins the query.

Logistic regression with a quadratic penalty, fitted by Newton's method, over the marked photos and a few of the
library's as weak counter-examples. It is linear, so what it learns is one more direction.
"""

import numpy as np
from numpy.typing import NDArray

from indexer.search.direction import Kind, Part

__all__ = ["learn_part"]

Vectors = NDArray[np.float32]
WEIGHT = 2.0
"""Of what was learned, beside 1 for the query itself."""
WEIGHT_OF_WRONG = 0.5
"""The same where all that is known is what is wrong."""
PENALTY = 0.03
BACKGROUND_WEIGHT = 0.02
STEPS = 12
SAME = 0.999
"""The cosine of a photo and itself."""


def learn_part(right: Vectors, wrong: Vectors, background: Vectors) -> Part:
    """What points to the photos marked right and away from those marked wrong, as a part of the query.

    Rows are L2-normalised vectors of marked photos, and of the library's at large.
    """
    if not len(right):
        return Part(_unit(-wrong.mean(axis=0)), WEIGHT_OF_WRONG, Kind.MARKS)
    background = background[(background @ right.T).max(axis=1) < SAME]
    rows = np.concatenate([right, wrong, background]).astype(np.float64)
    targets = np.concatenate([np.ones(len(right)), np.zeros(len(wrong) + len(background))])
    weights = np.concatenate(
        [np.ones(len(right) + len(wrong)), np.full(len(background), BACKGROUND_WEIGHT)]
    )
    learned = _fit(np.c_[rows, np.ones(len(rows))], targets, weights)[:-1]
    vector = learned if np.linalg.norm(learned) > 1e-9 else right.mean(axis=0)
    return Part(_unit(vector), WEIGHT, Kind.MARKS)


def _fit(
    rows: NDArray[np.float64], targets: NDArray[np.float64], weights: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Coefficients (dim + 1,), of which the last, the intercept, is not penalised."""
    coefficients = np.zeros(rows.shape[1])
    penalty = np.full(rows.shape[1], PENALTY)
    penalty[-1] = 1e-6
    for _ in range(STEPS):
        chances = 1 / (1 + np.exp(-np.clip(rows @ coefficients, -30, 30)))
        gradient = rows.T @ (weights * (chances - targets)) + penalty * coefficients
        curvature = weights * np.maximum(chances * (1 - chances), 1e-6)
        hessian = (rows * curvature[:, None]).T @ rows + np.diag(penalty)
        step = np.linalg.solve(hessian, gradient)
        coefficients -= step
        if np.abs(step).max() < 1e-6:
            break
    return coefficients


def _unit(vector: NDArray[np.float64] | Vectors) -> Vectors:
    return np.asarray(vector / max(float(np.linalg.norm(vector)), 1e-12), np.float32)
