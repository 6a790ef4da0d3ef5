"""Tags of photos, given by a model or by hand; they belong to the bytes, so that a copy or a moved photo has them."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import islice

from sqlalchemy import delete, func, select

from storage.batch import Batch
from storage.dialects import upsert
from storage.tables import photos, tags
from storage.view import View, chunked

__all__ = [
    "Given",
    "Tag",
    "all_tags",
    "contents_of",
    "count_given",
    "drop_given",
    "labels_given",
    "put_given",
    "set_by_hand",
    "tags_of",
]

ROWS = 10_000

Given = tuple[int, str, float]
"""A content's id, a label, and how sure the model is."""


@dataclass(frozen=True, slots=True)
class Tag:
    """What a photo shows."""

    label: str
    confidence: float
    """0 to 1; 1 for those given by hand."""
    by_hand: bool


def tags_of(view: View, photo_ids: Sequence[int]) -> dict[int, list[Tag]]:
    """The tags of each of these photos, surest first; photos without any are left out."""
    found: dict[int, list[Tag]] = defaultdict(list)
    for ids in chunked(photo_ids):
        query = (
            select(photos.c.id, tags.c.label, tags.c.confidence, tags.c.by_hand)
            .join(tags, tags.c.content_id == photos.c.content_id)
            .where(photos.c.id.in_(ids), tags.c.confidence > 0)
            .order_by(tags.c.confidence.desc(), tags.c.label)
        )
        for photo_id, *tag in view.connection.execute(query):
            found[photo_id].append(Tag(*tag))
    return dict(found)


def all_tags(view: View) -> list[tuple[int, str, float]]:
    """Every tag that stands: content, label, confidence."""
    query = select(tags.c.content_id, tags.c.label, tags.c.confidence).where(tags.c.confidence > 0)
    return [
        (content, label, confidence)
        for content, label, confidence in view.connection.execute(query)
    ]


def contents_of(view: View, photo_ids: Sequence[int]) -> dict[int, int | None]:
    """The content of each of these photos that is known; None where it could not be read."""
    found: dict[int, int | None] = {}
    for ids in chunked(photo_ids):
        rows = view.connection.execute(
            select(photos.c.id, photos.c.content_id).where(photos.c.id.in_(ids))
        )
        found.update((row[0], row[1]) for row in rows)
    return found


def drop_given(batch: Batch, content_ids: Sequence[int] | None = None) -> None:
    """Take away what models gave, to these contents or to all; what was done by hand stays."""
    by_model = delete(tags).where(tags.c.by_hand.is_(False))
    if content_ids is None:
        batch.connection.execute(by_model)
        return
    for ids in chunked(content_ids):
        batch.connection.execute(by_model.where(tags.c.content_id.in_(ids)))


def put_given(batch: Batch, given: Iterable[Given]) -> None:
    """Record tags that a model gives; what was done by hand to the same label stays."""
    row = upsert(batch.dialect, tags).on_conflict_do_nothing(index_elements=["content_id", "label"])
    names = ("content_id", "label", "confidence")
    values = (dict(zip(names, each, strict=True)) | {"by_hand": False} for each in given)
    while rows := list(islice(values, ROWS)):
        batch.connection.execute(row, rows)


def count_given(view: View) -> int:
    """How many tags there are by models; exact copies count once."""
    query = select(func.count()).select_from(tags).where(tags.c.by_hand.is_(False))
    return int(view.connection.scalar(query) or 0)


def labels_given(view: View) -> set[str]:
    """The labels that models gave to anything."""
    query = select(tags.c.label).where(tags.c.by_hand.is_(False)).distinct()
    return set(view.connection.scalars(query))


def set_by_hand(batch: Batch, content_ids: Iterable[int], label: str, shown: bool) -> None:
    """Say of contents that they have a tag, or that they have not; no model undoes it."""
    change = {"confidence": float(shown), "by_hand": True}
    values = [{"content_id": id, "label": label, **change} for id in content_ids]
    if values:
        row = upsert(batch.dialect, tags).on_conflict_do_update(
            index_elements=["content_id", "label"], set_=change
        )
        batch.connection.execute(row, values)
