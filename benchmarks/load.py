"""Many visitors at once, half of them uploading pictures of nearly 20 MB, while a build runs.

    python -m benchmarks.load FOLDER [--photos 10000] [--users 1 8 32 64] [--minutes 10] [--out FILE]

Makes a library by `benchmarks.large` in FOLDER, serves it by the command that users type, and lets so many visitors
at a time search by words, look at thumbnails, and drop pictures; each thinks for some seconds between two steps. All
the while new photos come into a folder of the library, and `glimpse build` runs again and again. Says how many steps
there were, how many failed, how long they took, and what memory the server held, minute by minute.
"""

import argparse
import asyncio
import io
import random
import sys
import threading
import time
from collections import Counter
from collections.abc import Awaitable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
from aiohttp import ClientError
from PIL import Image

from benchmarks.commands import glimpse, seconds
from benchmarks.large import make_library
from benchmarks.report import publish
from benchmarks.served import Served, serving
from benchmarks.spent import memory_kb
from benchmarks.visitor import PageFault, Visitor, visiting
from indexer import Library

WORDS = ("a dog", "mountains", "an old car", "flowers", "a boat on a lake", "bird - chicken")
THINKING_S = (2.0, 8.0)
PATIENCE_S = 120.0
SHOWN = 12
"""Thumbnails after each answer."""
UPLOAD_BYTES = 19_900_000
NEW_PHOTOS = 40
"""Before each build."""


@dataclass
class Steps:
    """What visitors did, and how it went."""

    seconds: dict[str, list[float]] = field(default_factory=dict)
    faults: Counter[str] = field(default_factory=Counter)

    async def take(self, kind: str, step: Awaitable[None]) -> None:
        """Time one step."""
        began = time.monotonic()
        try:
            await asyncio.wait_for(step, PATIENCE_S)
        except (PageFault, ClientError, TimeoutError) as fault:
            self.faults[f"{kind}: {fault or type(fault).__name__}"] += 1
        else:
            self.seconds.setdefault(kind, []).append(time.monotonic() - began)

    def told(self) -> dict[str, Any]:
        """Figures of each kind of step, in milliseconds."""
        return {
            **{kind: _times(took) for kind, took in sorted(self.seconds.items())},
            "errors": sum(self.faults.values()),
            **({"faults": dict(self.faults)} if self.faults else {}),
        }


def main() -> None:
    """Measure and print."""
    arguments = _arguments()
    library = make_library(arguments.folder, arguments.photos, arguments.pictures)
    picture = large_picture()
    found: dict[str, Any] = {
        "photos": arguments.photos,
        "minutes_each": arguments.minutes,
        "upload_mb": round(len(picture) / 1e6, 1),
    }
    for users in arguments.users:
        with (
            serving(glimpse("ui", "--library", library)) as page,
            building(library, arguments.folder / "arriving") as builds,
        ):
            crowd = Crowd(page, photo_ids(library), picture)
            told = asyncio.run(crowd.visit(users, 60 * arguments.minutes))
        found[f"{users} users"] = {**told, "builds_meanwhile": len(builds)}
        print(f"{users} users: {found[f'{users} users']}", file=sys.stderr, flush=True)
    publish(found, arguments.out)


class Crowd:
    """Visitors of one page."""

    def __init__(self, page: Served, ids: Sequence[int], picture: bytes) -> None:
        self._page = page
        self._ids = ids
        self._picture = picture
        self._steps = Steps()
        self._resent = 0
        self._names = count(1)

    async def visit(self, users: int, seconds: float) -> dict[str, Any]:
        """Let so many visitors do as they do for so long; the figures of their steps, and the server's memory."""
        end = time.monotonic() + seconds
        watch = asyncio.create_task(self._watch_memory(end))
        await asyncio.gather(
            *(self._one(number % 2 == 1, random.Random(number), end) for number in range(users))
        )
        told = {**self._steps.told(), "sent_once_more": self._resent}
        return {**told, "memory_mb_by_minute": await watch}

    async def _one(self, uploads: bool, chance: random.Random, end: float) -> None:
        await asyncio.sleep(chance.uniform(0, THINKING_S[1]))
        while time.monotonic() < end:
            try:
                async with visiting(self._page.url) as visitor:
                    try:
                        await self._stay(visitor, uploads, chance, end)
                    finally:
                        self._resent += visitor.resent
            except (ClientError, TimeoutError) as fault:
                self._steps.faults[f"arriving: {fault or type(fault).__name__}"] += 1

    async def _stay(
        self, visitor: Visitor, uploads: bool, chance: random.Random, end: float
    ) -> None:
        await self._steps.take("first page", visitor.ask())
        while time.monotonic() < end:
            await asyncio.sleep(chance.uniform(*THINKING_S))
            if uploads and chance.random() < 0.5:
                name = f"{next(self._names)}.jpg"
                await self._steps.take("upload and its answer", visitor.upload(name, self._picture))
            else:
                await self._steps.take("words", visitor.ask(q=chance.choice(WORDS)))
            shown = [
                visitor.fetch(f"/photos/{id}/320") for id in chance.choices(self._ids, k=SHOWN)
            ]
            await self._steps.take("thumbnails", _all(shown))

    async def _watch_memory(self, end: float) -> list[int]:
        """MB that the server held at most in each minute."""
        most: dict[int, int] = {}
        began = time.monotonic()
        while (now := time.monotonic()) < end:
            kb = await asyncio.to_thread(memory_kb, self._page.pid)
            minute = int((now - began) // 60)
            most[minute] = max(most.get(minute, 0), kb // 1000)
            await asyncio.sleep(2)
        return list(most.values())


async def _all(steps: Iterable[Awaitable[None]]) -> None:
    await asyncio.gather(*steps)


@contextmanager
def building(library: Path, arriving: Path) -> Iterator[list[float]]:
    """Builds, one after another, of new photos that come in; gives the seconds that each took."""
    taken: list[float] = []
    over = threading.Event()
    arriving.mkdir(exist_ok=True)

    def build() -> None:
        while not over.is_set():
            for _ in range(NEW_PHOTOS):
                noise(256).save(arriving / f"{time.time_ns()}.jpg")
            taken.append(seconds(glimpse("build", arriving, "--library", library)))

    builder = threading.Thread(target=build)
    builder.start()
    try:
        yield taken
    finally:
        over.set()
        builder.join()


def photo_ids(library: Path) -> list[int]:
    """Photos that can be asked for, made up or real."""
    with Library.open(library) as opened:
        ids: list[int] = opened.vectors()[0].tolist()
    return ids


def large_picture() -> bytes:
    """A JPEG just below what the page takes: mostly noise, which does not become smaller."""
    for edge in range(5000, 0, -100):
        with io.BytesIO() as file:
            noise(edge).save(file, "JPEG", quality=92)
            if file.tell() <= UPLOAD_BYTES:
                return file.getvalue()
    raise AssertionError


def noise(edge: int) -> Image.Image:
    """A picture like no other."""
    pixels = np.random.default_rng().integers(0, 256, (edge, edge, 3), np.uint8)
    return Image.fromarray(pixels)


def _times(took: Sequence[float]) -> dict[str, int]:
    p50, p95 = np.percentile(took, (50, 95))
    return {"steps": len(took), "p50_ms": round(p50 * 1000), "p95_ms": round(p95 * 1000)}


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("--photos", type=int, default=10_000)
    parser.add_argument("--pictures", type=Path, default=Path("examples/photos"))
    parser.add_argument("--users", type=int, nargs="+", default=[1, 8, 32, 64])
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--out", type=Path)
    return parser.parse_args()


if __name__ == "__main__":
    main()
