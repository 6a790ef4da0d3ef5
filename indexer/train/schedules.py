"""The optimisers that the papers use, and how their learning rate moves."""

import math
from dataclasses import dataclass
from typing import Literal

import torch
from lightly.utils.lars import LARS

from indexer.errors import UsageError
from indexer.train.method import Method, parameter_groups

__all__ = ["Cosine", "Recipe", "cosine", "optimiser"]


@dataclass(frozen=True, slots=True)
class Recipe:
    """How a method is optimised."""

    kind: Literal["lars", "sgd", "adamw"]
    learning_rate: float
    """For a batch of `batch` pictures."""
    weight_decay: float
    batch: int | None = 256
    """The rate is in proportion to the batch, measured by this; None: the same for every batch."""
    momentum: float = 0.9
    betas: tuple[float, float] = (0.9, 0.98)
    eps: float = 1e-6

    def peak(self, batch: int) -> float:
        """The learning rate for a batch (of all processes together): Goyal et al., arXiv 1706.02677."""
        return self.learning_rate * (batch / self.batch if self.batch else 1.0)


@dataclass(frozen=True, slots=True)
class Cosine:
    """Up in a line, then down in half a cosine without restarts (Loshchilov and Hutter, 1608.03983)."""

    peak: float
    warmup: float = 0.0
    """Share of training in which the rate rises from 0 to `peak`."""

    def __call__(self, progress: float) -> float:
        """The learning rate where that share of training is done, 0 to 1."""
        if progress < self.warmup:
            return self.peak * progress / self.warmup
        if self.warmup >= 1:
            return self.peak
        return self.peak * cosine((progress - self.warmup) / (1 - self.warmup))


def cosine(progress: float) -> float:
    """(cos(pi k / K) + 1) / 2, from 1 to 0.

    lightly's `cosine_schedule` divides by K - 1, and so departs from the papers.
    """
    return (math.cos(math.pi * min(max(progress, 0.0), 1.0)) + 1) / 2


def optimiser(method: Method, recipe: Recipe, batch: int) -> torch.optim.Optimizer:
    """The optimiser of the parameters that learn; biases, norms and scales do not decay.

    LARS is lightly's: equation 6 of You et al., arXiv 1708.03888, with a trust coefficient of 0.001, and
    outside the learning rate the momentum of PyTorch's SGD. It takes parameters that do not decay
    by plain SGD, which is what SimCLR and BYOL ask for biases and norms.
    """
    groups = parameter_groups(method, recipe.weight_decay)
    rate = recipe.peak(batch)
    match recipe.kind:
        case "lars":
            if not recipe.weight_decay:
                raise UsageError("LARS with a weight decay of 0 adapts nothing; take sgd")
            return LARS(groups, lr=rate, momentum=recipe.momentum)  # type: ignore[no-any-return]
        case "sgd":
            return torch.optim.SGD(groups, lr=rate, momentum=recipe.momentum)
        case "adamw":
            return torch.optim.AdamW(groups, lr=rate, betas=recipe.betas, eps=recipe.eps)
