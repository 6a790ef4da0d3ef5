"""Read files ahead of the model, in a thread of its own: known bytes by their hash, others decoded."""

import hashlib
import queue
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from indexer.errors import PictureError
from indexer.pictures.decoding import Decoded
from indexer.pictures.limits import Limits
from indexer.pictures.pool import DecodePool
from indexer.pictures.reading import read_file
from indexer.planning import Pending

__all__ = ["Feed", "Outcome"]

KnownContent = Callable[[bytes], int | None]
"""The id of a content, by the SHA-256 of its bytes, when there is nothing left to do for it."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one file: the id of a content that is known, a decoded picture, or a reason."""

    item: Pending
    read_at_ns: int
    result: int | Decoded | PictureError


class Feed:
    """The outcomes of pending files, in the order in which they are done.

    At most `ahead` outcomes wait, so memory stays bounded however slow the model is. Close it, or use it as a context
    manager: decoding stops, and no process is left behind.
    """

    def __init__(
        self,
        pending: Iterable[Pending],
        pool: DecodePool,
        may_be_known: Callable[[Pending], bool],
        known: KnownContent,
        limits: Limits,
        ahead: int,
    ) -> None:
        self._pending = pending
        self._pool = pool
        self._may_be_known = may_be_known
        self._known = known
        self._limits = limits
        self._outcomes: queue.Queue[Outcome | BaseException | None] = queue.Queue(maxsize=ahead)
        self._closing = threading.Event()
        self._items: dict[bytes, tuple[Pending, int]] = {}
        self._thread = threading.Thread(target=self._produce, name="glimpse-feed", daemon=True)

    def __enter__(self) -> "Feed":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._closing.set()
        while self._thread.is_alive():
            self._drain()
            self._thread.join(timeout=0.05)

    def __iter__(self) -> Iterator[Outcome]:
        while (outcome := self._outcomes.get()) is not None:
            if isinstance(outcome, BaseException):
                raise outcome
            yield outcome

    def _produce(self) -> None:
        try:
            with self._pool as pool:
                for path, result in pool.decode(self._to_decode()):
                    if self._closing.is_set():
                        return
                    item, read_at = self._items.pop(path)
                    self._outcomes.put(Outcome(item, read_at, result))
            self._outcomes.put(None)
        except BaseException as error:  # handed to the thread that waits for outcomes
            self._outcomes.put(error)

    def _to_decode(self) -> Iterator[bytes]:
        """The paths that need decoding; the others are settled on the way."""
        for item in self._pending:
            if self._closing.is_set():
                return
            read_at = time.time_ns()
            content_id = self._look_up(item) if self._may_be_known(item) else None
            if content_id is not None:
                self._outcomes.put(Outcome(item, read_at, content_id))
            else:
                path = item.path
                self._items[path] = (item, read_at)
                yield path

    def _look_up(self, item: Pending) -> int | None:
        try:
            data, _ = read_file(item.path, self._limits, follow_links=False)
        except PictureError:
            return None  # the decoder meets the same, and says why
        return self._known(hashlib.sha256(data).digest())

    def _drain(self) -> None:
        """Make room, so that a producer that waits to put can see that it is over."""
        try:
            while True:
                self._outcomes.get_nowait()
        except queue.Empty:
            pass
