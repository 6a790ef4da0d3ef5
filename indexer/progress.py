"""Telling a listener how far something is that may take long."""

import time
from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

__all__ = ["OnStep", "Watch", "silently"]

OnStep = Callable[[str, int, int], object]
"""Gets what is done, how many of it are done, and of how many."""

EVERY_S = 0.1

Item = TypeVar("Item")


class Watch:
    """Counts the items of one step after another."""

    def __init__(self, on_step: OnStep) -> None:
        self._on_step = on_step

    def over(self, items: Iterable[Item], total: int, what: str) -> Iterator[Item]:
        """The same items; told as they go by, ten times a second at most."""
        due = time.monotonic()
        for done, item in enumerate(items):
            if time.monotonic() >= due:
                self._on_step(what, done, total)
                due = time.monotonic() + EVERY_S
            yield item


def silently(*_: object) -> None:
    """Where a caller listens to nothing."""
