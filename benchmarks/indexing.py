"""How fast a library is built, beside rclip and beside what decoding and the model alone allow.

    python -m benchmarks.indexing PHOTOS [--rclip ENVIRONMENT] [--count 1000] [--large 64] [--many 0] [--out FILE]

PHOTOS holds some hundreds of JPEGs. `--count` files are laid of them, and `--large` photos of 12 megapixels. The
command builds a library of each, with the starter and with ViT-B/32 for 256 pixels at random weights; rclip indexes
the same files with the same network and weights, from the environment that it is installed in. `--many` names a
greater number of files, for what memory does then. Prints one JSON object, and writes it to --out.
"""

import argparse
import os
import resource
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
from numpy.typing import NDArray

from benchmarks import rclip
from benchmarks.laid import lay_copies, lay_large, photos_in
from benchmarks.report import publish
from benchmarks.spent import Spent, cpu_seconds, spend
from indexer import BuildOptions, Library
from indexer.config import BuildConfig, RuntimeConfig
from indexer.embedders.base import Embedder, Preprocessing
from indexer.pictures.decoding import Decoded
from indexer.pictures.limits import Limits
from indexer.pictures.pool import DecodePool
from indexer.runtime import bundle, half
from indexer.spaces import MODELS, Spaces

HERE = Path(__file__).parent.parent
CORES = os.cpu_count() or 1
BATCH = BuildConfig().batch_size
COMPARED = 500
"""Photos whose rows are compared with those in single precision."""
NEAREST = 10

Pixels = NDArray[np.uint8]
Rows = NDArray[np.float32]
Figures = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Alone:
    """One part of the work, with the machine to itself."""

    pictures: int
    seconds: float
    cpu_seconds: float

    @property
    def cpu_ms(self) -> float:
        """Of one core, for one picture."""
        return 1000 * self.cpu_seconds / self.pictures

    def figures(self) -> Figures:
        """As they are published."""
        return {
            "images_per_s": round(self.pictures / self.seconds, 1),
            "cpu_ms": round(self.cpu_ms, 2),
        }


class _Free:
    """An embedder that costs nothing: what a build takes with it is all that is neither decoding nor model."""

    def __init__(self, like: Embedder) -> None:
        self.fingerprint, self.dim = like.fingerprint, like.dim
        self._row = np.full(like.dim, like.dim**-0.5, np.float32)

    def embed_images(self, pixels: Pixels) -> Rows:
        return np.tile(self._row, (len(pixels), 1))


