"""Questions about photos: which may answer, what is known of each, how many of them there are."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import ColumnElement, Select, bindparam, exists, func, select

from storage.conditions import PRESENT, conditions
from storage.dialects import local_time
from storage.filters import Filter
from storage.records import ContentRecord, PhotoRecord, State
from storage.tables import contents, embeddings, photos, roots
from storage.view import CHUNK, View, chunked

__all__ = [
    "ORDERS",
    "PHOTO_COLUMNS",
    "Order",
    "all_photos",
    "allowed_contents",
    "count_matching",
    "count_photos",
    "counts_of_contents",
    "failures",
    "get_photo",
    "hashes_from",
    "ids_in_order",
    "photo_contents",
    "photo_record",
    "photos_by_id",
    "photos_of_contents",
    "photos_of_hashes",
]

Order = Literal["newest", "oldest", "added"]
ORDERS: tuple[Order, ...] = get_args(Order)

IDS = "content_ids"
PHOTO_COLUMNS = [
    roots.c.path,
    *photos.c["id", "content_id", "folder", "name", "state", "reason", "size", "mtime_ns"],
    *(contents.c[name] for name in ContentRecord.__slots__),
]
"""Of which `photo_record` makes a record."""
PHOTOS = (
    select(*PHOTO_COLUMNS)
    .select_from(
        photos.join(roots, roots.c.id == photos.c.root_id).outerjoin(
            contents, contents.c.id == photos.c.content_id
        )
    )
    .order_by(photos.c.id)
)
"""All photos with what is known of them."""


def allowed_contents(view: View, where: Filter) -> NDArray[np.int64] | None:
    """Sorted ids of the contents that have a photo passing the filter; None when all have one."""
    if where.is_empty() and not _any_hidden(view):
        return None
    query = _joined(select(photos.c.content_id)).where(*conditions(view, where)).distinct()
    return np.sort(np.fromiter(view.connection.scalars(query), np.int64))


def _any_hidden(view: View) -> bool:
    # By the states that hide, which an index finds; what is not PRESENT it would look for in every row.
    hides = [state for state in State if state != State.PRESENT]
    hidden = select(photos.c.id).where(photos.c.state.in_(hides), photos.c.content_id.is_not(None))
    return view.connection.execute(hidden.limit(1)).first() is not None


def count_photos(view: View, where: Filter, space_ids: Sequence[int]) -> int:
    """How many photos pass the filter and have a vector in one of the spaces."""
    embedded = exists().where(
        embeddings.c.space_id.in_(list(space_ids)),
        embeddings.c.content_id == photos.c.content_id,
        embeddings.c.vector.is_not(None),
    )
    query = _joined(select(func.count())).where(embedded, *conditions(view, where))
    return int(view.connection.scalar(query) or 0)


def counts_of_contents(
    view: View, lists: Sequence[Sequence[int]], where: Filter
) -> tuple[int, ...]:
    """How many photos with the bytes of each list of contents pass the filter."""
    if not any(lists):
        return (0,) * len(lists)
    # Composed once: a text in the path may be looked for in every row.
    count = _of_contents(view, where).count
    return tuple(
        sum(int(view.connection.scalar(count, {IDS: ids}) or 0) for ids in chunked(each))
        for each in lists
    )


def photos_of_contents(
    view: View, content_ids: Sequence[int], where: Filter
) -> dict[int, list[PhotoRecord]]:
    """The photos with these bytes that pass the filter, by content, each list in order of ids."""
    found: dict[int, list[PhotoRecord]] = defaultdict(list)
    if not content_ids:
        return found
    query = _of_contents(view, where).records
    for ids in chunked(content_ids):
        for photo in map(photo_record, view.connection.execute(query, {IDS: ids})):
            assert photo.content_id is not None
            found[photo.content_id].append(photo)
    return found


def get_photo(view: View, photo_id: int) -> PhotoRecord | None:
    """What is known of one photo, whatever its state."""
    return next(iter(_select(view, photos.c.id == int(photo_id))), None)


def all_photos(view: View, where: Filter) -> Iterable[PhotoRecord]:
    """Every photo that passes the filter, in order of ids."""
    return _select(view, *conditions(view, where))


def ids_in_order(view: View, where: Filter, order: Order) -> NDArray[np.int64]:
    """Photos that pass the filter by the date they were taken, else by the file's, or by when they came in."""
    date = func.coalesce(contents.c.taken_at, local_time(photos.c.mtime_ns))
    orders = {
        "newest": (date.desc(), photos.c.id.desc()),
        "oldest": (date, photos.c.id),
        "added": (photos.c.id.desc(),),
    }
    query = _joined(select(photos.c.id)).where(*conditions(view, where))
    return np.fromiter(view.connection.scalars(query.order_by(*orders[order])), np.int64)


