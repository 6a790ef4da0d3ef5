"""A cluster, given one page after another.

The driver holds the pages that are under way and no others. What Ray loses is given out again: a page is done when
its shard is there.
"""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import suppress
from itertools import chain
from pathlib import Path
from types import ModuleType
from typing import Any, TypeVar

from indexer.distributed.pages import Page
from indexer.distributed.shards import Shard
from indexer.distributed.stream import Pages, answers
from indexer.distributed.worker import Job
from indexer.errors import GlimpseError

__all__ = ["Cluster"]

Told = TypeVar("Told")

UNDER_WAY = 4
"""Pages for each worker that are given out at once: one that it embeds, and some that wait."""
TRIES = 5
"""Failures of Ray's one after another, with nothing done between them, after which it is given up."""


class Cluster:
    """A cluster that was joined."""

    def __init__(self, ray: ModuleType) -> None:
        self._ray = ray
        self._resources = ray.cluster_resources()

    @property
    def machines(self) -> int:
        """How many machines it has now."""
        return sum(1 for node in self._ray.nodes() if node["Alive"])

    @property
    def cards(self) -> int:
        """How many graphics cards it has now."""
        return int(self._resources.get("GPU", 0))

    @property
    def processors(self) -> int:
        """How many processors it has now."""
        return max(1, int(self._resources.get("CPU", 1)))

    def share(self, folder: Path) -> Any:
        """Give every machine the files of a folder; the reference to them."""
        return self._ray.put({path.name: path.read_bytes() for path in folder.iterdir()})

    def submit(self, work: Callable[[], Told]) -> Future[Told]:
        """Have one processor do something; what a machine that dies had, another gets."""
        task = self._ray.remote(num_cpus=1)(_do)
        done: Future[Told] = task.remote(work).future()
        return done

    def embed(self, pages: Iterator[Page], job: Job, most: int, on_cards: bool) -> Iterator[Shard]:
        """The shards of the pages, as they get done; `most` workers. Raises GlimpseError."""
        failures, left = 0, list[Page]()
        while True:
            wave = _Wave(self._ray, chain(left, pages), job, most, on_cards)
            try:
                for shard in wave.shards():
                    failures = 0
                    yield shard
            except self._ray.exceptions.RayError as error:
                failures += 1
                if failures == TRIES:
                    raise GlimpseError(f"the cluster fails: {_cause(error)}") from error
            left = wave.left()
            if not left and wave.is_over:
                return


class _Wave:
    """One dataset: it ends with the pages, or where Ray gives up."""

    def __init__(
        self, ray: ModuleType, pages: Iterator[Page], job: Job, most: int, on_cards: bool
    ) -> None:
        self._ray, self._pages, self._job = ray, pages, job
        self._most, self._on_cards = most, on_cards
        self._under_way: dict[int, Page] = {}
        self._room = threading.BoundedSemaphore(UNDER_WAY * most)
        self._closing = threading.Event()
        self._fault: BaseException | None = None
        self.is_over = False
        """Whether the pages have come to their end."""

    def left(self) -> list[Page]:
        """Pages that were given out, and are not done."""
        return list(self._under_way.values())

    def shards(self) -> Iterator[Shard]:
        """Each shard once. Raises GlimpseError, and RayError where Ray gives up."""
        holder = self._ray.remote(num_cpus=0)(Pages).remote()
        feeder = threading.Thread(target=self._feed, args=(holder,), name="glimpse-pages")
        feeder.start()
        try:
            for row in answers(self._ray, holder, self._job, self._most, self._on_cards):
                if row["fault"]:
                    raise GlimpseError(row["fault"])
                page = self._under_way.pop(row["number"], None)
                if page is not None:  # else it came twice
                    holder.done.remote(row["number"])
                    self._room.release()
                    yield Shard(row["key"], row["rows"], row["bytes"], row["sha256"])
            if self._fault is not None:
                raise self._fault
        finally:
            self._closing.set()
            feeder.join()
            with suppress(Exception):  # it may have died
                self._ray.kill(holder)

    def _feed(self, holder: Any) -> None:
        """Give out pages as there is room; in a thread of its own."""
        try:
            for number, page in enumerate(self._pages):
                while not self._room.acquire(timeout=0.2):
                    if self._closing.is_set():
                        self._under_way[number] = page
                        return
                self._under_way[number] = page
                self._ray.get(holder.put.remote(number, page.packed()))
                if self._closing.is_set():
                    return
            self.is_over = True
        except self._ray.exceptions.RayError:
            return  # whoever waits for results meets the same
        except BaseException as error:  # handed to the thread that waits for results
            self._fault = error
        finally:
            with suppress(Exception):
                self._ray.get(holder.end.remote())


def _do(work: Callable[[], Told]) -> Told:
    return work()


def _cause(error: BaseException) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return (lines[-1] if lines else type(error).__name__)[:300]
