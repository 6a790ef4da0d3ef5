"""Work that strace watches, one system call after another: to see their order, or to be stopped at one of them.

It is done by one thread, so that the n-th call is the same each time; nothing of this is known to Glimpse.
"""

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import pytest

from benchmarks.mortal import Mortal, Tell, Work
from indexer import build, pipeline
from indexer.cli import main
from indexer.embedders.base import Preprocessing
from indexer.errors import PictureError
from indexer.pictures.decoding import Decoded, decode_file
from indexer.pictures.limits import Limits
from storage import catalog

__all__ = ["command", "needs_strace", "stopped", "watched"]

needs_strace = pytest.mark.skipif(
    shutil.which("strace") is None, reason="needs strace: apt install strace"
)
ATTACHED = 4242
"""What strace makes `getpgid` answer, by which a process knows that it is watched."""


def stopped(work: Work, *arguments: object, at: str, when: int, by: str) -> Mortal:
    """Work that `by` strikes, such as `signal=SIGKILL`, at the n-th system call of a name."""
    return Mortal(_watched, [f"--inject={at}:{by}:when={when}"], work, *arguments)


def watched(work: Work, *arguments: object, calls: str, into: Path) -> Mortal:
    """Work whose calls of these names, with the paths of their files, are written to a file."""
    return Mortal(_watched, ["-y", "-e", f"trace={calls}", "-o", into], work, *arguments)


def command(tell: Tell, *arguments: str | Path) -> None:
    """The command `glimpse`, as a shell runs it."""
    sys.argv = ["glimpse", *map(str, arguments)]
    main()


def _watched(tell: Tell, options: Sequence[str], work: Work, *arguments: object) -> None:
    _in_one_thread()
    _attach(options)
    work(tell, *arguments)


def _attach(options: Sequence[str]) -> None:
    probe = f"--inject=getpgid:retval={ATTACHED}"
    quiet = ["-o", os.devnull] if "-o" not in options else []
    command = ["strace", "-qqq", *options, *quiet, probe, "-p", str(os.getpid())]
    subprocess.Popen(command, stdin=subprocess.DEVNULL)
    while os.getpgid(0) != ATTACHED:
        time.sleep(0.001)


def _in_one_thread() -> None:
    for module in (pipeline, catalog):
        setattr(module, "ThreadPoolExecutor", _AtOnce)  # noqa: B010
    setattr(build, "DecodePool", _Decoder)  # noqa: B010


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


class _Decoder:
    """A pool without processes."""

    def __init__(
        self, preprocessing: Preprocessing, limits: Limits, *_: object, thumbnails: Path | None
    ) -> None:
        self._how = preprocessing, limits, thumbnails

    def __enter__(self) -> "_Decoder":
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def decode(self, paths: Iterable[bytes]) -> Iterator[tuple[bytes, Decoded | PictureError]]:
        for path in paths:
            try:
                yield path, decode_file(path, *self._how)
            except PictureError as error:
                yield path, error
