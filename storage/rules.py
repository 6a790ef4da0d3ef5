"""What must not be between the rows of a sound catalog."""

from collections.abc import Iterator
from typing import Any

from sqlalchemy import Select, exists, func, or_, select

from storage.dialects import is_no_blob
from storage.records import VECTOR_DTYPE, State
from storage.tables import contents, embeddings, photos, removals, snapshots, spaces, tags

__all__ = ["rules"]

Rule = tuple[str, Select[Any]]
"""What is wrong, and the rows in which it is."""


def rules(seq: int) -> Iterator[Rule]:
    """All of them, for a catalog whose last change has this number."""
    yield from _of_photos()
    yield from _of_contents()
    yield from _of_vectors()
    yield from _of_changes(seq)


def _of_photos() -> Iterator[Rule]:
    photo, has_content = photos.c.id, photos.c.content_id.is_not(None)
    yield (
        "photos are in a state that there is not",
        select(photo).where(photos.c.state.not_in(list(State))),
    )
    yield (
        "photos are present without a content",
        select(photo).where(photos.c.state == State.PRESENT, ~has_content),
    )
    yield (
        "photos have failed and have a content",
        select(photo).where(photos.c.state == State.FAILED, has_content),
    )


def _of_contents() -> Iterator[Rule]:
    content, is_living = contents.c.id, contents.c.orphaned_at.is_(None)
    has_photo = exists().where(photos.c.content_id == contents.c.id)
    yield (
        "contents have no hash of 32 bytes",
        select(content).where(
            or_(is_no_blob(contents.c.sha256), func.length(contents.c.sha256) != 32)
        ),
    )
    yield (
        "contents have no size in pixels",
        select(content).where(or_(contents.c.width < 1, contents.c.height < 1)),
    )
    yield "contents live without a photo", select(content).where(is_living, ~has_photo)
    yield "contents count as gone and have a photo", select(content).where(~is_living, has_photo)
    yield (
        "contents have a tag of a confidence outside 0 to 1",
        select(tags.c.content_id).where(or_(tags.c.confidence < 0, tags.c.confidence > 1)),
    )


def _of_vectors() -> Iterator[Rule]:
    vector, has_vector = embeddings.c.content_id, embeddings.c.vector.is_not(None)
    length = func.length(embeddings.c.vector)
    yield "spaces have no dimension", select(spaces.c.id).where(spaces.c.dim < 1)
    yield (
        "contents have neither a vector nor a reason for having none",
        select(vector).where(~has_vector, embeddings.c.reason.is_(None)),
    )
    yield (
        "contents have a vector of another length than their space's",
        select(vector)
        .join(spaces, spaces.c.id == embeddings.c.space_id)
        .where(
            has_vector,
            or_(
                is_no_blob(embeddings.c.vector),
                length != VECTOR_DTYPE.itemsize * spaces.c.dim,
            ),
        ),
    )


def _of_changes(seq: int) -> Iterator[Rule]:
    for table, what in ((embeddings, "vectors"), (removals, "removals")):
        change = table.c.change_seq
        yield (
            f"contents have {what} of a change that has not been",
            select(table.c.content_id).where(or_(change < 1, change > seq)),
        )
    yield (
        "snapshots are of a change that has not been",
        select(snapshots.c.file).where(snapshots.c.max_seq > seq),
    )
