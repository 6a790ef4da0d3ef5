"""The vectors of a space as the catalog has them: read in parts, so that a million need little memory."""

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from sqlalchemy import Engine, Select, func, select

from storage.records import VECTOR_DTYPE, SpaceRecord
from storage.rows import BLOCK, Halves, Ids, Vectors
from storage.tables import contents, embeddings, removals
from storage.view import View, chunked

__all__ = [
    "Part",
    "changes",
    "count",
    "halves",
    "ids",
    "ids_until",
    "parts",
    "recover",
    "removed",
    "rows",
    "some",
]

AT_ONCE = 256 * BLOCK
"""Rows read at a time."""


class Part(NamedTuple):
    """Rows as they come from the catalog; a whole number of blocks, but for the last part."""

    ids: Ids
    """Ascending, over all parts."""
    vectors: bytes
    """Little-endian float16, row by row."""


def count(view: View, space: SpaceRecord, after: int) -> int:
    """How many living contents have a row that came after that change."""
    return int(view.connection.scalar(_living(space, after, func.count())) or 0)


def recover(engine: Engine, space: SpaceRecord, ids: Ids) -> Halves:
    """The vectors (n, dim) of these sorted ids as the catalog has them; zeros for what has gone from it."""
    found = np.zeros((len(ids), space.dim), VECTOR_DTYPE)
    with engine.connect() as connection, connection.begin():
        for part in parts(View(connection), space, after=0):
            known = np.isin(part.ids, ids)
            found[np.searchsorted(ids, part.ids[known])] = _decode(part, space)[known]
    return found


def rows(view: View, space: SpaceRecord, after: int) -> tuple[Ids, Vectors]:
    """Ids and unit vectors of living contents whose row came after that change, ascending."""
    ids, stored = halves(view, space, after)
    vectors = stored.astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)  # float16 rounded the length off 1
    return ids, vectors


def halves(view: View, space: SpaceRecord, after: int) -> tuple[Ids, Halves]:
    """The same as the catalog has them, float16."""
    living = count(view, space, after)
    ids, stored = np.empty(living, np.int64), np.empty((living, space.dim), VECTOR_DTYPE)
    done = 0
    for part in parts(view, space, after):
        end = done + len(part.ids)
        ids[done:end], stored[done:end] = part.ids, _decode(part, space)
        done = end
    return ids, stored


def parts(view: View, space: SpaceRecord, after: int) -> Iterator[Part]:
    """The same a few thousand at a time."""
    query = _living(space, after, embeddings.c.content_id, embeddings.c.vector)
    query = query.order_by(embeddings.c.content_id)
    with view.connection.execute(query, execution_options={"yield_per": AT_ONCE}) as found:
        for part in found.partitions():
            ids = np.array([row[0] for row in part], np.int64)
            yield Part(ids, b"".join(row[1] for row in part))


def _decode(part: Part, space: SpaceRecord) -> Halves:
    return np.frombuffer(part.vectors, VECTOR_DTYPE).reshape(-1, space.dim)


def _living(space: SpaceRecord, after: int, *columns: Any) -> Select[Any]:
    """Rows of living contents that came after that change."""
    query = (
        select(*columns)
        .select_from(embeddings.join(contents, contents.c.id == embeddings.c.content_id))
        .where(
            embeddings.c.space_id == space.id,
            embeddings.c.vector.is_not(None),
            contents.c.orphaned_at.is_(None),
        )
    )
    # Without a bound SQLite goes through them in order of ids, and has nothing to sort.
    return query.where(embeddings.c.change_seq > after) if after else query


def ids(view: View, space: SpaceRecord, after: int) -> Ids:
    """Living contents whose row came after that change, ascending."""
    column = embeddings.c.content_id
    found = view.connection.scalars(_living(space, after, column).order_by(column))
    return np.fromiter(found, np.int64)


def removed(view: View, space: SpaceRecord, after: int) -> Ids:
    """Contents that left after that change, sorted."""
    query = select(removals.c.content_id).where(
        removals.c.space_id == space.id, removals.c.change_seq > after
    )
    return np.unique(np.array(list(view.connection.scalars(query)), np.int64))


def changes(view: View, space: SpaceRecord, after: int) -> int:
    """How many rows came or went since."""
    counts = (
        select(func.count()).where(table.c.space_id == space.id, table.c.change_seq > after)
        for table in (embeddings, removals)
    )
    return sum(view.connection.scalar(count) or 0 for count in counts)


def some(engine: Engine, space: SpaceRecord, ids: Ids) -> Halves:
    """The vectors (n, dim) of these contents, living or not; zeros for what the catalog no longer has."""
    query = select(embeddings.c.content_id, embeddings.c.vector).where(
        embeddings.c.space_id == space.id, embeddings.c.vector.is_not(None)
    )
    ascending, places = np.unique(ids, return_inverse=True)
    found = np.zeros((len(ascending), space.dim), VECTOR_DTYPE)
    with engine.connect() as connection, connection.begin():
        for part in chunked(ascending.tolist()):
            known = connection.execute(query.where(embeddings.c.content_id.in_(part))).all()
            rows = np.searchsorted(ascending, [row[0] for row in known])
            data = np.frombuffer(b"".join(row[1] for row in known), VECTOR_DTYPE)
            found[rows] = data.reshape(-1, space.dim)
    return found[places]


def ids_until(view: View, space: SpaceRecord, seq: int) -> Ids:
    """Living contents whose row came no later than that change, ascending; quick, since indexes have all of it."""
    column = embeddings.c.content_id
    ours = embeddings.c.space_id == space.id
    orphans = contents.c.orphaned_at.is_not(None)
    left_out = (
        select(column).where(ours, embeddings.c.vector.is_(None)),
        select(column).where(ours, embeddings.c.change_seq > seq),
        select(contents.c.id).where(orphans),
    )
    all_ids = np.fromiter(
        view.connection.scalars(select(column).where(ours).order_by(column)), np.int64
    )
    others = [np.fromiter(view.connection.scalars(query), np.int64) for query in left_out]
    return np.setdiff1d(all_ids, np.concatenate(others))
