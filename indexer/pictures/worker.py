"""A process that decodes pictures for `DecodePool`, so that a hostile file can only harm it.

It is started as a program and not through `multiprocessing`, which would run the user's main module
again, or fork a process with threads. Requests come on standard input, answers go to standard
output; both are frames, of JSON and raw bytes. Nothing is ever unpickled: a process that a picture
has taken over must not be able to run code in its parent.

    parent -> worker   {settings}, then for each file {} + its path
    worker -> parent   {"ready": true}, then for each file {fields of Decoded} + its pixels and
                       thumbnails, or {"error": the reason}

A single picture, as a query shows one, comes as bytes: {what is wanted of it} + them, and {} + that goes back.
"""

import json
import os
import signal
import struct
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import IO, Any

from PIL import Image

from indexer.embedders.base import Preprocessing
from indexer.errors import PictureError
from indexer.pictures.decoding import decode, decode_file, load_pixels
from indexer.pictures.headers import read_header
from indexer.pictures.jpegs import encode
from indexer.pictures.limits import Limits
from indexer.pictures.regions import Region

__all__ = ["main", "read_frame", "write_frame"]

_MAX_REQUEST = 1 << 20
_LENGTHS = struct.Struct(">II")
_PARENT_CHECK_S = 1.0
_ALARM_FACTOR = 2

Frame = tuple[dict[str, Any], bytes]


def write_frame(stream: IO[bytes], header: Mapping[str, Any], payload: bytes = b"") -> None:
    """Write one frame: two lengths, JSON, raw bytes."""
    encoded = json.dumps(header).encode()
    stream.write(_LENGTHS.pack(len(encoded), len(payload)) + encoded)
    stream.write(payload)
    stream.flush()


def read_frame(stream: IO[bytes], most: int) -> tuple[dict[str, Any], bytearray]:
    """Read one frame of at most `most` bytes.

    Raises EOFError where the stream ends, and ValueError for what is no frame.
    """
    lengths = _LENGTHS.unpack(_read_exactly(stream, _LENGTHS.size))
    if sum(lengths) > most:
        raise ValueError(f"a frame of {sum(lengths)} bytes; the limit is {most}")
    header = json.loads(_read_exactly(stream, lengths[0]))
    if not isinstance(header, dict):
        raise ValueError("a frame without a header")
    return header, _read_exactly(stream, lengths[1])


def _read_exactly(stream: IO[bytes], count: int) -> bytearray:
    buffer = bytearray(count)
    filled = 0
    with memoryview(buffer) as view:
        while filled < count:
            read = stream.readinto(view[filled:])  # type: ignore[attr-defined]
            if not read:
                raise EOFError
            filled += read
    return buffer


def main() -> None:
    """Serve the parent until it closes standard input or is gone."""
    threading.Thread(target=_follow, args=(os.getppid(),), daemon=True).start()
    requests, answers = _take_streams()
    settings, _ = read_frame(requests, _MAX_REQUEST)
    wanted = settings["preprocessing"]
    preprocessing = Preprocessing(**wanted) if wanted else None
    limits = Limits(**settings["limits"])
    thumbnails = (
        Path(os.fsdecode(bytes.fromhex(folder))) if (folder := settings["thumbnails"]) else None
    )
    Image.MAX_IMAGE_PIXELS = None  # `limits` decides, and this process is ours
    _limit_memory(limits.worker_memory_mb)
    write_frame(answers, {"ready": True})
    _silence()
    most = _MAX_REQUEST + int(limits.max_file_mb * 1e6)
    with suppress(EOFError, BrokenPipeError):
        while True:
            wanted, payload = read_frame(requests, most)
            _set_alarm(_ALARM_FACTOR * settings["timeout_s"])
            if wanted:
                look = partial(_look, wanted, bytes(payload), limits)
            else:
                look = partial(_decode, bytes(payload), preprocessing, limits, thumbnails)
            write_frame(answers, *_answer(look))
            _set_alarm(0)


def _answer(look: Callable[[], Frame]) -> Frame:
    try:
        return look()
    except PictureError as error:
        return {"error": str(error)}, b""
    except MemoryError:
        return {"error": "reading it takes more memory than allowed (worker_memory_mb)"}, b""


def _look(wanted: Mapping[str, Any], data: bytes, limits: Limits) -> Frame:
    """What is wanted of a single picture: a JPEG that fits an edge, or the pixels that a model sees."""
    suffix = str(wanted["suffix"]).encode("latin-1")
    if edge := wanted.get("edge"):
        return {}, encode(decode(data, limits, edge, suffix).image, [edge])[edge]
    region = Region(*wanted["region"]) if wanted["region"] else None
    preprocessing = Preprocessing(**wanted["preprocessing"])
    return {}, load_pixels(data, preprocessing, limits, region, suffix).tobytes()


def _decode(
    path: bytes, preprocessing: Preprocessing | None, limits: Limits, thumbnails: Path | None
) -> Frame:
    if preprocessing is None:
        decoded = read_header(path, limits)
    else:
        decoded = decode_file(path, preprocessing, limits, thumbnails)
    header = {
        "signature": asdict(decoded.signature),
        "sha256": decoded.sha256.hex(),
        "width": decoded.width,
        "height": decoded.height,
        "format": decoded.format,
        "metadata": asdict(decoded.metadata),
        "phash": decoded.phash.hex(),
        "thumbnails": [[edge, len(data)] for edge, data in decoded.thumbnails.items()],
    }
    return header, b"".join([decoded.pixels.tobytes(), *decoded.thumbnails.values()])


def _take_streams() -> tuple[IO[bytes], IO[bytes]]:
    """Keep the pipes to ourselves; what a library prints goes to standard error instead."""
    requests, answers = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    with open(os.devnull, "rb") as nothing:
        os.dup2(nothing.fileno(), 0)
    os.dup2(2, 1)
    return requests, answers


def _silence() -> None:
    """From here on standard error only says what libraries print of damaged files."""
    with open(os.devnull, "wb") as nowhere:
        os.dup2(nowhere.fileno(), 1)
        os.dup2(nowhere.fileno(), 2)


def _limit_memory(megabytes: int) -> None:
    """Make an allocation fail that would take this process so far above what it holds now."""
    try:
        import resource  # Windows has none
    except ImportError:
        return
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # a crash leaves no memory image behind
    with suppress(OSError):  # no /proc: the system is not Linux, and holds to no such limit
        with open("/proc/self/status", encoding="ascii") as status:
            held = next(int(line.split()[1]) for line in status if line.startswith("VmData:"))
        if megabytes:
            most = held * 1024 + megabytes * 1_000_000
            resource.setrlimit(resource.RLIMIT_DATA, (most, most))


def _set_alarm(seconds: float) -> None:
    """Have the kernel end this process unless it is called again in time.

    The parent keeps the time; this is for a decoder that hangs when there is no parent any more.
    """
    if hasattr(signal, "setitimer"):
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.setitimer(signal.ITIMER_REAL, seconds)


def _follow(parent: int) -> None:
    """End with the parent, even where another of its children keeps our standard input open."""
    while os.getppid() == parent:
        time.sleep(_PARENT_CHECK_S)
    os._exit(1)
