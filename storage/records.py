"""What goes into the catalog and comes out of it, as plain records."""

from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "UNSEEN",
    "ContentRecord",
    "EmbeddingRecord",
    "FileRecord",
    "KnownFile",
    "PhotoRecord",
    "RootRecord",
    "Signature",
    "SnapshotRecord",
    "SpaceRecord",
    "State",
]

VECTOR_DTYPE = np.dtype("<f2")

UNSEEN = ""
"""The format of bytes that were never here: their vector came from elsewhere, their hash is made of their path."""


class State(StrEnum):
    """Where a photo stands; only those present are shown."""

    PRESENT = "present"
    OFFLINE = "offline"
    FAILED = "failed"
    EXCLUDED = "excluded"


@dataclass(frozen=True, slots=True)
class Signature:
    """What `stat` says of a file; while it is the same, the bytes are taken to be the same.

    The time of change catches what the time of modification does not: it cannot be put back.
    """

    size: int
    mtime_ns: int
    ctime_ns: int
    device: int


@dataclass(frozen=True, slots=True)
class RootRecord:
    """A folder that the user indexed; `offline_reason` is None while it is reachable."""

    id: int
    path: bytes
    offline_reason: str | None


class KnownFile(NamedTuple):
    """A file as the catalog remembers it; a tuple, since a build compares every one of a library."""

    id: int
    size: int
    mtime_ns: int
    ctime_ns: int
    device: int
    read_at_ns: int
    content_id: int | None
    state: State
    embedded: bool


@dataclass(frozen=True, slots=True)
class ContentRecord:
    """Bytes, by their hash, and what was read from them."""

    sha256: bytes
    size: int
    width: int
    height: int
    format: str
    taken_at: str | None = None
    """Wall clock where the picture was taken, "YYYY-MM-DDTHH:MM:SS"."""
    taken_offset_minutes: int | None = None
    """That clock's offset from UTC."""
    camera: str | None = None
    lens: str | None = None
    latitude: float | None = None
    """Degrees, north positive."""
    longitude: float | None = None
    """Degrees, east positive."""
    altitude_m: float | None = None
    rating: int | None = None

    def columns(self) -> dict[str, Any]:
        """The values by column."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class FileRecord:
    """A file in a root as it was read; without content, `reason` says why."""

    root_id: int
    folder: bytes
    name: bytes
    signature: Signature
    read_at_ns: int
    content_id: int | None
    reason: str | None = None
    offline: bool = False
    """It is known of, but cannot be reached."""

    def columns(self) -> dict[str, Any]:
        """The values by column."""
        state = State.OFFLINE if self.offline else State.PRESENT
        if self.content_id is None:
            state = State.FAILED
        return {
            "root_id": self.root_id,
            "folder": self.folder,
            "name": self.name,
            **asdict(self.signature),
            "read_at_ns": self.read_at_ns,
            "content_id": self.content_id,
            "state": state,
            "reason": self.reason,
        }


@dataclass(frozen=True, slots=True)
class EmbeddingRecord:
    """A content's vector in a space: float32 (dim,), L2-normalised; or the reason for having none."""

    space_id: int
    content_id: int
    vector: NDArray[np.float32] | None
    reason: str | None = None

    def blob(self) -> bytes | None:
        """The vector as stored."""
        return None if self.vector is None else self.vector.astype(VECTOR_DTYPE).tobytes()


@dataclass(frozen=True, slots=True)
class SpaceRecord:
    """An embedding space: a model at certain weights with its preprocessing."""

    id: int
    name: str
    model: str
    fingerprint: str
    dim: int
    reads_text: bool


@dataclass(frozen=True, slots=True)
class SnapshotRecord:
    """A FAISS file as it was recorded after publishing."""

    file: str
    sha256: str
    max_seq: int
    count: int
    dim: int
    metric: str
    kind: str
    recall: float
    fingerprint: str


@dataclass(frozen=True, slots=True)
class PhotoRecord:
    """A photo with all that is known of it."""

    id: int
    content_id: int | None
    root: bytes
    folder: bytes
    name: bytes
    state: State
    reason: str | None
    size: int
    mtime_ns: int
    content: ContentRecord | None = field(default=None)

    @property
    def path(self) -> bytes:
        """The whole path, as bytes."""
        return b"/".join(part for part in (self.root.rstrip(b"/"), self.folder, self.name) if part)
