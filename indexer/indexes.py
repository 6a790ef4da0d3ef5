"""The vectors of each space, held in memory and kept up to date for many readers."""

import threading
from weakref import WeakSet

from storage.records import SpaceRecord
from storage.stores import VectorStore
from storage.vectors import VectorIndex
from storage.view import View

__all__ = ["Indexes"]


class Indexes:
    """One immutable index a space; a newer one takes the place of an older."""

    def __init__(self, store: VectorStore) -> None:
        self._store = store
        self._held: dict[int, VectorIndex] = {}
        self._refreshing = threading.Lock()
        self._checked = WeakSet[VectorIndex]()

    def at(self, view: View, space: SpaceRecord) -> VectorIndex:
        """The space's vectors as of a view."""
        seq = view.change_seq()
        held = self._held.get(space.id)
        if held is not None and held.change_seq == seq:
            self._check_beside(held)
            return held  # nobody waits for anybody while nothing changes
        with self._refreshing:
            return self._brought_to(view, space, seq)

    def _check_beside(self, index: VectorIndex) -> None:
        """Whoever asks again will ask more: what is checked now, no query has to check as it reads it."""
        if index not in self._checked:
            self._checked.add(index)
            threading.Thread(target=index.check, name="glimpse-check", daemon=True).start()

    def _brought_to(self, view: View, space: SpaceRecord, seq: int) -> VectorIndex:
        # A view that began before the last refresh gets vectors of its own time.
        held = self._held.get(space.id)
        if held is None or held.change_seq > seq:
            index = self._store.load(view, space)
        else:
            index = self._store.refresh(view, space, held)
        if held is None or index.change_seq > held.change_seq:
            self._held[space.id] = index
        return index
