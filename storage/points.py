"""Points in the history of a catalog: which is later than which, also after an older copy was put in its place.

The number of a batch alone does not tell: a copy goes on from its own, and comes to numbers that were there before,
of other batches. So each batch has a name by chance, too, and the names of the newest are kept.
"""

import secrets
from dataclasses import dataclass

__all__ = ["CHANGE_SEQ", "NAMES", "Point"]

CHANGE_SEQ = "change_seq"
NAMES = "change_names"
KEPT = 32
"""Who was away for more batches than this reads anew."""


@dataclass(frozen=True, slots=True)
class Point:
    """A catalog as it is after one of its batches."""

    seq: int
    names: tuple[str, ...] = ()
    """Of the newest batches, the last first; empty where a Glimpse wrote last that gave none."""

    @classmethod
    def of(cls, values: dict[str, str]) -> "Point":
        """As a catalog tells it."""
        seq = values.get(CHANGE_SEQ) or "0"
        told, *names = values.get(NAMES, "").split() or [""]
        return cls(int(seq), tuple(names) if told == seq else ())

    def following(self) -> dict[str, str]:
        """What a catalog is told with the batch that comes next."""
        seq = str(self.seq + 1)
        names = [seq, secrets.token_hex(4), *self.names[: KEPT - 1]]
        return {CHANGE_SEQ: seq, NAMES: " ".join(names)}

    def follows(self, other: "Point") -> bool:
        """Whether the other is this one, or known to be one before it."""
        back = self.seq - other.seq
        if not other.names:
            return back >= 0 and not self.names
        return 0 <= back < len(self.names) and self.names[back] == other.names[0]
