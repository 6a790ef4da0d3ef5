"""What a group of duplicates is, which of its photos comes first, and why."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from indexer.duplicates.comparing import Likeness
from indexer.results import Photo
from storage.records import PhotoRecord

__all__ = ["DuplicateGroup", "group_of", "worth"]

ROTATED = 0.5
"""Degrees from which a rotation is told."""
CROPPED = 0.975
"""A copy that shows less than this share of the first is told to be cropped."""


@dataclass(frozen=True, slots=True)
class DuplicateGroup:
    """Photos of which one is enough."""

    kind: Literal["exact", "near"]
    """"exact" where all have the same bytes."""
    photos: tuple[Photo, ...]
    """The one worth keeping first: the largest picture, then the largest file, then the oldest."""
    reasons: tuple[str, ...]
    """For the first why it is worth keeping, for each other what it is to the first."""

    @property
    def spare_bytes(self) -> int:
        """What all but the first take on disk."""
        return sum(photo.size for photo in self.photos[1:])


def worth(photo: PhotoRecord) -> tuple[int, int, int, bytes]:
    """A key that sorts the photo most worth keeping first."""
    pixels = photo.content.width * photo.content.height if photo.content else 0
    return -pixels, -photo.size, photo.mtime_ns, photo.path


def group_of(
    photos: Sequence[PhotoRecord], likenesses: Mapping[int, Likeness] | None = None
) -> DuplicateGroup:
    """A group of photos; `likenesses`, by content, say what those of other bytes are to the first."""
    ordered = sorted(photos, key=worth)
    first, *others = ordered
    reasons = [_why_first(first, others)]
    for other in others:
        likeness = (likenesses or {}).get(other.content_id or 0)
        reasons.append(_what(first, other, likeness) if likeness else "the same bytes")
    return DuplicateGroup(
        "near" if any(other.content_id != first.content_id for other in others) else "exact",
        tuple(map(Photo.from_record, ordered)),
        tuple(reasons),
    )


def _why_first(first: PhotoRecord, others: Sequence[PhotoRecord]) -> str:
    rank = worth(first)
    if all(rank[0] < worth(other)[0] for other in others):
        return "the largest picture"
    if all(rank[:2] < worth(other)[:2] for other in others):
        return "the largest file"
    return (
        "the oldest" if all(rank[:3] < worth(other)[:3] for other in others) else "as good as any"
    )


def _what(first: PhotoRecord, other: PhotoRecord, likeness: Likeness) -> str:
    assert first.content
    assert other.content
    said = []
    if likeness.mirrored:
        said.append("mirrored")
    if likeness.quarter_turns:
        said.append(f"turned by {(360 - 90 * likeness.quarter_turns) % 360}°")
    if abs(likeness.angle) >= ROTATED:
        said.append(f"rotated by {abs(likeness.angle):.1f}°")
    if likeness.shown < CROPPED:
        said.append(f"cropped to {likeness.shown:.0%}")
    sizes = [(c.width, c.height) for c in (first.content, other.content)]
    if sorted(sizes[0]) != sorted(sizes[1]):
        said.append(f"{sizes[1][0]}x{sizes[1][1]} instead of {sizes[0][0]}x{sizes[0][1]}")
    if first.content.format != other.content.format:
        said.append(f"{other.content.format} instead of {first.content.format}")
    return ", ".join(said) or "encoded anew"
