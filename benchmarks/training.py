"""Training beside lightly's own example: pictures a second on the same pictures, network, batch and augmentations.

    python -m benchmarks.training PICTURES [--backbone resnet10-narrow] [--rounds 3] [--out FILE]

PICTURES holds JPEGs, such as CIFAR-10's; some thousands of them are taken. In each round lightly's documented loop,
ours in float32, and ours in the precision that it chooses for this machine train in turn from the same weights, each
with workers and threads as it chooses them; the first steps, while workers start, do not count. A ratio compares
within one round: given are the median, the least and the most. Prints one JSON object; with --out also writes it.
"""

import argparse
import copy
import shutil
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import torch
from torch import nn

from benchmarks.peer_training import BYOL_HIDDEN, QUEUE, RATE, LightlyLoop
from benchmarks.report import publish
from indexer import TrainOptions
from indexer.config import BuildConfig
from indexer.embedders.base import Preprocessing
from indexer.learning.gathering import Decoding
from indexer.learning.learners import picture_learner
from indexer.learning.machine import choose_machine, threads, workers
from indexer.train.batches import Batches, Views
from indexer.train.loop import Pace, Step, train
from indexer.train.method import PictureMethod
from indexer.train.runs import Run
from indexer.train.schedules import Cosine, optimiser
from indexer.train.store import PictureStore, edge_to_keep
from indexer.train.trunks import NARROW, make_trunk

SIZE, PICTURES = 32, 4096


@dataclass(frozen=True)
class Size:
    """How much is trained in a round."""

    batch: int
    warm: int
    """Steps that do not count."""
    steps: int


SIZES = {NARROW: Size(256, 4, 16)}
USUAL = Size(64, 1, 3)
METHODS = {
    "simclr": (),
    "moco": (f"queue={QUEUE}",),
    "byol": (f"hidden_dim={BYOL_HIDDEN}",),
}


def main() -> None:
    """Train in turns, print."""
    arguments = _arguments()
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / "pictures"
        _lay(arguments.pictures, folder)
        began = time.perf_counter()
        store = _store(folder, Path(scratch) / "store")
        once = len(store) / (time.perf_counter() - began)
        methods = _compare_all(arguments.backbone, folder, store, arguments.rounds)
    figures = {
        "backbone": arguments.backbone,
        "pictures": len(store),
        "size": SIZE,
        "rounds": arguments.rounds,
        "precision_chosen": choose_machine(TrainOptions(), "auto").precision,
        "kept_once_pictures_per_s": round(once),
        "pictures_per_s": methods,
    }
    publish(figures, arguments.out)


def _lay(pictures: Path, folder: Path) -> None:
    """Copies of some of the pictures, the same each time."""
    paths = sorted(pictures.rglob("*.jpg"))
    folder.mkdir()
    for number in np.random.default_rng(0).permutation(len(paths))[:PICTURES]:
        shutil.copy(paths[number], folder / f"{number:06}.jpg")


def _store(folder: Path, target: Path) -> PictureStore:
    preprocessing = Preprocessing(size=edge_to_keep(SIZE), resize="longest")
    decoding = Decoding(BuildConfig(), preprocessing, lambda *_: None)
    paths = [bytes(path) for path in sorted(folder.iterdir())]
    return PictureStore.write(target, decoding.pictures(paths))


def _compare_all(backbone: str, folder: Path, store: PictureStore, rounds: int) -> dict[str, Any]:
    torch.manual_seed(0)
    trunk, dim = make_trunk(backbone, SIZE)
    span = SIZES.get(backbone, USUAL)
    found = {}
    for method in METHODS:
        peer = LightlyLoop(method, trunk, dim, folder, span.batch, SIZE)
        rows = [
            {
                "lightly": peer.pictures_per_s(span.warm, span.steps),
                "ours_fp32": _ours(method, backbone, trunk, store, span, "fp32"),
                "ours": _ours(method, backbone, trunk, store, span, "auto"),
            }
            for _ in range(rounds)
        ]
        found[method] = {"batch": span.batch, **_summary(rows)}
        print(method, found[method], file=sys.stderr, flush=True)
    return found


def _summary(rows: Sequence[dict[str, float]]) -> dict[str, Any]:
    medians = {name: round(median(row[name] for row in rows)) for name in rows[0]}
    ratios = {
        f"{name}_to_lightly": _spread([row[name] / row["lightly"] for row in rows])
        for name in rows[0]
        if name != "lightly"
    }
    return {**medians, **ratios}


def _spread(ratios: Sequence[float]) -> dict[str, float]:
    figures = {"median": median(ratios), "least": min(ratios), "most": max(ratios)}
    return {name: round(value, 2) for name, value in figures.items()}


def _ours(
    method: str,
    backbone: str,
    trunk: nn.Module,
    store: PictureStore,
    span: Size,
    precision: Any,
) -> float:
    """Pictures a second, by the loop that the verb `train` runs, in a folder that is thrown away."""
    options = TrainOptions(
        backbone=backbone,
        size=SIZE,
        batch=span.batch,
        optimizer="sgd",
        learning_rate=RATE,
        set=METHODS[method],
        precision=precision,
    )
    learner = picture_learner(method, options, None, len(store))
    assert isinstance(learner.method, PictureMethod)
    learner.method.trunk.load_state_dict(copy.deepcopy(trunk.state_dict()))
    machine = choose_machine(options, "auto")
    drawing = workers(options, machine.device)
    views = Views(store, range(len(store)), learner.method.views(), options.seed)
    taken: list[Step] = []
    with tempfile.TemporaryDirectory() as scratch, threads(0, machine.device):
        train(
            learner.method,
            optimiser(learner.method, learner.recipe, span.batch),
            Cosine(learner.recipe.peak(span.batch), options.warmup),
            Batches(views, span.batch, options.seed, drawing),
            Pace(steps=span.warm + span.steps),
            Run(Path(scratch)),
            seed=options.seed,
            machine=machine,
            on_step=taken.append,
        )
    return span.steps * span.batch / (taken[-1].seconds - taken[span.warm - 1].seconds)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("pictures", type=Path)
    parser.add_argument("--backbone", default=NARROW)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--out", type=Path)
    return parser.parse_args()


if __name__ == "__main__":
    main()
