"""Work that strace watches, one system call after another: to see their order, or to be stopped at one of them.

It is done by one thread, so that the n-th call is the same each time; nothing of this is known to Glimpse.
"""

import os
import shutil
import subprocess
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import pytest

from benchmarks.mortal import Mortal, Tell, Work
from indexer import engines, pipeline
from indexer.embedders.base import Preprocessing
from indexer.errors import PictureError
from indexer.pictures.decoding import Decoded, decode_file
from indexer.pictures.limits import Limits
from storage import catalog

__all__ = ["InProcess", "needs_strace", "stopped", "struck", "watched"]

needs_strace = pytest.mark.skipif(
    shutil.which("strace") is None, reason="needs strace: apt install strace"
)
ATTACHED = 4242
"""What strace makes `getpgid` answer, by which a process knows that it is watched."""


def stopped(work: Work, *arguments: object, at: str, when: int, by: str, log: Path) -> Mortal:
    """Work that `by` strikes, such as `signal=SIGKILL`, at the n-th system call of a name; `log` is for `struck`."""
    return Mortal(_watched, [f"--inject={at}:{by}:when={when}"], log, work, *arguments)


def struck(log: Path) -> bool:
    """Whether there were so many calls."""
    return any("INJECTED" in line for line in log.read_text().splitlines() if "getpgid" not in line)


def watched(work: Work, *arguments: object, calls: str, log: Path) -> Mortal:
    """Work whose calls of these names, with the paths of their files, are written to `log`, one a line."""
    return Mortal(_watched, ["-y", "-e", f"trace={calls},getpgid"], log, work, *arguments)


def _watched(tell: Tell, options: Sequence[str], log: Path, work: Work, *arguments: object) -> None:
    _in_one_thread()
    _attach(["-o", str(log), *options])
    work(tell, *arguments)


def _attach(options: Sequence[str]) -> None:
    probe = f"--inject=getpgid:retval={ATTACHED}"
    tracer = subprocess.Popen(["strace", "-qqq", *options, probe, "-p", str(os.getpid())])
    while os.getpgid(0) != ATTACHED:
        if tracer.poll() is not None:
            raise RuntimeError("strace may not watch this process")
        time.sleep(0.001)


def _in_one_thread() -> None:
    for module in (pipeline, catalog):
        setattr(module, "ThreadPoolExecutor", _AtOnce)  # noqa: B010
    setattr(engines, "DecodePool", InProcess)  # noqa: B010


class _AtOnce:
    """An executor whose caller does the work."""

    def __init__(self, *_: object) -> None:
        pass

    def __enter__(self) -> "_AtOnce":
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def submit(self, work: Callable[..., Any], *arguments: object) -> Future[Any]:
        done = Future[Any]()
        try:
            done.set_result(work(*arguments))
        except BaseException as error:
            done.set_exception(error)
        return done


class InProcess:
    """A pool without processes."""

    def __init__(
        self, preprocessing: Preprocessing, limits: Limits, *_: object, thumbnails: Path | None
    ) -> None:
        self._how = preprocessing, limits, thumbnails

    def __enter__(self) -> "InProcess":
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def decode(self, paths: Iterable[bytes]) -> Iterator[tuple[bytes, Decoded | PictureError]]:
        for path in paths:
            try:
                yield path, decode_file(path, *self._how)
            except PictureError as error:
                yield path, error
