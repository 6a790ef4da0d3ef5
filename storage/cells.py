"""Cells of near vectors: a FAISS inverted file over compressed vectors, which proposes rows in no time.

What it proposes is ranked by the exact vectors. An index of 4-bit product codes (Jégou, Douze and Schmid, TPAMI
2011; André, Kermarrec and Le Scouarnec, VLDB 2015) is an eighth of the vectors in size.
"""

import struct
from dataclasses import dataclass
from typing import Any

import faiss
import numpy as np

from storage.chosen import Chosen
from storage.rows import Ids, Vectors

__all__ = ["HEAD", "Cells"]

HEAD = struct.Struct("<qq")
COSTLIER = 24
"""A proposed row, which lies anywhere, costs as much as so many that are looked at one after another."""
PROPOSED = 2
"""Rows for each that is wanted, where many are."""
MORE_CELLS = 2
"""So many times as many cells, at least, where not all may answer: those that do may lie far from the query."""
FARTHER = 0.45
"""How fast more cells are looked into as fewer may answer: the power of one over their share. With 0.5, one photo in
a hundred took over twice the time of all, among a million; with 0.4, 2 % was missed, among a hundred thousand."""
MORE_ROWS, FEW = 1.6, 0.12
"""So many times as many rows where more than this share may answer, since many are nearly as far as one another.
With 1.5, 2 % was missed of photos in a row, among a hundred thousand; with 2, it took over twice the time of all."""
FILTERED = 0.9
"""Where more than this share of all may answer, hardly any is missing."""


@dataclass(frozen=True)
class Cells:
    """A FAISS inverted file over row numbers, and how it is asked."""

    index: Any
    probes: int
    """Cells that a query looks into."""
    proposed: int
    """Rows that are proposed where ten are wanted."""

    def propose(self, query: Vectors, k: int, chosen: Chosen) -> Ids | None:
        """As `Proposer`: `count` rows, unless that costs more, or the cells near the query hold fewer that may."""
        share, selector = chosen.share, chosen.selector()
        wanted = self.count(k, share)
        if wanted * COSTLIER >= chosen.count:
            return None
        wider = max(MORE_CELLS, share**-FARTHER) if share < FILTERED else 1
        probes = min(round(self.probes * wider), self.index.nlist)
        parameters = faiss.SearchParametersIVF(sel=selector, nprobe=probes)  # type: ignore[call-arg]
        rows = self._nearest(query, wanted, parameters)
        return rows if len(rows) == wanted else None

    def _nearest(self, query: Vectors, wanted: int, parameters: faiss.SearchParametersIVF) -> Ids:
        """Up to so many rows of the cells near a query, best first."""
        _, rows = self.index.search(query[None], wanted, params=parameters)
        found: Ids = rows[0][rows[0] >= 0]
        return found

    def count(self, k: int, share: float) -> int:
        """How many rows are proposed where k are wanted."""
        more = MORE_ROWS if FEW < share < FILTERED else 1
        return max(round(self.proposed * more), PROPOSED * k)

    def to_bytes(self) -> bytes:
        """As a file keeps them."""
        head = HEAD.pack(self.probes, self.proposed)
        return head + faiss.serialize_index(self.index).tobytes()

    @classmethod
    def from_bytes(cls, data: memoryview) -> "Cells":
        """What `to_bytes` gave; the caller has checked that the bytes are whole."""
        index = faiss.deserialize_index(np.frombuffer(data[HEAD.size :], np.uint8))
        return cls(index, *HEAD.unpack(data[: HEAD.size]))
