"""Looks at single pictures, of queries and for thumbnails, in processes of their own.

Whatever a picture does to its decoder, who asked goes on: a page serves others meanwhile.
"""

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from indexer.embedders.base import Preprocessing
from indexer.errors import PictureError
from indexer.pictures.limits import Limits
from indexer.pictures.process import CrashedError, DecodeProcess, too_late
from indexer.pictures.regions import Region

__all__ = ["Viewer"]

_START_S = 60.0
_MAX_JPEG = 1 << 25


class Viewer:
    """Up to `most` processes at a time, of which one is kept for the next picture."""

    def __init__(self, limits: Limits, timeout_s: float, most: int) -> None:
        self.limits = limits
        self._timeout_s = timeout_s
        self._start = partial(DecodeProcess, None, limits, timeout_s)
        self._turns = threading.BoundedSemaphore(most)
        self._lock = threading.Lock()
        self._idle: DecodeProcess | None = None

    def ahead(self) -> None:
        """Start a process that is soon needed, unless one waits or all are at work; this takes no time."""
        if self._turns.acquire(blocking=False):
            try:
                self._put_back(self._take() or self._start())
            finally:
                self._turns.release()

    def pixels(
        self,
        data: bytes,
        preprocessing: Preprocessing,
        region: Region | None = None,
        suffix: bytes = b"",
    ) -> NDArray[np.uint8]:
        """As `load_pixels`. Raises PictureError, and GlimpseError where no process can be started."""
        shape = (preprocessing.size, preprocessing.size, 3)
        wanted = {"preprocessing": asdict(preprocessing), "region": region}
        found = self._look(wanted, data, suffix, int(np.prod(shape)))
        if len(found) != np.prod(shape):
            raise PictureError("the decoder's answer makes no sense")
        return np.frombuffer(found, np.uint8).reshape(shape)

    def jpeg(self, data: bytes, edge: int, suffix: bytes = b"") -> bytes:
        """The picture as a JPEG that fits a square of `edge` pixels. Raises as `pixels` does."""
        return bytes(self._look({"edge": edge}, data, suffix, _MAX_JPEG))

    def close(self) -> None:
        """End the process that is kept."""
        process = self._take()
        if process:
            process.close()

    def _look(self, wanted: Mapping[str, Any], data: bytes, suffix: bytes, most: int) -> bytearray:
        self.limits.check_bytes(len(data))
        request = {**wanted, "suffix": suffix.decode("latin-1")}
        with self._turns, self._process() as process, _within(process, self._timeout_s) as late:
            try:
                return process.look(request, data, most)
            except CrashedError as error:
                process.close()
                reason = too_late(self._timeout_s) if late.is_set() else str(error)
                raise PictureError(reason) from error

    @contextmanager
    def _process(self) -> Iterator[DecodeProcess]:
        """A process that is ready, which is then left for the next."""
        process = self._take() or self._start()
        try:
            with _within(process, _START_S):
                process.begin()
            yield process
        except PictureError:
            self._put_back(process)
            raise
        except BaseException:
            process.close()
            raise
        self._put_back(process)

    def _take(self) -> DecodeProcess | None:
        with self._lock:
            process, self._idle = self._idle, None
        if process and not process.is_alive():  # it was ended while it had nothing to do
            process.close()
            return None
        return process

    def _put_back(self, process: DecodeProcess) -> None:
        with self._lock:
            if self._idle is None and process.is_alive():
                self._idle = process
                return
        process.close()


@contextmanager
def _within(process: DecodeProcess, seconds: float) -> Iterator[threading.Event]:
    """Kill the process unless it is done in time; the event tells."""
    late = threading.Event()

    def kill() -> None:
        late.set()
        process.kill()

    timer = threading.Timer(seconds, kill)
    timer.daemon = True
    timer.start()
    try:
        yield late
    finally:
        timer.cancel()
