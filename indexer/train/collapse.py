"""Whether what is learned has collapsed: all pictures in one point, or on one line."""

import math

import torch
from torch import Tensor
from torch.nn import functional

__all__ = ["Watch", "dimensions", "spread"]

MEMORY = 0.05
"""Weight of the newest step in the averages that decide about a warning."""
LEAST_SPREAD = 0.1
LEAST_DIMENSIONS = 1.5
LEAST_ROWS = 16
"""Fewer outputs span too few dimensions for their number to say anything."""


def spread(outputs: Tensor) -> Tensor:
    """How far the outputs (n, dim) lie apart: a scalar, 1 for directions at random, 0 for one direction.

    The standard deviation of the normalised outputs, averaged over the dimensions, times the root of
    dim: SimSiam, arXiv 2011.10566, section 4.1.
    """
    deviations = functional.normalize(outputs, dim=1).std(dim=0, correction=0)
    return deviations.mean() * math.sqrt(outputs.shape[1])


def dimensions(outputs: Tensor) -> Tensor:
    """How many dimensions the normalised outputs (n, dim) use: a scalar, 0 where all are alike.

    The participation ratio (sum of l)^2 / (sum of l^2) of the eigenvalues l of their covariance, which
    needs no decomposition. Dimensional collapse is Jing et al., arXiv 2110.09348.
    """
    rows = functional.normalize(outputs, dim=1)
    rows = rows - rows.mean(dim=0)
    # The eigenvalues other than 0 are those of the smaller of the two products.
    products = rows @ rows.T if len(rows) < rows.shape[1] else rows.T @ rows
    ratio: Tensor = products.trace().square() / products.square().sum().clamp(min=1e-12)
    return ratio


class Watch:
    """Looks at the outputs of each step; nothing is read back from the device until it is asked for."""

    def __init__(self) -> None:
        self._latest: dict[str, Tensor] = {}
        self._average: dict[str, Tensor] = {}

    @torch.no_grad()
    def see(self, outputs: Tensor) -> None:
        """Take in the outputs (n, dim) of a step."""
        outputs = outputs.detach().float()
        self._latest = {"spread": spread(outputs), "dimensions": dimensions(outputs)}
        # Untrained networks give outputs that are much alike, so the averages begin at health.
        healthy = {"spread": 1.0, "dimensions": float(outputs.shape[1])}
        for name, value in self._latest.items():
            if name == "spread" or len(outputs) >= LEAST_ROWS:
                average = self._average.get(name, torch.full_like(value, healthy[name]))
                self._average[name] = average.lerp(value, MEMORY)

    def figures(self) -> dict[str, float]:
        """`spread` and `dimensions` of the latest step; NaN before the first."""
        return {
            name: float(self._latest.get(name, float("nan"))) for name in ("spread", "dimensions")
        }

    def warning(self) -> str | None:
        """One line, where the last twenty or so steps were collapsed."""
        apart = float(self._average.get("spread", 1.0))
        used = float(self._average.get("dimensions", float("inf")))
        if apart < LEAST_SPREAD:
            return (
                f"collapsed: all pictures look alike to the model (spread {apart:.3f}, healthy is near 1); "
                "lower the learning rate, or take larger batches"
            )
        if used < LEAST_DIMENSIONS:
            return (
                f"collapsed: all pictures lie on one line to the model ({used:.1f} dimensions in use); "
                "lower the learning rate, or augment less"
            )
        return None
