"""Whether a part of Glimpse has become slower: its time against a fixed reference's, under a minute on two cores.

    python -m benchmarks.quick [--only PART …] [--times 2] [--out FILE]

Each part and its reference take turns over the same data, and the ratio decides, never the seconds. Prints a line for
each part, and ends with 1 where one is over its limit. `--times 2` does our side twice over, which every limit must
catch: so the limits are tried themselves. With --out also writes the figures.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from itertools import count
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks import references
from benchmarks.large import make_library
from benchmarks.ratios import Part, failures, measure
from benchmarks.report import publish
from indexer import BuildOptions, Library
from indexer.config import Config
from indexer.pictures.pool import DecodePool
from indexer.runtime.bundle import IMAGE, OnnxEmbedder
from indexer.spaces import MODELS

PICTURES = Path("examples/photos")
PHOTOS = 20_000
BATCH, TOP = 32, 20
WORDS = ("dog", "red car", "mountains in snow", "a woman with a hat", "bridge at night")


@dataclass
class Setting:
    """What all parts are measured over: some pictures with their library, and one of many photos."""

    scratch: Path
    paths: list[Path] = field(default_factory=lambda: sorted(PICTURES.rglob("*.jpg")))

    def __post_init__(self) -> None:
        self.small = Library.open(self.scratch / "small", create=True)
        self.small.build([PICTURES], BuildOptions(model="starter"))
        embedder = self.small.embedder()
        assert isinstance(embedder, OnnxEmbedder)
        self.embedder = embedder
        self.bundle = embedder.bundle.folder
        self.edge = embedder.preprocessing.size
        decoded = [references.decode(path, self.edge, thumbnails=False) for path in self.paths]
        self.pixels = np.stack(decoded)
        models = self.scratch / "library" / MODELS
        shutil.copytree(self.small.folder / MODELS, models, copy_function=os.link)
        self.large = Library.open(make_library(self.scratch, PHOTOS, PICTURES))

    @property
    def root(self) -> Path:
        """The folder of the many photos."""
        return self.scratch / "photos"

    def batches(self) -> list[NDArray[np.uint8]]:
        """The pictures as a model takes them."""
        return np.array_split(self.pixels, range(BATCH, len(self.pixels), BATCH))


def decoding(on: Setting) -> Part:
    """Pictures to squares and thumbnails, by our processes and by Pillow in one loop."""
    build = Config().build
    pool = DecodePool(
        on.embedder.preprocessing,
        build.limits(),
        max(1, (os.cpu_count() or 2) // 2),
        build.decode_timeout_s,
        thumbnails=on.scratch / "no thumbnails",
    )

    def ours() -> None:
        for _ in pool.decode(map(bytes, on.paths)):
            pass

    def reference() -> None:
        for path in on.paths:
            references.decode(path, on.edge, thumbnails=True)

    return Part("decoding", ours, reference, limit=2.0)


def model(on: Setting) -> Part:
    """Squares to vectors, by our embedder and by ONNX Runtime as it comes."""
    session = references.bare_session(on.bundle / IMAGE)
    name = session.get_inputs()[0].name

    def ours() -> None:
        for batch in on.batches():
            on.embedder.embed_images(batch)

    def reference() -> None:
        for batch in on.batches():
            session.run(None, {name: batch})

    return Part("model", ours, reference, limit=1.5, rounds=3)


def building(on: Setting) -> Part:
    """A whole build, against decoding and the model alone, one after the other."""
    embedding = model(on).reference

    def ours() -> None:
        on.small.build([PICTURES], BuildOptions(rebuild=True))

    def reference() -> None:
        for path in on.paths:
            references.decode(path, on.edge, thumbnails=False)
        embedding()

    return Part("building", ours, reference, limit=2.0, rounds=3)


def updating(on: Setting) -> Part:
    """A build over many files that have not changed, against a look at each."""
    return Part(
        "updating",
        lambda: on.large.build([on.root]),
        lambda: references.walk(on.root),
        limit=20,
    )


def searching(on: Setting) -> Part:
    """Words among many photos, against their embedding and a comparison with every vector."""
    flat = references.FlatSearch(on.bundle, on.large.vectors()[1])
    # Each text is new, or a cache of vectors would answer.
    numbers = count()

    def ours() -> None:
        for words in WORDS:
            on.large.search(f"{words} {next(numbers)}", k=TOP)

    def reference() -> None:
        flat.search([f"{words} {next(numbers)}" for words in WORDS], TOP)

    return Part("searching", ours, reference, limit=3.0)


def starting(on: Setting) -> Part:
    """The whole command, against a Python that imports what a search stands on."""
    command = [sys.executable, "-m", "indexer", "search", "dog", "--library", str(on.large.folder)]

    def ours() -> None:
        subprocess.run(command, check=True, capture_output=True)

    return Part("starting", ours, references.import_libraries, limit=2.0, rounds=3)


PARTS: tuple[Callable[[Setting], Part], ...] = (
    decoding,
    model,
    building,
    updating,
    searching,
    starting,
)


def main() -> None:
    """Measure, tell, judge."""
    arguments = _arguments()
    chosen = [part for part in PARTS if part.__name__ in arguments.only]
    ratios = []
    with tempfile.TemporaryDirectory() as scratch:
        on = Setting(Path(scratch))
        for part in chosen:
            ratios.append(measure(part(on), arguments.times))
            print(ratios[-1], flush=True)
    if arguments.out:
        publish({ratio.name: asdict(ratio) for ratio in ratios}, arguments.out)
    if slower := failures(ratios):
        sys.exit("slower than it may be: " + "; ".join(slower))


def _arguments() -> argparse.Namespace:
    names = [part.__name__ for part in PARTS]
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--only", nargs="+", choices=names, default=names)
    parser.add_argument("--times", type=int, default=1)
    parser.add_argument("--out", type=Path)
    return parser.parse_args()


if __name__ == "__main__":
    main()
