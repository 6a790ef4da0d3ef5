"""Points in the history of a catalog: which is later than which, also after an older copy was put in its place.

The number of a batch alone does not tell: a copy goes on from its own, and comes to numbers that were there before,
of other batches. So each batch has a name by chance, too, and the names of the newest are kept.
"""

import secrets
from dataclasses import dataclass

__all__ = ["CHANGE_SEQ", "NAMES", "Point"]

CHANGE_SEQ = "change_seq"
NAMES = "change_names"
KEPT = 512
"""Who was away for more batches than this, some minutes of a build, reads anew."""


@dataclass(frozen=True, slots=True)
class Point:
    """A catalog as it is after one of its batches."""

    seq: int
    told: str = ""
    """Names of the newest batches, the last first; empty where a Glimpse wrote last that gave none."""

    @classmethod
    def of(cls, values: dict[str, str]) -> "Point":
        """As a catalog tells it."""
        seq = values.get(CHANGE_SEQ) or "0"
        number, _, told = values.get(NAMES, "").partition(" ")
        return cls(int(seq), told if number == seq else "")

    def following(self) -> dict[str, str]:
        """What a catalog is told with the batch that comes next."""
        seq = str(self.seq + 1)
        names = [secrets.token_hex(4), *self._names()[: KEPT - 1]]
        return {CHANGE_SEQ: seq, NAMES: " ".join([seq, *names])}

    def follows(self, other: "Point") -> bool:
        """Whether the other is this one, or known to be one before it."""
        back, names = self.seq - other.seq, self._names()
        if not other.told:
            return back >= 0 and not names
        return 0 <= back < len(names) and names[back] == other._names()[0]

    def _names(self) -> list[str]:
        return self.told.split()
