"""Photos with their vectors, as they leave for another program, and what is known of a file that comes from one."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from sqlalchemy import bindparam, select
from sqlalchemy.dialects.sqlite import insert as upsert

from storage.catalog import Batch, View
from storage.conditions import conditions
from storage.filters import Filter
from storage.lookup import PHOTO_COLUMNS, photo_record
from storage.records import VECTOR_DTYPE, PhotoRecord, Signature, SpaceRecord
from storage.rows import Halves
from storage.tables import contents, embeddings, photos, roots, tags
from storage.tagging import Tag, tags_of

__all__ = ["Departing", "Departures", "FileKnown", "known_at", "put_tags"]

ROWS = 1000
"""Rows that are fetched together."""


@dataclass(frozen=True, slots=True)
class Departing:
    """Some photos, each with its vector and its tags."""

    photos: list[PhotoRecord]
    vectors: Halves
    """(n, dim), little-endian float16, as the catalog has them."""
    tags: dict[int, list[Tag]]
    """By photo."""


class FileKnown(NamedTuple):
    """A file as the catalog remembers it, with its content."""

    signature: Signature
    read_at_ns: int
    content_id: int
    sha256: bytes
    format: str
    embedded: bool
    """Whether the space has a vector of it."""


_FROM = photos.join(roots, roots.c.id == photos.c.root_id).join(
    contents, contents.c.id == photos.c.content_id
)
_KNOWN_AT = (
    select(
        *photos.c["size", "mtime_ns", "ctime_ns", "device", "read_at_ns", "content_id"],
        *contents.c["sha256", "format"],
        embeddings.c.vector.is_not(None),
    )
    .select_from(
        photos.join(contents, contents.c.id == photos.c.content_id).outerjoin(
            embeddings,
            (embeddings.c.content_id == contents.c.id)
            & (embeddings.c.space_id == bindparam("space_id")),
        )
    )
    .where(*(photos.c[name] == bindparam(name) for name in ("root_id", "folder", "name")))
)


class Departures:
    """The photos that pass a filter and have a vector in a space, in order of ids; taken as they are needed."""

    def __init__(self, view: View, space: SpaceRecord, where: Filter) -> None:
        query = (
            select(*PHOTO_COLUMNS, embeddings.c.vector)
            .select_from(_FROM.join(embeddings, embeddings.c.content_id == contents.c.id))
            .where(
                embeddings.c.space_id == space.id,
                embeddings.c.vector.is_not(None),
                *conditions(where, view.roots()),
            )
            .order_by(photos.c.id)
        )
        self._view, self._dim = view, space.dim
        self._rows = view.connection.execution_options(yield_per=ROWS).execute(query)

    def take(self, count: int) -> Departing:
        """The next so many, or what is left."""
        rows = self._rows.fetchmany(count)
        found = [photo_record(row[:-1]) for row in rows]
        data = b"".join(row[-1] for row in rows)
        vectors = np.frombuffer(data, VECTOR_DTYPE).reshape(-1, self._dim)
        return Departing(found, vectors, tags_of(self._view, [photo.id for photo in found]))


def known_at(
    view: View, space_id: int, root_id: int, folder: bytes, name: bytes
) -> FileKnown | None:
    """What is known of the file there; None where it is not known, or could not be read."""
    place = {"root_id": root_id, "folder": folder, "name": name, "space_id": space_id}
    row = view.connection.execute(_KNOWN_AT, place).first()
    if row is None:
        return None
    size, mtime_ns, ctime_ns, device, *known = tuple(row)
    return FileKnown(Signature(size, mtime_ns, ctime_ns, device), *known)


def put_tags(batch: Batch, given: Iterable[tuple[int, Tag]]) -> None:
    """Record tags of contents that come from elsewhere; what the library says of the same label stays."""
    values = [
        {"content_id": id, "label": t.label, "confidence": t.confidence, "by_hand": t.by_hand}
        for id, t in given
    ]
    if values:
        row = upsert(tags).on_conflict_do_nothing(index_elements=["content_id", "label"])
        batch.connection.execute(row, values)
