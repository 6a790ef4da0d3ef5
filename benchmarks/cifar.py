"""Learning without labels on CIFAR-10: how well neighbours vote on pictures that were never seen.

    python -m benchmarks.cifar METHOD CIFAR [--minutes 25] [--epochs N] [--backbone NAME] [--out FOLDER]

CIFAR holds train/CLASS/*.jpg and test/CLASS/*.jpg. METHOD is simclr, moco or byol. Trains by `Library.train` on the
training pictures, loads the run as any user would, and measures the weighted nearest neighbours (Wu et al.,
arXiv 1805.01978, temperature 0.07) of all test pictures: the accuracy at k = 20 among 10,000 training pictures and
at k = 200 among all, of the trained network, of the same network untrained, and of raw pixels. Prints one JSON
object; with --out also writes it there as cifar-METHOD.json, and the curves as cifar-METHOD.png.
"""

import argparse
import json
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from benchmarks.report import publish
from indexer import Library, TrainOptions
from indexer.embedders.base import Model, Preprocessing
from indexer.evaluation.metrics import vote
from indexer.evaluation.ranking import rankings
from indexer.runtime.accelerator import TorchEmbedder
from indexer.runtime.devices import pick_device
from indexer.spaces import load
from indexer.train.augmentations import MEAN, STD
from indexer.train.loop import Step
from indexer.train.trunks import NARROW, make_trunk

Vectors = NDArray[np.float32]
Embed = Callable[[NDArray[np.uint8]], Vectors]

GALLERY, K_SMALL, K_ALL = 10_000, 20, 200
EDGE, BATCH = 32, 500

RECIPES: dict[str, TrainOptions] = {
    "simclr": TrainOptions(
        optimizer="sgd", learning_rate=0.12, weight_decay=5e-4, batch=256, set=("temperature=0.2",)
    ),
    "moco": TrainOptions(
        optimizer="sgd",
        learning_rate=0.12,
        weight_decay=5e-4,
        batch=256,
        set=("queue=4096", "momentum=0.99", "bn_batch=64"),
    ),
    "byol": TrainOptions(
        optimizer="sgd",
        learning_rate=0.4,
        weight_decay=1e-4,
        batch=64,
        set=("base_decay=0.8", "min_scale=0.35", "hidden_dim=512"),
    ),
}
"""For half an hour on two cores: higher rates, smaller batches, faster targets and larger crops than
the papers', which are for hundreds of epochs."""

LONG = TrainOptions(optimizer="sgd", learning_rate=0.12, weight_decay=5e-4, batch=512)
LONG_RECIPES: dict[str, TrainOptions] = {
    "simclr": LONG,
    "moco": replace(LONG, set=("queue=4096", "momentum=0.99", "temperature=0.1", "bn_batch=64")),
    "byol": replace(LONG, set=("base_decay=0.99", "hidden_dim=1024")),
}
"""For hundreds of epochs (--epochs) of a ResNet-18, which wants a graphics card."""


def main() -> None:
    """Train, measure, print."""
    arguments = _arguments()
    if arguments.out:  # before half an hour of training, not after it
        arguments.out.mkdir(parents=True, exist_ok=True)
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as scratch:
        library = Library.open(Path(scratch) / "library", create=True)
        report = library.train(
            arguments.method,
            [arguments.cifar / "train"],
            _options(arguments),
            on_train=_Lines(),
            notify=lambda line: print(line, file=sys.stderr),
        )
        model = load(library.folder, report.model, lambda line: None)
        knn = _all_knn(arguments.cifar, model, arguments.backbone)
        result = {
            "method": arguments.method,
            "backbone": arguments.backbone,
            "knn": knn,
            "pictures": report.pictures,
            "steps": report.steps,
            "epochs": round(report.steps * _options(arguments).batch / report.pictures, 1),  # type: ignore[operator]
            "training_minutes": round(report.seconds / 60, 1),
            "whole_minutes": round((time.monotonic() - began) / 60, 1),
            "views_per_s": round(2 * _seen(report.folder) / report.seconds),
            "last_loss": round(report.loss, 4),
            "retrieval_on_held_out": report.retrieval,
            "settings": _settings(report.folder),
        }
        if arguments.out:
            curves = arguments.out / f"cifar-{arguments.method}.png"
            shutil.copy(report.folder / "curve.png", curves)
    out = arguments.out and arguments.out / f"cifar-{arguments.method}.json"
    card = torch.cuda.get_device_name() if torch.cuda.is_available() else None
    publish(result, out, card)


