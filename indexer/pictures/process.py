"""One worker process, as its parent sees it."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict
from math import prod
from pathlib import Path
from typing import IO, Any

import numpy as np

from indexer.embedders.base import Preprocessing
from indexer.errors import GlimpseError, PictureError
from indexer.pictures.decoding import Decoded
from indexer.pictures.limits import Limits
from indexer.pictures.metadata import Metadata
from indexer.pictures.worker import read_frame, write_frame
from storage.records import Signature

__all__ = ["CrashedError", "DecodeProcess", "too_late"]

# -I: neither the working folder nor the environment says what is imported, only the parent's path.
# Ctrl-C reaches every process of a terminal; here the parent decides what to do about it.
_PROGRAM = """
import json, signal, sys
signal.signal(signal.SIGINT, signal.SIG_IGN)
sys.path[:] = json.loads(sys.argv[1])
from indexer.pictures.worker import main
main()
"""
_PACKAGES = str(Path(__file__).resolve().parents[2])
_ONE_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
_MAX_HEADER = 1 << 16
_MAX_THUMBNAILS = 1 << 22
_PIPE_BYTES = 1 << 20
"""The most that a process may ask for by Linux' defaults."""


class CrashedError(Exception):
    """The process is gone, or not to be trusted any more; the message is the reason."""


class DecodeProcess:
    """Starts at once; `begin`, `send` and `receive` wait for the process."""

    def __init__(
        self,
        preprocessing: Preprocessing | None,
        limits: Limits,
        timeout_s: float,
        thumbnails: Path | None = None,
    ) -> None:
        self._timeout_s = timeout_s
        self._settings = {
            "preprocessing": asdict(preprocessing) if preprocessing else None,
            "limits": asdict(limits),
            "timeout_s": timeout_s,
            "thumbnails": os.fsencode(thumbnails.absolute()).hex() if thumbnails else None,
        }
        edge = preprocessing.size if preprocessing else 0
        self._shape = (edge, edge, 3)
        self._most = prod(self._shape) + _MAX_HEADER + _MAX_THUMBNAILS
        path = [_PACKAGES, *filter(None, sys.path)]
        try:
            self._process = subprocess.Popen(
                [sys.executable, "-I", "-c", _PROGRAM, json.dumps(path)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                bufsize=0,
                env=os.environ | _ONE_THREAD,
            )
        except OSError as error:
            raise GlimpseError(f"no process to decode pictures can be started: {error}") from error
        self._has_begun = False
        streams = self._process.stdin, self._process.stdout, self._process.stderr
        self._requests, self._answers, self._complaints = map(_present, streams)
        _widen(self._answers)

    def begin(self) -> None:
        """Send the settings and wait until the process is ready, once. Raises GlimpseError."""
        if self._has_begun:
            return
        try:
            write_frame(self._requests, self._settings)
            read_frame(self._answers, _MAX_HEADER)
        except (OSError, EOFError, ValueError) as error:
            self.kill()
            lines = self._complaints.read().decode(errors="replace").split("\n")
            last = next(filter(None, reversed(lines)), "it says nothing")
            raise GlimpseError(f"a process that decodes pictures did not start: {last}") from error
        self._complaints.close()  # the process has let go of it too
        self._has_begun = True

    def send(self, path: bytes) -> None:
        """Ask for the file at an absolute path. Raises CrashedError."""
        try:
            write_frame(self._requests, {}, path)
        except OSError as error:
            raise CrashedError(self._end()) from error

    def receive(self) -> Decoded | PictureError:
        """Wait for the next answer; they come in the order asked for. Raises CrashedError."""
        try:
            return self._answer(*read_frame(self._answers, self._most))
        except (OSError, EOFError) as error:
            raise CrashedError(self._end()) from error
        except (ValueError, TypeError, KeyError) as error:
            self.kill()
            raise CrashedError("the decoder's answer makes no sense") from error

    def look(self, wanted: Mapping[str, Any], data: bytes, most: int) -> bytearray:
        """What is wanted of a single picture, at most so many bytes. Raises PictureError, CrashedError."""
        try:
            write_frame(self._requests, wanted, data)
            header, payload = read_frame(self._answers, most + _MAX_HEADER)
        except (OSError, EOFError) as error:
            raise CrashedError(self._end()) from error
        except ValueError as error:
            self.kill()
            raise CrashedError("the decoder's answer makes no sense") from error
        if "error" in header:
            raise PictureError(str(header["error"]))
        return payload

    def is_alive(self) -> bool:
        """Whether it has not ended, as far as is known."""
        return self._process.poll() is None

    def kill(self) -> None:
        """End the process, from any thread; whoever waits for it gets CrashedError."""
        self._process.kill()

    def close(self) -> None:
        """Kill it and wait until it is gone."""
        self.kill()
        self._process.wait()
        for stream in (self._requests, self._answers, self._complaints):
            with suppress(OSError):
                stream.close()

    def _answer(self, header: dict[str, Any], payload: bytearray) -> Decoded | PictureError:
        if "error" in header:
            return PictureError(str(header["error"]))
        lengths = {int(edge): int(length) for edge, length in header["thumbnails"]}
        pixels, thumbnails = _split(payload, prod(self._shape), lengths)
        return Decoded(
            pixels=np.frombuffer(pixels, np.uint8).reshape(self._shape),
            signature=Signature(**_only_scalars(header["signature"])),
            sha256=bytes.fromhex(header["sha256"]),
            width=int(header["width"]),
            height=int(header["height"]),
            format=str(header["format"]),
            metadata=Metadata(**_only_scalars(header["metadata"])),
            phash=bytes.fromhex(header["phash"]),
            thumbnails=thumbnails,
        )

    def _end(self) -> str:
        """How it ended, in words; its streams are broken, so it is ending."""
        try:
            status = self._process.wait(timeout=1)
        except subprocess.TimeoutExpired:
            self.kill()
            status = self._process.wait()
        if -status == getattr(signal, "SIGALRM", None):
            return too_late(self._timeout_s)
        if status < 0:
            return f"the decoder crashed (signal {-status})"
        return f"the decoder crashed (exit status {status})"


def too_late(timeout_s: float) -> str:
    """The reason for a file that takes longer than it may."""
    return f"decoding took over {timeout_s:g} s (decode_timeout_s)"


def _split(
    payload: bytearray, pixels: int, lengths: dict[int, int]
) -> tuple[memoryview, dict[int, bytes]]:
    """The pixels and the thumbnails of an answer. Raises ValueError where they are not all there is."""
    if min(lengths.values(), default=0) < 0 or pixels + sum(lengths.values()) != len(payload):
        raise ValueError("thumbnails of other lengths than announced")
    view, at, thumbnails = memoryview(payload), pixels, {}
    for edge, length in lengths.items():
        thumbnails[edge] = bytes(view[at : at + length])
        at += length
    return view[:pixels], thumbnails


def _widen(pipe: IO[bytes]) -> None:
    """Make room for a whole answer, so that neither side waits for the other's part of it (Linux)."""
    with suppress(ImportError, AttributeError, OSError):
        import fcntl  # Windows has none

        fcntl.fcntl(pipe.fileno(), fcntl.F_SETPIPE_SZ, _PIPE_BYTES)


def _present(stream: IO[bytes] | None) -> IO[bytes]:
    assert stream is not None  # all three were asked for as pipes
    return stream


def _only_scalars(fields: dict[str, Any]) -> dict[str, Any]:
    if not all(value is None or isinstance(value, (str, int, float)) for value in fields.values()):
        raise TypeError("a field that is neither text nor number")
    return fields
