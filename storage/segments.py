"""A part of a space's vectors, searched: exactly while it is small, through cells of near ones when it is not.

What the cells propose is ranked by the exact vectors. Cells save time, never results: where they propose too few,
every vector is looked at.
"""

from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Protocol
from weakref import WeakKeyDictionary

import numpy as np

from storage.chosen import Chosen, Mask
from storage.rows import Ids, Rows, Vectors

__all__ = ["Allowed", "Proposer", "Segment"]


class Proposer(Protocol):
    """Knows which rows lie near a query, without looking at all of them."""

    def propose(self, query: Vectors, k: int, chosen: Chosen) -> Ids | None:
        """Rows among the chosen that may be the k nearest to a vector (dim,); None where all had better be asked."""


@dataclass(eq=False)
class Allowed:
    """The contents that may answer, by their ids, sorted; what it means for a segment is worked out once."""

    ids: Ids
    _chosen: WeakKeyDictionary["Segment", Chosen] = field(default_factory=WeakKeyDictionary)

    def __len__(self) -> int:
        return len(self.ids)

    def among(self, segment: "Segment") -> Chosen:
        """The segment's living rows that are allowed."""
        chosen = self._chosen.get(segment)
        if chosen is None:
            chosen = Chosen(segment.alive & np.isin(segment.ids, self.ids))
            self._chosen[segment] = chosen
        return chosen


@dataclass(frozen=True, eq=False)
class Segment:
    """Vectors by their contents' ids; immutable, so that readers may share it."""

    ids: Ids
    """Ascending; row i of `rows` belongs to `ids[i]`."""
    rows: Rows
    cells: Proposer | None = None
    """Over the row numbers; None searches exactly."""
    gone: Mask | None = None
    """Of each row, whether it left since; None where none did."""

    def __len__(self) -> int:
        return self._living.count

    @property
    def alive(self) -> Mask:
        """Of each row, whether it is still there."""
        return np.ones(len(self.ids), np.bool_) if self.gone is None else ~self.gone

    @cached_property
    def _living(self) -> Chosen:
        return Chosen(self.alive)

    @cached_property
    def living_ids(self) -> Ids:
        """The ids that are still there, ascending."""
        return self.ids if self.gone is None else self.ids[~self.gone]

    def without(self, ids: Ids) -> "Segment":
        """The same without these sorted ids; itself where it has none of them."""
        rows = self.find(ids)
        rows = rows[rows >= 0]
        if not len(rows):
            return self
        gone = ~self.alive
        gone[rows] = True
        return replace(self, gone=gone)

    def find(self, ids: Ids) -> Ids:
        """The rows of these ids, -1 for those that are not there."""
        if not len(self.ids):
            return np.full(len(ids), -1, np.int64)
        rows = np.minimum(np.searchsorted(self.ids, ids), len(self.ids) - 1)
        there = self.ids[rows] == ids
        if self.gone is not None:
            there &= ~self.gone[rows]
        return np.where(there, rows, -1)

    def search(self, query: Vectors, k: int, allowed: Allowed | None) -> tuple[Ids, Vectors]:
        """The k nearest ids to a unit vector (dim,), best first, with their cosines; all where there are fewer."""
        chosen = self._living if allowed is None else allowed.among(self)
        rows = self._candidates(query, min(k, chosen.count), chosen)
        cosines = self.rows.cosines(query, rows)
        best = np.argsort(-cosines, kind="stable")[:k]
        return self.ids[rows[best]], cosines[best]

    def _candidates(self, query: Vectors, k: int, chosen: Chosen) -> Ids:
        """Rows that hold the k nearest among them."""
        if k >= chosen.count or self.rows.are_few(chosen.count):
            return chosen.rows
        rows = self.cells.propose(query, k, chosen) if self.cells is not None else None
        return self.rows.nearest(query, k, chosen) if rows is None else rows
