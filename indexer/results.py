"""What a library answers with."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, ClassVar, Literal, get_args, overload

from indexer.urls import as_path
from storage.records import UNSEEN, ContentRecord, PhotoRecord, State

__all__ = [
    "SORTS",
    "Answer",
    "Hit",
    "Photo",
    "Relevance",
    "RootStatus",
    "Sort",
    "SpaceStatus",
    "Status",
]

Sort = Literal["relevance", "newest", "oldest"]
"""The order of an answer."""
SORTS: tuple[Sort, ...] = get_args(Sort)


@dataclass(frozen=True, slots=True)
class Photo:
    """One file under a root, with what is known of it."""

    PLACE: ClassVar = ("latitude", "longitude", "altitude_m")
    """The fields that tell where it was taken."""

    id: int
    path: Path
    """The whole path; bytes that are not UTF-8 stand as surrogates, and `os.fsencode` gives them back."""
    state: State
    size: int
    """In bytes."""
    mtime_ns: int
    reason: str | None = None
    """Why it could not be read or embedded."""
    sha256: str | None = None
    width: int | None = None
    """In pixels, upright."""
    height: int | None = None
    format: str | None = None
    taken_at: str | None = None
    """Wall clock where it was taken, "YYYY-MM-DDTHH:MM:SS"."""
    taken_offset_minutes: int | None = None
    camera: str | None = None
    lens: str | None = None
    latitude: float | None = None
    longitude: float | None = None
    altitude_m: float | None = None
    rating: int | None = None
    """0 to 5 stars; -1 for rejected."""

    @classmethod
    def from_record(cls, record: PhotoRecord) -> "Photo":
        """The catalog's record as users see it."""
        path = as_path(record.path)
        known = _known(record.content) if record.content else {}
        return cls(
            record.id, path, record.state, record.size, record.mtime_ns, record.reason, **known
        )


KNOWN = [name for name in ContentRecord.__slots__ if name != "size"]
"""What a photo has from its content; its size is the file's own, which is the same."""


def _known(content: ContentRecord) -> dict[str, Any]:
    values = {name: getattr(content, name) for name in KNOWN}
    if content.format == UNSEEN:
        known_size = {name: values[name] or None for name in ("width", "height")}
        return values | known_size | {"sha256": None, "format": None}
    return values | {"sha256": content.sha256.hex()}


class Relevance(StrEnum):
    """Whether a result answers the query."""

    LIKELY = "likely"
    MAYBE = "maybe"
    UNLIKELY = "unlikely"


@dataclass(frozen=True, slots=True)
class Hit:
    """One result."""

    rank: int
    """1 for the best."""
    score: float
    """Cosine of the query's embedding and the photo's, -1 to 1; of several spaces, as they are fused."""
    photo: Photo
    relevance: Relevance | None = None
    """None where too little is known of the library or the space to tell."""

    @property
    def path(self) -> Path:
        """Where the photo lies."""
        return self.photo.path

    @property
    def photo_id(self) -> int:
        """The photo's id, which no other photo ever gets."""
        return self.photo.id


@dataclass(frozen=True, slots=True)
class Answer(Sequence[Hit]):
    """The results of a query, best first; a sequence of hits."""

    query: str
    space: str
    total: int
    """How many photos there are to page through: all that pass the filter, the threshold and `relevant`."""
    hits: tuple[Hit, ...]
    notices: tuple[str, ...] = ()
    """What the user should know, such as that a text was too long and was cut."""
    likely: int | None = None
    """How many photos are likely answers; None where that cannot be told."""
    relevant: int | None = None
    """How many are likely or may be."""
    may_go_on: bool = False
    """Whether there are likely more than these counts say: unless only they are wanted, no more are looked for."""

    def __len__(self) -> int:
        return len(self.hits)

    def __iter__(self) -> Iterator[Hit]:
        return iter(self.hits)

    @overload
    def __getitem__(self, index: int) -> Hit: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Hit]: ...
    def __getitem__(self, index: int | slice) -> Hit | Sequence[Hit]:
        return self.hits[index]


@dataclass(frozen=True, slots=True)
class RootStatus:
    """A root and how many photos it has in each state."""

    path: Path
    offline_reason: str | None
    counts: Mapping[State, int]


@dataclass(frozen=True, slots=True)
class SpaceStatus:
    """An embedding space."""

    name: str
    model: str
    dim: int
    reads_text: bool
    vectors: int
    index: str
    """The kind of index that answers."""
    recall: float
    """Of that index against exact search, measured on the library's own vectors."""
    is_default: bool


@dataclass(frozen=True, slots=True)
class Status:
    """The state of a library."""

    folder: Path
    catalog: str
    """Where the catalog lies: the folder, or a database."""
    roots: tuple[RootStatus, ...]
    spaces: tuple[SpaceStatus, ...]
