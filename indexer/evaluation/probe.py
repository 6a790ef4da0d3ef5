"""A linear probe: multinomial logistic regression on vectors that stay as they are."""

from itertools import count

import numpy as np
import torch
from torch.nn import functional

from indexer.evaluation.ranking import Ids, Vectors
from indexer.progress import Watch

__all__ = ["TEST_SHARE", "LinearProbe", "stratified_split"]

TEST_SHARE = 0.2
STRENGTH = 0.1
STEPS = 1000


def stratified_split(codes: Ids, seed: int) -> tuple[Ids, Ids]:
    """Rows to train on and rows to test on: a fifth of each class, and at least one on either side.

    Classes with one member are in neither.
    """
    rng = np.random.default_rng(seed)
    train, test = [np.empty(0, np.int64)], [np.empty(0, np.int64)]
    for code in np.flatnonzero(np.bincount(codes) > 1):
        rows = rng.permutation(np.flatnonzero(codes == code))
        tested = max(1, round(TEST_SHARE * len(rows)))
        test.append(rows[:tested])
        train.append(rows[tested:])
    return np.sort(np.concatenate(train)), np.sort(np.concatenate(test))


class LinearProbe:
    """Multinomial logistic regression with bias, fitted by L-BFGS to the optimum.

    Minimises the summed cross entropy times `strength` plus half the squared weights: scikit-learn's
    `LogisticRegression(C=strength)`. Vectors are centred and scaled to a mean variance of 1 a dimension by those of
    the training, so that one strength suits spaces of any spread.
    """

    def __init__(self, strength: float = STRENGTH) -> None:
        self._strength = strength

    def fit(self, vectors: Vectors, codes: Ids, watch: Watch) -> "LinearProbe":
        """Learn from vectors (n, dim) and their classes (n,)."""
        steps = watch.over(count(), STEPS, "linear probe, steps at most")
        self._mean = vectors.mean(axis=0)
        self._scale = float(max(np.sqrt(vectors.var(axis=0).mean()), 1e-12))
        self._classes, targets = np.unique(codes, return_inverse=True)
        inputs, wanted = self._inputs(vectors), torch.from_numpy(targets)
        weight = torch.zeros(len(self._classes), vectors.shape[1], requires_grad=True)
        bias = torch.zeros(len(self._classes), requires_grad=True)
        optimiser = torch.optim.LBFGS(
            [weight, bias], max_iter=STEPS, tolerance_grad=1e-6, line_search_fn="strong_wolfe"
        )

        def loss() -> torch.Tensor:
            next(steps)
            optimiser.zero_grad()
            entropy = functional.cross_entropy(functional.linear(inputs, weight, bias), wanted)
            total = entropy + weight.square().sum() / (2 * self._strength * len(inputs))
            total.backward()  # type: ignore[no-untyped-call]
            return total

        optimiser.step(loss)  # type: ignore[no-untyped-call]
        self._weight, self._bias = weight.detach(), bias.detach()
        return self

    def predict(self, vectors: Vectors) -> Ids:
        """The class of each vector (n, dim)."""
        logits = functional.linear(self._inputs(vectors), self._weight, self._bias)
        found: Ids = self._classes[logits.argmax(dim=1).numpy()]
        return found

    def _inputs(self, vectors: Vectors) -> torch.Tensor:
        return torch.from_numpy((vectors - self._mean) / np.float32(self._scale))