def _options(arguments: argparse.Namespace) -> TrainOptions:
    recipe = (LONG_RECIPES if arguments.epochs else RECIPES)[arguments.method]
    return replace(
        recipe,
        backbone=arguments.backbone,
        size=EDGE,
        minutes=arguments.minutes,
        epochs=arguments.epochs,
        warmup=0.05,
        hold_out=0.02,
        batch=arguments.batch or recipe.batch,
    )


def _all_knn(cifar: Path, model: Model, backbone: str) -> dict[str, float]:
    """Accuracies by what embeds and how many neighbours vote."""
    train, test = _read(cifar / "train"), _read(cifar / "test")
    trained = TorchEmbedder(model, pick_device()).embed_images
    found = {}
    for name, embed in (("", trained), ("untrained_", _untrained(backbone)), ("pixels_", _pixels)):
        gallery, queries = _embed(embed, train[0]), _embed(embed, test[0])
        few = np.random.default_rng(0).permutation(len(gallery))[:GALLERY]
        found[f"{name}k20_of_10000"] = _knn(queries, test[1], gallery[few], train[1][few], K_SMALL)
        if not name:
            found["k200_of_all"] = _knn(queries, test[1], gallery, train[1], K_ALL)
    return found


def _knn(
    queries: Vectors, truth: NDArray[np.int64], gallery: Vectors, labels: NDArray[np.int64], k: int
) -> float:
    classes = int(labels.max()) + 1
    right = 0
    for ranking, label in zip(rankings(queries, gallery), truth, strict=True):
        rows, cosines = ranking.first(k)
        right += vote(labels[rows], cosines, classes) == label
    return round(right / len(queries), 4)


def _read(folder: Path) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Pictures (n, 32, 32, 3), and the number of each one's class."""
    paths = sorted(folder.glob("*/*.jpg"))
    classes = sorted({path.parent.name for path in paths})
    pixels = np.stack([np.asarray(Image.open(path).convert("RGB")) for path in paths])
    return pixels, np.array([classes.index(path.parent.name) for path in paths])


def _embed(embed: Embed, pixels: NDArray[np.uint8]) -> Vectors:
    starts = range(0, len(pixels), BATCH)
    return np.concatenate([embed(pixels[start : start + BATCH]) for start in starts])


def _pixels(pixels: NDArray[np.uint8]) -> Vectors:
    rows = torch.from_numpy(pixels.reshape(len(pixels), -1).astype(np.float32) / 255 - 0.5)
    unit: Vectors = torch.nn.functional.normalize(rows).numpy()
    return unit


def _untrained(backbone: str) -> Embed:
    torch.manual_seed(0)
    trunk, dim = make_trunk(backbone, EDGE)
    model = Model("untrained", dim, Preprocessing(EDGE, mean=MEAN, std=STD), trunk, "")
    return TorchEmbedder(model, pick_device()).embed_images


def _settings(folder: Path) -> dict[str, object]:
    """What was asked for, but for folders."""
    settings = json.loads((folder / "run.json").read_text())["settings"]
    names = ("optimizer", "learning_rate", "weight_decay", "batch", "warmup", "seed", "set")
    return {name: settings[name] for name in names}


def _seen(folder: Path) -> int:
    """Pictures that training saw, each as often as it came."""
    last = (folder / "curve.csv").read_text().splitlines()[-1]
    return int(last.split(",")[2])


class _Lines:
    """A line now and then."""

    def __init__(self) -> None:
        self._due = 0.0

    def __call__(self, step: Step) -> None:
        if step.seconds >= self._due:
            self._due = step.seconds + 30
            print(
                f"{100 * step.share:.0f} %, step {step.number}: loss {step.loss:.4f}, "
                f"{step.pictures / step.seconds:.0f} pictures/s",
                file=sys.stderr,
                flush=True,
            )


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("method", choices=sorted(RECIPES))
    parser.add_argument("cifar", type=Path)
    parser.add_argument("--minutes", type=float)
    parser.add_argument("--epochs", type=float)
    parser.add_argument("--batch", type=int)
    parser.add_argument("--backbone", default=NARROW)
    parser.add_argument("--out", type=Path)
    return parser.parse_args()


if __name__ == "__main__":
    main()