class Bench:
    """A folder of files to build from, and a model to build with."""

    def __init__(self, scratch: Path, photos: Path, model: str) -> None:
        self._scratch = scratch
        self._photos = photos
        self._model = model
        self._library = scratch / "library"
        self._empty = scratch / "empty"
        """The same before the photos came."""

    def measure(self) -> Figures:
        """The command, the parts alone, the bound that they make, and what the rows are worth."""
        self.export()
        built = self.build()
        decoding, pixels = self._decode()
        embedding = self._embed(pixels)
        rest = self._rest()
        parts = {"decoding": decoding.cpu_ms, "model": embedding.cpu_ms, "rest": rest}
        bound = 1000 * CORES / (decoding.cpu_ms + embedding.cpu_ms)
        rate = len(pixels) / built.seconds
        return {
            "images_per_s": round(rate, 1),
            "of_the_bound": round(rate / bound, 3),
            "bound_images_per_s": round(bound, 1),
            "decoding_alone": decoding.figures(),
            "model_alone": embedding.figures(),
            "cpu_ms_of_the_rest": round(rest, 2),
            "share_of_the_rest": round(rest / sum(parts.values()), 4),
            "peak_mb": round(built.peak_mb),
            **self._agreement(pixels),
        }

    def vectors(self) -> dict[str, Rows]:
        """What was built, by the names of the files."""
        with Library.open(self._library) as library:
            ids, rows = library.vectors()
            return {
                library.photo(id).path.name: row for id, row in zip(ids.tolist(), rows, strict=True)
            }

    def export(self) -> None:
        """Make a library with the model in it and one picture, so that what follows is building alone."""
        first = self._scratch / "first"
        first.mkdir()
        source = next(self._photos.iterdir())
        (first / source.name).write_bytes(source.read_bytes())
        with Library.open(self._library, create=True) as library:
            library.build([first], BuildOptions(model=self._model), notify=_say)
        shutil.copytree(self._library, self._empty)

    def build(self) -> Spent:
        """Run the command over the files."""
        command: list[str | Path] = [sys.executable, "-m", "indexer", "build", self._photos]
        return spend([*command, "--library", self._library], HERE)

    def _bundle(self) -> bundle.Bundle:
        (folder,) = (self._library / MODELS).iterdir()
        return bundle.read(folder)

    def _decode(self) -> tuple[Alone, dict[str, Pixels]]:
        """Every file through the processes that a build uses, and nothing else; thumbnails included."""
        preprocessing, workers = self._bundle().preprocessing, max(2, CORES // 2)
        before, began = cpu_seconds(resource.RUSAGE_CHILDREN), time.perf_counter()
        pixels = dict(_decoded(self._photos, preprocessing, workers, self._scratch / "none"))
        seconds = time.perf_counter() - began
        spent = cpu_seconds(resource.RUSAGE_CHILDREN) - before
        return Alone(len(pixels), seconds, spent), pixels

    def _embed(self, pixels: dict[str, Pixels]) -> Alone:
        """The model alone, as a build runs it."""
        embedder, all_pixels = self._fast(), np.stack(list(pixels.values()))
        embedder.embed_images(all_pixels[:BATCH])
        before, began = cpu_seconds(resource.RUSAGE_SELF), time.perf_counter()
        for start in range(0, len(all_pixels), BATCH):
            embedder.embed_images(all_pixels[start : start + BATCH])
        seconds = time.perf_counter() - began
        return Alone(len(pixels), seconds, cpu_seconds(resource.RUSAGE_SELF) - before)

    def _fast(self) -> Embedder:
        config = RuntimeConfig()
        usable = config.precision == "auto" and half.works_here()
        return (half.HalfEmbedder if usable else bundle.OnnxEmbedder)(self._bundle())

    def _rest(self) -> float:
        """CPU milliseconds a picture of this process in a build whose model is free; decoding is in others."""
        free = _Free(bundle.OnnxEmbedder(self._bundle()))
        with Library.open(self._empty) as library:
            library.build()  # so that everything is imported
            before = cpu_seconds(resource.RUSAGE_SELF)
            with patch.object(Spaces, "builder", lambda *_: free):
                report = library.build([self._photos])
            spent = cpu_seconds(resource.RUSAGE_SELF) - before
        return 1000 * spent / report.pending

    def _agreement(self, pixels: dict[str, Pixels]) -> Figures:
        """How near the rows are to those of the same pixels in single precision."""
        names = sorted(pixels)[:COMPARED]
        full, stack = bundle.OnnxEmbedder(self._bundle()), np.stack([pixels[n] for n in names])
        fast = self._fast()
        parts = range(0, len(names), BATCH)
        ours = np.concatenate([fast.embed_images(stack[i : i + BATCH]) for i in parts])
        exact = np.concatenate([full.embed_images(stack[i : i + BATCH]) for i in parts])
        return compared(ours, exact)


def compared(ours: Rows, exact: Rows) -> Figures:
    """Cosines (n,) of rows (n, dim) with what they stand for, and how far their nearest neighbours are the same."""
    cosines = np.einsum("nd,nd->n", ours, exact)
    near, nearest = _neighbours(ours), _neighbours(exact)
    shared = [len(set(a) & set(b)) / NEAREST for a, b in zip(near, nearest, strict=True)]
    return {
        "cosine_mean": round(float(cosines.mean()), 5),
        "cosine_least": round(float(cosines.min()), 5),
        f"overlap_at_{NEAREST}": round(float(np.mean(shared)), 4),
    }


def _neighbours(rows: Rows) -> list[list[int]]:
    scores = rows @ rows.T
    np.fill_diagonal(scores, -2)
    order: list[list[int]] = np.argsort(-scores, axis=1, kind="stable")[:, :NEAREST].tolist()
    return order


def _decoded(
    photos: Path, preprocessing: Preprocessing, workers: int, thumbnails: Path
) -> Iterator[tuple[str, Pixels]]:
    paths = [os.fsencode(path) for path in sorted(photos.iterdir())]
    with DecodePool(preprocessing, Limits(), workers, 30, thumbnails=thumbnails) as pool:
        for path, result in pool.decode(paths):
            if not isinstance(result, Decoded):
                raise result
            yield Path(os.fsdecode(path)).name, result.pixels


def beside_rclip(
    environment: Path, networks: Path, photos: Path, ours: Figures, found: dict[str, Rows]
) -> Figures:
    """What rclip makes of the same files, how many times its rate ours is, and how near both sides' rows are."""
    spent = rclip.index(environment, networks, photos)
    theirs = rclip.vectors(networks)
    rate = len(theirs) / spent.seconds
    cosines = [float(found[name] @ row / np.linalg.norm(row)) for name, row in theirs.items()]
    return {
        "images_per_s": round(rate, 1),
        "images": len(theirs),
        "peak_mb": round(spent.peak_mb),
        "ours_times_theirs": round(ours["images_per_s"] / rate, 2),
        "cosine_of_ours_with_theirs": round(float(np.mean(cosines)), 5),
    }


def _say(line: str) -> None:
    print(line, file=sys.stderr)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("photos", type=Path)
    parser.add_argument("--rclip", type=Path, help="the virtual environment that rclip is in")
    parser.add_argument("--count", type=int, default=1000)
    parser.add_argument("--large", type=int, default=64)
    parser.add_argument("--many", type=int, default=0)
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        publish(_measure(arguments, Path(scratch).resolve()), arguments.out)


def _measure(arguments: argparse.Namespace, scratch: Path) -> Figures:
    photos, weights = photos_in(arguments.photos), scratch / "random.pt"
    rclip.save_random(weights)
    if arguments.rclip:
        rclip.prepare(weights, scratch / "rclip")
    folders = {
        "photos": lay_copies(photos, scratch / "copies", arguments.count),
        "12 megapixels": lay_large(photos, scratch / "large", arguments.large),
    }
    models = {"starter": "starter", "ViT-B/32 at 256": f"open_clip:{rclip.ARCHITECTURE}@{weights}"}
    result: Figures = {"cores": CORES}
    for kind, folder in folders.items():
        files = list(folder.iterdir())
        size = sum(path.stat().st_size for path in files) / len(files)
        figures: Figures = {"files": len(files), "mean_kb": round(size / 1000)}
        for name, model in models.items():
            _say(f"{kind}, {name}")
            bench = Bench(_made(scratch / kind / name), folder, model)
            figures[name] = bench.measure()
        if arguments.rclip:
            _say(f"{kind}, rclip")
            networks, ours = scratch / "rclip", figures["ViT-B/32 at 256"]
            environment = arguments.rclip.resolve()
            figures["rclip"] = beside_rclip(environment, networks, folder, ours, bench.vectors())
        result[kind] = figures
    if arguments.many:
        result["many"] = _many(photos, scratch, arguments.many)
    return result


def _many(photos: list[Path], scratch: Path, count: int) -> Figures:
    """Peak memory over a greater number of files."""
    folder = lay_copies(photos, scratch / "many", count)
    bench = Bench(_made(scratch / "many files"), folder, "starter")
    bench.export()
    spent = bench.build()
    return {
        "files": count,
        "images_per_s": round(count / spent.seconds, 1),
        "peak_mb": round(spent.peak_mb),
    }


def _made(folder: Path) -> Path:
    folder.mkdir(parents=True)
    return folder


if __name__ == "__main__":
    main()
