"""The rows of a segment that may answer a query."""

from functools import cached_property

import faiss
import numpy as np
from numpy.typing import NDArray

__all__ = ["Chosen", "Mask"]

Ids = NDArray[np.int64]
Mask = NDArray[np.bool_]


class Chosen:
    """Some of so many rows, by their numbers."""

    def __init__(self, mask: Mask) -> None:
        self.count = int(np.count_nonzero(mask))
        self.size = len(mask)
        self._mask = mask
        self._bits = np.packbits(mask, bitorder="little")

    @cached_property
    def rows(self) -> Ids:
        """Their numbers, ascending."""
        return np.flatnonzero(self._mask)

    @property
    def share(self) -> float:
        """How many of all they are."""
        return self.count / self.size

    def has(self, rows: Ids) -> Mask:
        """Which of these rows are among them."""
        found: Mask = self._mask[rows]
        return found

    def selector(self) -> faiss.IDSelector | None:
        """For FAISS; None for all. It points into this object, which must outlive it."""
        return faiss.IDSelectorBitmap(self._bits) if self.count < self.size else None  # type: ignore[call-arg,arg-type]
