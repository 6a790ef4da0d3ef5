"""Answers that stay right until the catalog changes: a page asks for the same at each of its steps."""

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from concurrent.futures import Future
from typing import Any, TypeVar

from storage.points import Point

__all__ = ["Kept"]

T = TypeVar("T")


class Kept:
    """What was worked out for the newest moment of a catalog, the last few of it. Safe for many threads."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._point: Point | None = None
        self._found: OrderedDict[Hashable, Future[Any]] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, point: Point, key: Hashable, work_out: Callable[[], T]) -> T:
        """What `work_out` gives for this key at that point of the catalog; asked once, by whoever is first."""
        promised = Future[T]()
        with self._lock:
            if self._point is None or not self._point.follows(point):
                self._point = point
                self._found.clear()
            known = self._found.setdefault(key, promised) if point == self._point else promised
            self._tidy(key)
        if known is promised:
            self._keep_promise(key, promised, work_out)
        return known.result()

    def _tidy(self, key: Hashable) -> None:
        if key in self._found:
            self._found.move_to_end(key)
        while len(self._found) > self._most:
            self._found.popitem(last=False)

    def _keep_promise(self, key: Hashable, promised: Future[T], work_out: Callable[[], T]) -> None:
        try:
            promised.set_result(work_out())
        except BaseException as error:  # for those who wait too; the next one tries anew
            with self._lock:
                if self._found.get(key) is promised:
                    del self._found[key]
            promised.set_exception(error)
