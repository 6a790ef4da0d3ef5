"""Pools of decoders, and what the system says of their processes."""

import os
import time
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
from PIL import Image

from indexer.embedders.base import Preprocessing
from indexer.errors import PictureError
from indexer.pictures.decoding import Decoded, Limits
from indexer.pictures.pool import DecodePool

HAS_PROC = Path("/proc/self/stat").exists()
PACKAGES = Path(__file__).resolve().parent.parent
SEEN = Preprocessing(size=32, resize_to=36)
LIMITS = Limits()


def pool_of(workers: int = 1, timeout_s: float = 30, limits: Limits = LIMITS) -> DecodePool:
    return DecodePool(SEEN, limits, workers, timeout_s)


def status_of(pid: int) -> tuple[str, int]:
    """The state of a process, X where there is none, and its parent."""
    try:
        state, parent = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[:2]
    except (FileNotFoundError, ProcessLookupError):
        return "X", 0
    return state, int(parent)


def is_running(pid: int) -> bool:
    return status_of(pid)[0] not in "ZX"


def workers_of(parent: int) -> list[int]:
    """The processes that decode for a process."""
    pids = [int(folder.name) for folder in Path("/proc").iterdir() if folder.name.isdigit()]
    children = [pid for pid in pids if status_of(pid)[1] == parent]
    return [pid for pid in children if b"pictures.worker" in _command(pid)]


def _command(pid: int) -> bytes:
    """The command line of a process; empty where there is none."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        return b""


def my_worker(pool: DecodePool, path: bytes) -> int:
    """The process of a pool of one, when it has nothing to do."""
    assert len(list(pool.decode([path]))) == 1
    (worker,) = workers_of(os.getpid())
    return worker


def reasons(answers: Iterable[tuple[bytes, Decoded | PictureError]]) -> dict[bytes, str]:
    """Why files were refused."""
    return {path: str(answer) for path, answer in answers if isinstance(answer, PictureError)}


def wait_until(true: Callable[[], bool], seconds: float = 10) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end
        time.sleep(0.02)


def noise_photos(folder: Path) -> list[bytes]:
    """Twelve small photos."""
    rng = np.random.default_rng(0)
    for number in range(12):
        pixels = rng.integers(0, 256, (60, 80, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / f"{number:02}.png")
    return sorted(os.fsencode(path) for path in folder.iterdir())
