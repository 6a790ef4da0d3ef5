"""Photos with their vectors, as they leave for another program, and what is known of a file that comes from one."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from sqlalchemy import exists, select, tuple_

from storage.batch import Batch
from storage.conditions import conditions
from storage.dialects import upsert
from storage.filters import Filter
from storage.lookup import PHOTO_COLUMNS, photo_record
from storage.records import VECTOR_DTYPE, PhotoRecord, Signature, SpaceRecord
from storage.rows import Halves
from storage.tables import contents, embeddings, photos, roots, tags
from storage.tagging import Tag, tags_of
from storage.view import View, chunked

__all__ = ["Departing", "Departures", "FileKnown", "known_at", "put_tags", "sized_hashes"]

ROWS = 1000
"""Rows that are fetched together."""
TOGETHER = 300
"""Places that are asked for in one statement: three values each, below the limit of SQLite."""

Place = tuple[int, bytes, bytes]
"""A root's id, a folder in it, and a file's name."""


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


_FROM = photos.join(roots, roots.c.id == photos.c.root_id).join(
    contents, contents.c.id == photos.c.content_id
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
                *conditions(view, where),
            )
            .order_by(photos.c.id)
        )
        self._view, self._dim = view, space.dim
        self._rows = view.connection.execute(query, execution_options={"yield_per": ROWS})

    def close(self) -> None:
        """Want no more of them."""
        self._rows.close()

    def take(self, count: int) -> Departing:
        """The next so many, or what is left."""
        rows = self._rows.fetchmany(count)
        found = [photo_record(row[:-1]) for row in rows]
        data = b"".join(row[-1] for row in rows)
        vectors = np.frombuffer(data, VECTOR_DTYPE).reshape(-1, self._dim)
        return Departing(found, vectors, tags_of(self._view, [photo.id for photo in found]))


def known_at(view: View, places: Sequence[Place]) -> dict[Place, FileKnown]:
    """What is known of the files at these places; those that are not known, or could not be read, are left out."""
    own = photos.c["root_id", "folder", "name"]
    stamps = photos.c["size", "mtime_ns", "ctime_ns", "device", "read_at_ns", "content_id"]
    query = select(*own, *stamps, *contents.c["sha256", "format"]).select_from(
        photos.join(contents, contents.c.id == photos.c.content_id)
    )
    found = dict[Place, FileKnown]()
    for start in range(0, len(places), TOGETHER):
        chosen = tuple_(*own).in_(places[start : start + TOGETHER])
        for row in view.connection.execute(query.where(chosen)):
            size, mtime_ns, ctime_ns, device, *known = tuple(row[3:])
            signature = Signature(size, mtime_ns, ctime_ns, device)
            found[row[0], row[1], row[2]] = FileKnown(signature, *known)
    return found


def sized_hashes(view: View, sizes: Iterable[int], space_id: int) -> dict[int, list[bytes]]:
    """The hashes of contents of these sizes that have a vector in the space, by size."""
    embedded = exists().where(
        embeddings.c.content_id == contents.c.id,
        embeddings.c.space_id == space_id,
        embeddings.c.vector.is_not(None),
    )
    found = dict[int, list[bytes]]()
    for some in chunked(list(sizes)):
        query = select(contents.c.size, contents.c.sha256).where(
            contents.c.size.in_(some), embedded
        )
        for size, sha256 in view.connection.execute(query):
            found.setdefault(size, []).append(sha256)
    return found


def put_tags(batch: Batch, given: Iterable[tuple[int, Tag]]) -> None:
    """Record tags of contents that come from elsewhere; what the library says of the same label stays."""
    values = [
        {"content_id": id, "label": t.label, "confidence": t.confidence, "by_hand": t.by_hand}
        for id, t in given
    ]
    if values:
        row = upsert(batch.dialect, tags).on_conflict_do_nothing(
            index_elements=["content_id", "label"]
        )
        batch.connection.execute(row, values)
