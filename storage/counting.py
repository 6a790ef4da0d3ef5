"""How much a library has: photos by state, photos without a vector, vectors."""

from collections.abc import Sequence

from sqlalchemy import ColumnElement, func, select

from storage.records import State
from storage.tables import contents, embeddings, photos
from storage.view import View

__all__ = ["count_by_state", "count_failures", "count_vectors"]


def count_by_state(view: View) -> dict[tuple[int, State], int]:
    """Photos by root and state."""
    groups = (photos.c.root_id, photos.c.state)
    query = select(*groups, func.count()).group_by(*groups)
    return {(root, State(state)): n for root, state, n in view.connection.execute(query)}


def count_failures(view: View, root_ids: Sequence[int], space_id: int) -> int:
    """How many photos of these roots could not be read, or have no vector in the space for a reason."""
    refused = select(embeddings.c.content_id).where(
        embeddings.c.space_id == space_id, embeddings.c.vector.is_(None)
    )
    in_roots = select(func.count()).where(photos.c.root_id.in_(list(root_ids)))
    # A file that could not be read has no content, so that none is counted twice.
    return sum(
        int(view.connection.scalar(in_roots.where(fault)) or 0)
        for fault in (photos.c.state == State.FAILED, photos.c.content_id.in_(refused))
    )


def count_vectors(view: View, space_id: int) -> int:
    """Living vectors of a space: all of its rows but the few that have no vector, or no photo."""

    def count(*only: ColumnElement[bool]) -> int:
        query = select(func.count()).where(embeddings.c.space_id == space_id, *only)
        return int(view.connection.scalar(query) or 0)

    orphans = select(contents.c.id).where(contents.c.orphaned_at.is_not(None))
    has_vector = embeddings.c.vector.is_not(None)
    return count() - count(~has_vector) - count(embeddings.c.content_id.in_(orphans), has_vector)