def photos_by_id(view: View, ids: Sequence[int]) -> list[PhotoRecord]:
    """What is known of these photos, in this order; those that are not there are left out."""
    found = {
        photo.id: photo for part in chunked(ids) for photo in _select(view, photos.c.id.in_(part))
    }
    return [found[int(id)] for id in ids if int(id) in found]


def count_matching(view: View, where: Filter) -> int:
    """How many photos pass the filter."""
    query = _joined(select(func.count())).where(*conditions(view, where))
    return int(view.connection.scalar(query) or 0)


def photo_contents(view: View, where: Filter) -> NDArray[np.int64]:
    """Ids of the photos that pass the filter with those of their contents, (n, 2), ascending."""
    query = _joined(select(photos.c.id, photos.c.content_id)).where(*conditions(view, where))
    rows = view.connection.execute(query.order_by(photos.c.id)).all()
    return np.array([tuple(row) for row in rows], np.int64).reshape(-1, 2)


def hashes_from(view: View, first: int) -> dict[bytes, bool]:
    """The hashes of contents that begin with this byte; whether a photo that is shown, or offline, has each."""
    shown = exists().where(
        photos.c.content_id == contents.c.id, photos.c.state.in_([State.PRESENT, State.OFFLINE])
    )
    query = select(contents.c.sha256, shown).where(contents.c.sha256 >= bytes([first]))
    if first < 255:
        query = query.where(contents.c.sha256 < bytes([first + 1]))
    return {row[0]: row[1] for row in view.connection.execute(query)}


def photos_of_hashes(
    view: View, hashes: Sequence[bytes], where: Filter
) -> dict[bytes, list[PhotoRecord]]:
    """The photos of these bytes that pass the filter, by hash."""
    found: dict[bytes, list[PhotoRecord]] = defaultdict(list)
    wanted = conditions(view, where)
    for start in range(0, len(hashes), CHUNK):
        some = contents.c.sha256.in_(list(hashes[start : start + CHUNK]))
        for photo in _select(view, some, *wanted):
            assert photo.content is not None
            found[photo.content.sha256].append(photo)
    return found


def failures(view: View) -> list[PhotoRecord]:
    """Photos that could not be read, or that a model gave no vector for, with the reason."""
    unread = _select(view, photos.c.state == State.FAILED)
    unembedded = (
        select(photos.c.id, embeddings.c.reason)
        .join(embeddings, embeddings.c.content_id == photos.c.content_id)
        .where(embeddings.c.vector.is_(None))
    )
    reasons: dict[int, str] = {row[0]: row[1] for row in view.connection.execute(unembedded)}
    found = [
        photo for ids in chunked(list(reasons)) for photo in _select(view, photos.c.id.in_(ids))
    ]
    return [*unread, *(replace(photo, reason=reasons[photo.id]) for photo in found)]


def _joined(query: Select[Any]) -> Select[Any]:
    return query.select_from(photos.outerjoin(contents, contents.c.id == photos.c.content_id))


@dataclass(frozen=True, slots=True)
class _OfContents:
    """Statements over the photos of some contents, which are bound as `IDS`."""

    records: Select[Any]
    count: Select[Any]

    @classmethod
    def that(cls, *hold: ColumnElement[bool]) -> "_OfContents":
        chosen = [photos.c.content_id.in_(bindparam(IDS, expanding=True)), *hold]
        return cls(PHOTOS.where(*chosen), _joined(select(func.count())).where(*chosen))


_PRESENT = _OfContents.that(PRESENT)
"""Composed once: every search asks, most of them without a filter, and composing takes longer than the answer."""


def _of_contents(view: View, where: Filter) -> _OfContents:
    return _PRESENT if where.is_empty() else _OfContents.that(*conditions(view, where))


def _select(view: View, *where: ColumnElement[bool]) -> list[PhotoRecord]:
    return [photo_record(row) for row in view.connection.execute(PHOTOS.where(*where))]


def photo_record(row: Sequence[Any]) -> PhotoRecord:
    """What a row of `PHOTO_COLUMNS` says."""
    root, id, content_id, folder, name, state, reason, size, mtime_ns, *known = tuple(row)
    return PhotoRecord(
        id,
        content_id,
        root,
        folder,
        name,
        State(state),
        reason,
        size,
        mtime_ns,
        ContentRecord(*known) if content_id is not None else None,
    )
