"""A catalog on PostgreSQL beside one on SQLite: the same small pictures, built and asked in turns.

    python -m benchmarks.postgres [--count 3000] [--pairs 3] [--server URL] [--out FILE]

The pictures are of 16 pixels and the model costs next to nothing, so that the catalog weighs most. --server names an
empty database for each pair, such as `postgresql+psycopg://ada@host/glimpse1`; without it a server is started on a
socket, with the settings that Debian gives one. Ratios are the medians of the pairs. Prints one JSON object.
"""

import argparse
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from statistics import median

import numpy as np
from PIL import Image

from benchmarks.mortal import PLUGINS
from benchmarks.report import publish
from indexer import BuildOptions, Config, Filter, Library
from tests.databases import Server

__all__ = ["main"]

SIDE = 16
WORDS = ("red", "green", "blue", "yellow")
ASKED = 25
Seconds = dict[str, float]


def lay(folder: Path, count: int) -> Path:
    """Pictures of one colour each, no two alike."""
    folder.mkdir()
    colours = np.random.default_rng(0).choice(1 << 24, count, replace=False)
    for number, colour in enumerate(colours.tolist()):
        shade = (colour >> 16, colour >> 8 & 255, colour & 255)
        Image.new("RGB", (SIDE, SIDE), shade).save(folder / f"{number:05}.png")
    return folder


def measure(folder: Path, first: Path, photos: Path, catalog: str) -> Seconds:
    """Build a library, and use it."""
    config = Config.from_mapping({"library": {"catalog": catalog}}, "the benchmark of catalogs")
    options = BuildOptions(model="tiny")
    with Library.open(folder, create=True, config=config) as library:
        library.build([first], options)  # prepares the model
        new = _took(lambda: library.build([photos], options))
        again = _took(lambda: library.build([photos], options))
        words = [_took(partial(library.search, word)) for word in WORDS * ASKED]
        text = _took(lambda: library.search("red", where=Filter(path="0001")))

    def opening() -> None:
        with Library.open(folder, config=config) as opened:
            opened.status()

    return {
        "build": new,
        "build in which nothing is new": again,
        "search by a word, median": median(words),
        "search with a text in the path, the first time": text,
        "open a library, and say how it is": min(_took(opening) for _ in range(5)),
    }


def _took(action: Callable[[], object]) -> float:
    began = time.perf_counter()
    action()
    return time.perf_counter() - began


def compared(pairs: list[tuple[Seconds, Seconds]]) -> Mapping[str, Mapping[str, float]]:
    """Medians of both, and of the ratios."""
    return {
        name: {
            "sqlite_s": round(median(pair[0][name] for pair in pairs), 4),
            "postgresql_s": round(median(pair[1][name] for pair in pairs), 4),
            "ratio": round(median(pair[1][name] / pair[0][name] for pair in pairs), 2),
        }
        for name in pairs[0][0]
    }


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--count", type=int, default=3000)
    parser.add_argument("--pairs", type=int, default=3)
    parser.add_argument("--server", nargs="+", default=[], metavar="URL")
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    sys.path.insert(0, str(PLUGINS))  # where the family `tiny` is registered
    with ExitStack() as stack:
        scratch = Path(stack.enter_context(tempfile.TemporaryDirectory())).resolve()
        urls = arguments.server
        if not urls:
            server = stack.enter_context(Server.running({}))
            urls = [server.empty() for _ in range(arguments.pairs)]
        laid = lay(scratch / "first", 1), lay(scratch / "photos", arguments.count)
        pairs = []
        for number, url in enumerate(urls):
            here = measure(scratch / f"sqlite-{number}", *laid, "")
            pairs.append((here, measure(scratch / f"postgresql-{number}", *laid, url)))
    publish(
        {"pictures": arguments.count, "pairs": len(pairs), "took": compared(pairs)}, arguments.out
    )


if __name__ == "__main__":
    main()
