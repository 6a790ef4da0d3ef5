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
from pathlib import Path
from unittest.mock import patch

import numpy as np

from benchmarks import rclip
from benchmarks.laid import lay_copies, lay_large, photos_in
from benchmarks.parts import BATCH, Figures, Free, Pixels, Rows, compared, decode_alone, embed_alone
from benchmarks.report import publish
from benchmarks.spent import Spent, cpu_seconds, spend
from indexer import BuildOptions, Library
from indexer.embedders.base import Embedder
from indexer.runtime import bundle, half
from indexer.spaces import MODELS, Spaces

HERE = Path(__file__).parent.parent
CORES = os.cpu_count() or 1
COMPARED = 256
"""Photos whose rows are compared with those in single precision."""


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
        workers = max(2, CORES // 2)  # as a build chooses
        decoding, pixels = decode_alone(self._photos, self._bundle().preprocessing, workers)
        embedding, _ = embed_alone(self._fast(), list(pixels.values()))
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
        """Make a library of one batch, with the model prepared in it, so that what follows is building alone."""
        first = lay_copies(sorted(self._photos.iterdir()), self._scratch / "first", BATCH)
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

    def _fast(self) -> Embedder:
        """The model as a build runs it."""
        return (half.HalfEmbedder if half.works_here() else bundle.OnnxEmbedder)(self._bundle())

    def _rest(self) -> float:
        """CPU milliseconds a picture of this process in a build whose model is free; decoding is in others."""
        free = Free(bundle.OnnxEmbedder(self._bundle()))
        with Library.open(self._empty) as library:
            library.build()  # so that everything is imported
            before = cpu_seconds(resource.RUSAGE_SELF)
            with patch.object(Spaces, "builder", lambda *_: free):
                report = library.build([self._photos])
            spent = cpu_seconds(resource.RUSAGE_SELF) - before
        return 1000 * spent / report.pending

    def _agreement(self, pixels: dict[str, Pixels]) -> Figures:
        """How near the rows are to those of the same pixels in single precision."""
        some = [pixels[name] for name in sorted(pixels)[:COMPARED]]
        single, exact = embed_alone(bundle.OnnxEmbedder(self._bundle()), some)
        _, ours = embed_alone(self._fast(), some)
        return {"single_precision_alone": single.figures(), **compared(ours, exact)}


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
