"""The vectors of each space, held in memory and kept up to date for many readers."""

import threading
from weakref import WeakSet

from storage.points import Point
from storage.records import SpaceRecord
from storage.stores import VectorStore
from storage.vectors import VectorIndex
from storage.view import View

__all__ = ["Indexes"]


class Indexes:
    """One immutable index a space; a newer one takes the place of an older."""

    def __init__(self, store: VectorStore) -> None:
        self._store = store
        self._held: dict[int, tuple[Point, VectorIndex]] = {}
        self._refreshing = threading.Lock()
        self._checked = WeakSet[VectorIndex]()

    def at(self, view: View, space: SpaceRecord) -> VectorIndex:
        """The space's vectors as of a view."""
        point = view.point()
        held, index = self._held.get(space.id, (None, None))
        if index is not None and held == point:
            self._check_beside(index)
            return index  # nobody waits for anybody while nothing changes
        with self._refreshing:
            return self._brought_to(view, space, point)

    def _check_beside(self, index: VectorIndex) -> None:
        """Whoever asks again will ask more: what is checked now, no query has to check as it reads it."""
        if index not in self._checked:
            self._checked.add(index)
            threading.Thread(target=index.check, name="glimpse-check", daemon=True).start()

    def _brought_to(self, view: View, space: SpaceRecord, point: Point) -> VectorIndex:
        # A view that began before the last refresh gets vectors of its own time.
        held, index = self._held.get(space.id, (None, None))
        if held is None or index is None or not point.follows(held):
            index = self._store.load(view, space)
        else:
            index = self._store.refresh(view, space, index)
        if held is None or not held.follows(point):
            self._held[space.id] = point, index
        return index
