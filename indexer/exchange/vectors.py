"""Vectors as they come and go."""

import numpy as np
from numpy.typing import NDArray

__all__ = ["ROUNDED", "SHORTEST", "checked", "unit"]

SHORTEST = 1e-6
"""A vector of less length says nothing: what is left of it is rounding."""
ROUNDED = 1e-3
"""A length so near to 1 is a unit vector's in half precision, and stays: every bit comes back as it went."""


def unit(vectors: NDArray[np.floating]) -> NDArray[np.float32]:
    """The same rows in single precision, of length 1; none is zero."""
    exact = vectors.astype(np.float32)
    exact /= np.linalg.norm(exact, axis=1, keepdims=True)
    return exact


def checked(vectors: NDArray[np.floating]) -> tuple[NDArray[np.float32], list[str | None]]:
    """Rows (n, dim) of length 1, and for each what is wrong with it; such a row is zeros."""
    exact = vectors.astype(np.float64)
    finite = np.isfinite(exact).all(axis=1).reshape(-1)
    exact[~finite] = 0
    length = np.linalg.norm(exact, axis=1)
    is_long = length > SHORTEST
    exact[~is_long] = 0
    exact /= np.where(is_long & (np.abs(length - 1) > ROUNDED), length, 1)[:, None]
    faults = [_fault(*each) for each in zip(finite.tolist(), is_long.tolist(), strict=True)]
    return exact.astype(np.float32), faults


def _fault(finite: bool, is_long: bool) -> str | None:
    if not finite:
        return "a vector with NaN or infinity in it"
    return None if is_long else "a vector of zeros"
