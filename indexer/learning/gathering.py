"""The pictures of a run: found, decoded once in processes of their own, and some of them held out."""

import os
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np

from indexer.config import BuildConfig
from indexer.discovery import Rules, Walk
from indexer.embedders.base import Preprocessing
from indexer.errors import PictureError, UsageError
from indexer.pictures.decoding import Decoded
from indexer.pictures.pool import DecodePool

__all__ = ["FEWEST", "MOST_HELD_OUT", "Decoding", "find", "hold_out", "labels"]

FEWEST = 16
"""Pictures below which nothing can be learned."""
MOST_HELD_OUT = 2000


def find(folders: Sequence[bytes], rules: Rules) -> list[bytes]:
    """The pictures below some folders, sorted, each once. Raises UsageError where there are too few."""
    found = {os.path.join(folder, each.path) for folder in folders for each in Walk(folder, rules)}
    if len(found) < FEWEST:
        names = ", ".join(map(os.fsdecode, folders))
        raise UsageError(
            f"{len(found)} pictures in {names} are too few to learn from; name folders with {FEWEST} at least"
        )
    return sorted(found)


@dataclass
class Decoding:
    """Decodes the pictures of a run; counts those that fail, and leaves out exact copies."""

    config: BuildConfig
    preprocessing: Preprocessing
    on_progress: Callable[[int, int, float], object]
    """Gets how many files are done, of how many, in how many seconds."""
    failed: dict[bytes, str] = field(default_factory=dict)

    def pictures(self, paths: Sequence[bytes]) -> Iterator[tuple[bytes, Decoded]]:
        """The pictures that can be read, as they get done."""
        workers = self.config.decode_workers or max(2, (os.cpu_count() or 2) // 2)
        limits, timeout = self.config.limits(), self.config.decode_timeout_s
        began = time.monotonic()
        with DecodePool(self.preprocessing, limits, workers, timeout) as pool:
            for done, (path, result) in enumerate(pool.decode(paths), start=1):
                self.on_progress(done, len(paths), time.monotonic() - began)
                if isinstance(result, PictureError):
                    self.failed[path] = str(result)
                else:
                    yield path, result


def hold_out(count: int, share: float, seed: int) -> tuple[list[int], list[int]]:
    """Numbers to learn from and numbers to measure with, drawn by the seed; both ascending."""
    held = min(MOST_HELD_OUT, round(count * share))
    if count - held < FEWEST // 2:
        raise UsageError(
            f"--hold-out {share} leaves {count - held} of {count} pictures to learn from; give less"
        )
    order = np.random.default_rng([seed, 1]).permutation(count)
    return sorted(order[held:].tolist()), sorted(order[:held].tolist())


def labels(paths: Sequence[bytes], folders: Sequence[bytes]) -> list[str]:
    """For each picture the name of the folder below the one that was named; empty where there is none."""
    found = []
    for path in paths:
        top = max((f for f in folders if path.startswith(os.path.join(f, b""))), key=len)
        inner = os.path.relpath(path, top).split(b"/")
        found.append(os.fsdecode(inner[0]) if len(inner) > 1 else "")
    return found
