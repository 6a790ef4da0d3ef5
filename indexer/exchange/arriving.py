"""What comes from elsewhere, whoever wrote it."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from indexer.errors import UsageError
from indexer.exchange.manifest import Origin
from indexer.tagging.labels import check_label
from storage.records import UNSEEN, ContentRecord
from storage.tagging import Tag

__all__ = ["Arriving", "Chunk", "Source", "Whereabouts", "content_of", "tags_of"]

LARGEST = 2**53
"""A number above it is no size."""


@dataclass(frozen=True, slots=True)
class Whereabouts:
    """Where a picture lies, as it was written."""

    path: bytes
    """Whole, or relative, or a URL."""
    root: bytes | None = None
    """The folder that the path belongs to; None where that is not told."""


@dataclass(frozen=True, slots=True)
class Arriving:
    """A row: a picture that has a vector."""

    row: str
    """Where it stands, for messages."""
    where: Whereabouts
    content: ContentRecord
    """What is told of the picture; UNSEEN, without a hash, where that is not told."""
    mtime_ns: int = 0
    tags: tuple[Tag, ...] = ()
    fault: str | None = None
    """Why it cannot be taken."""


class Chunk(NamedTuple):
    """Some rows with their vectors."""

    rows: list[Arriving]
    vectors: NDArray[np.floating]
    """(n, dim), as they were written; a row with a fault may have any."""


class Source(Protocol):
    """Files that were opened and looked at; nothing of them is missing."""

    origin: Origin | None
    """The space that the vectors are of; None where the files do not tell."""
    dim: int
    count: int

    def whereabouts(self) -> Iterator[Whereabouts]:
        """Where every picture lies."""

    def chunks(self, at_once: int) -> Iterator[Chunk]:
        """The rows, so many at a time at most."""


def content_of(told: dict[str, Any]) -> tuple[ContentRecord, str | None]:
    """A picture as a row of our own tells of it, and what is wrong with that."""
    known: dict[str, Any] = {
        name: told.get(name)
        for name in ContentRecord.__slots__
        if name not in ("sha256", "size", "width", "height", "format")
    }
    known |= {name: _whole(told.get(name)) for name in ("size", "width", "height")}
    sha256, format = told.get("sha256"), told.get("format")
    if not (sha256 and format):
        return ContentRecord(b"", format=UNSEEN, **known), None
    try:
        digest = bytes.fromhex(sha256)
    except (TypeError, ValueError):
        digest = b""
    fault = None if len(digest) == 32 else "its sha256 is none"
    return ContentRecord(digest, format=format, **known), fault


def _whole(value: Any) -> int:
    """A number of pixels or bytes; 0 for what is none."""
    is_number = isinstance(value, int | float) and math.isfinite(value)
    return int(value) if is_number and 0 <= value < LARGEST else 0


def tags_of(told: list[dict[str, Any]]) -> tuple[Tag, ...]:
    """The tags that make sense."""
    found = []
    for each in told:
        try:
            label = check_label(str(each["label"]))
            confidence = float(each.get("confidence") or 0.0)
        except (UsageError, KeyError, TypeError, ValueError):
            continue
        if 0 <= confidence <= 1:
            found.append(Tag(label, confidence, bool(each.get("by_hand"))))
    return tuple(found)
