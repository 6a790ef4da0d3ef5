"""The counts beside the filters, which no page waits for long.

In a large library they take seconds, and are out of date whenever a build commits: then those of a moment ago do.
"""

import threading
from collections import OrderedDict
from concurrent.futures import Future, ThreadPoolExecutor

import streamlit as st

from indexer import Facets, Filter, Library

__all__ = ["Counting", "counting"]

PATIENCE_S = 0.25
KEPT = 64
"""Filters whose counts are kept."""


class Counting:
    """What a library's facets are, or were when they last could be counted in time. For all threads of the page."""

    def __init__(self, library: Library, patience_s: float = PATIENCE_S) -> None:
        self._library = library
        self._patience_s = patience_s
        self._lock = threading.Lock()
        self._last: OrderedDict[Filter, Facets] = OrderedDict()
        self._next: dict[Filter, Future[Facets]] = {}
        self._counting = ThreadPoolExecutor(2, "glimpse-counts")

    def of(self, where: Filter) -> Facets:
        """The counts over the photos that pass the filter; waits where there were none yet. Raises GlimpseError."""
        last, counted = self._last.get(where), self._count(where)
        try:
            return counted.result(self._patience_s if last else None)
        except TimeoutError:
            assert last is not None  # else there was no limit
            return last

    def _count(self, where: Filter) -> Future[Facets]:
        """A count that begins after this call; one that has begun may miss what its caller has just changed."""
        with self._lock:
            self._next = {each: count for each, count in self._next.items() if not count.done()}
            waiting = self._next.get(where)
            if waiting is None or waiting.running():
                waiting = self._next[where] = self._counting.submit(self._keep, where)
            return waiting

    def _keep(self, where: Filter) -> Facets:
        found = self._library.facets(where)
        with self._lock:
            self._last[where] = found
            self._last.move_to_end(where)
            if len(self._last) > KEPT:
                self._last.popitem(last=False)
        return found


@st.cache_resource(show_spinner=False, hash_funcs={Library: id})
def counting(library: Library) -> Counting:
    """The one of a library."""
    return Counting(library)
