"""The parts of Glimpse that the quick benchmark watches, each with its reference and its limit.

A limit is about half as much again as what was measured on two cores: twice the time is over it, a busy neighbour is
not. Where a part has become quicker, lower it.
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import count
from pathlib import Path

import numpy as np
from lightly.transforms import SimCLRTransform
from numpy.typing import NDArray
from PIL import Image

from benchmarks import references
from benchmarks.large import make_library
from benchmarks.ratios import Part
from indexer import BuildOptions, Library
from indexer.config import Config
from indexer.embedders.base import Preprocessing
from indexer.learning.gathering import Decoding
from indexer.pictures.pool import DecodePool
from indexer.runtime.bundle import IMAGE, OnnxEmbedder
from indexer.spaces import MODELS
from indexer.train.augmentations import Augmentation
from indexer.train.augmentations import Views as DrawnViews
from indexer.train.batches import Views
from indexer.train.store import PictureStore

__all__ = ["PARTS", "Setting"]

PICTURES = Path("examples/photos")
FEW, MANY = 32, 10_000
"""Photos that are decoded and embedded, a batch of them; photos that are only there."""
TOP = 20
EDGE, EPOCHS = 32, 8
WORDS = ("red car", "mountains in snow", "a woman with a hat")


@dataclass
class Setting:
    """What all parts are measured over: a few photos with their library, and a library of many."""

    scratch: Path

    def __post_init__(self) -> None:
        self.resources = ExitStack()
        self.few = self.scratch / "few"
        self.paths = _copies(self.few)
        self.small = self._open(self.scratch / "small")
        self.small.build([self.few], BuildOptions(model="starter"))
        embedder = self.small.embedder()
        assert isinstance(embedder, OnnxEmbedder)
        self.embedder = embedder
        self.bundle = embedder.bundle.folder
        self.edge = embedder.preprocessing.size
        models = self.scratch / "library" / MODELS  # which takes long to export again
        shutil.copytree(self.small.folder / MODELS, models, copy_function=os.link)
        self.large = self._open(make_library(self.scratch, MANY, self.few))
        self.many = self.scratch / "photos"

    def _open(self, folder: Path) -> Library:
        return self.resources.enter_context(Library.open(folder, create=True))

    def close(self) -> None:
        """Close the libraries, and what parts have opened."""
        self.resources.close()

    def decode(self, thumbnails: bool = False) -> NDArray[np.uint8]:
        """The few photos by Pillow alone, (n, edge, edge, 3)."""
        return np.stack([references.decode(path, self.edge, thumbnails) for path in self.paths])


def _copies(folder: Path) -> list[Path]:
    folder.mkdir()
    chosen = sorted(PICTURES.rglob("*.jpg"))[::2][:FEW]
    return [Path(shutil.copy(path, folder / f"{number}.jpg")) for number, path in enumerate(chosen)]


def decoding(on: Setting) -> Part:
    """Pictures to squares and thumbnails, by a process of ours and by Pillow in one loop."""
    build = Config().build
    pool = on.resources.enter_context(
        DecodePool(
            on.embedder.preprocessing,
            build.limits(),
            1,
            build.decode_timeout_s,
            thumbnails=on.scratch / "none",
        )
    )

    def ours() -> None:
        for _ in pool.decode(map(bytes, on.paths)):
            pass

    return Part("decoding", ours, lambda: on.decode(thumbnails=True), limit=1.9)


def model(on: Setting) -> Part:
    """Squares to vectors, by our embedder and by ONNX Runtime as it comes."""
    run, pixels = references.bare_session(on.bundle / IMAGE), on.decode()
    return Part("model", lambda: on.embedder.embed_images(pixels), lambda: run(pixels), limit=1.5)


def building(on: Setting) -> Part:
    """A whole build, against Pillow and the model, one after the other."""
    run = references.bare_session(on.bundle / IMAGE)

    def ours() -> None:
        on.small.build([on.few], BuildOptions(rebuild=True))

    return Part("building", ours, lambda: run(on.decode()), limit=1.8)


def updating(on: Setting) -> Part:
    """A build over many files that have not changed, against a look at each."""
    return Part(
        "updating",
        lambda: on.large.build([on.many]),
        lambda: references.walk(on.many),
        limit=10,
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

    return Part("searching", ours, reference, limit=7)


def starting(on: Setting) -> Part:
    """The whole command, against a Python that imports what a search stands on."""
    command = [sys.executable, "-m", "indexer", "search", "dog", "--library", str(on.large.folder)]

    def ours() -> None:
        subprocess.run(command, check=True, capture_output=True)

    return Part("starting", ours, references.import_libraries, limit=4.5, rounds=3)


def drawing(on: Setting) -> Part:
    """Views to learn from, against lightly's of the same pictures; each is drawn from its file there."""
    files = [on.scratch / f"{path.stem}-{EDGE}.jpg" for path in on.paths]
    for path, file in zip(on.paths, files, strict=True):
        Image.open(path).resize((EDGE, EDGE)).save(file)
    decoding = Decoding(Config().build, Preprocessing(EDGE), lambda *_: None)
    store = PictureStore.write(on.scratch / "store", decoding.pictures(list(map(bytes, files))))
    views = (Augmentation(EDGE, jitter=(0.4, 0.4, 0.4, 0.1)).view(),) * 2
    examples = Views(store, range(len(store)), DrawnViews(views), seed=0)
    transform = SimCLRTransform(EDGE, cj_strength=0.5, gaussian_blur=0.0)

    def ours() -> None:
        for epoch in range(EPOCHS):
            examples.__getitems__([(epoch, number) for number in range(len(store))])

    def reference() -> None:
        for _ in range(EPOCHS):
            for file in files:
                transform(Image.open(file).convert("RGB"))

    return Part("drawing", ours, reference, limit=0.8)


PARTS: tuple[Callable[[Setting], Part], ...] = (
    decoding,
    model,
    building,
    updating,
    searching,
    starting,
    drawing,
)
