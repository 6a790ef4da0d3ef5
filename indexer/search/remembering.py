"""What the catalog was asked lately, kept until it changes: the next page of an answer asks the same again."""

import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import Any

from storage.catalog import View
from storage.filters import Filter
from storage.lookup import allowed_contents, count_photos
from storage.vectors import Allowed

__all__ = ["Remembered"]

MOST = 16
"""Filters kept; each is some megabytes in a library of a million photos."""


class Remembered:
    """Which photos filters let pass, for many readers; what is told is of the view's own moment."""

    def __init__(self) -> None:
        self._known: OrderedDict[object, Any] = OrderedDict()
        self._changing = threading.Lock()

    def allowed(self, view: View, where: Filter) -> Allowed | None:
        """The contents that have a photo passing the filter; None when all have one."""

        def ask() -> Allowed | None:
            ids = allowed_contents(view, where)
            return None if ids is None else Allowed(ids)

        found: Allowed | None = self._once((view.change_seq(), where), ask)
        return found

    def total(self, view: View, where: Filter, space_ids: Sequence[int]) -> int:
        """How many photos pass the filter and have a vector in one of the spaces."""
        key = (view.change_seq(), where, tuple(space_ids))
        return int(self._once(key, lambda: count_photos(view, where, space_ids)))

    def _once(self, key: object, ask: Callable[[], Any]) -> Any:
        with self._changing:
            if key in self._known:
                self._known.move_to_end(key)
                return self._known[key]
        answer = (
            ask()
        )  # without the lock: two may ask the same, but nobody waits for another's question
        with self._changing:
            self._known[key] = answer
            while len(self._known) > MOST:
                self._known.popitem(last=False)
        return answer
