"""How fast a graphics card embeds, and how busy a build keeps it.

    python -m benchmarks.gpu PHOTOS [--architectures ViT-B-32 ViT-L-14] [--count 4000] [--device auto] [--out FILE]

The architectures are open_clip's, at random weights, in half precision. First the model alone, over batches of
several sizes; then a library of `--count` files made of the JPEGs in PHOTOS. The card is busy from the moment that a
batch goes to it until its rows are back, by its own clock. Without a card it runs on the processor, which says only
that it works. Prints one JSON object, and writes it to --out.
"""

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks.laid import lay_copies, photos_in
from benchmarks.rclip import save_random
from benchmarks.report import publish
from indexer import BuildOptions, Config, Library
from indexer.config import RuntimeConfig
from indexer.embedders import load_model
from indexer.runtime.accelerator import TorchEmbedder
from indexer.runtime.devices import Device, pick_device
from indexer.spaces import Spaces

BATCHES = (8, 32, 128, 256)
LEAST_S = 3.0
"""How long each size of batch is run at least."""

Figures = dict[str, Any]


class Clocked(TorchEmbedder):
    """An embedder that counts the seconds for which its device was busy."""

    busy_s = 0.0

    def embed_images(self, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Rows (n, dim) for pictures (n, size, size, 3)."""
        if self.device != "cuda":
            began = time.perf_counter()
            rows = super().embed_images(pixels)
            self.busy_s += time.perf_counter() - began
            return rows
        begin, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))  # type: ignore[no-untyped-call]
        begin.record()
        rows = super().embed_images(pixels)
        end.record()
        end.synchronize()
        self.busy_s += begin.elapsed_time(end) / 1000
        return rows


def alone(embedder: TorchEmbedder, batches: Sequence[int], least_s: float) -> dict[str, float]:
    """Images a second by the size of the batch, the way to the card and back included."""
    size = embedder.preprocessing.size
    found = {}
    for batch in batches:
        pixels = np.random.default_rng(0).integers(0, 256, (batch, size, size, 3), np.uint8)
        embedder.embed_images(pixels)
        runs, began = 0, time.perf_counter()
        while (seconds := time.perf_counter() - began) < least_s:
            embedder.embed_images(pixels)
            runs += 1
        found[str(batch)] = round(runs * batch / seconds, 1)
    return found


def building(embedder: Clocked, name: str, photos: Path, library: Path) -> Figures:
    """A library of the photos, and the share of the time for which the device was busy."""
    config = Config(runtime=RuntimeConfig(device=embedder.device))
    with (
        Library.open(library, create=True, config=config) as opened,
        patch.object(Spaces, "builder", lambda *_: embedder),
    ):
        embedder.busy_s = 0.0
        report = opened.build([photos], BuildOptions(model=name), notify=_say)
    return {
        "images": report.embedded,
        "images_per_s": round(report.embedded / report.seconds, 1),
        "busy": round(embedder.busy_s / report.seconds, 3),
    }


def measured(
    architecture: str, device: Device, photos: Path, scratch: Path, batches: Sequence[int]
) -> Figures:
    """One architecture, alone and in a build."""
    weights = scratch / f"{architecture}.pt"
    save_random(weights, architecture)
    name = f"open_clip:{architecture}@{weights}"
    embedder = Clocked(load_model(name, _say), device)
    return {
        "alone_images_per_s_by_batch": alone(embedder, batches, LEAST_S),
        "building": building(embedder, name, photos, scratch / architecture),
    }


def _say(line: str) -> None:
    print(line, file=sys.stderr)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("photos", type=Path)
    parser.add_argument("--architectures", nargs="+", default=["ViT-B-32", "ViT-L-14"])
    parser.add_argument("--batches", nargs="+", type=int, default=BATCHES)
    parser.add_argument("--count", type=int, default=4000)
    parser.add_argument("--device", choices=["auto", "cpu", "cuda", "mps"], default="auto")
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    device = pick_device(arguments.device)
    accelerator = torch.cuda.get_device_name() if device == "cuda" else None
    with tempfile.TemporaryDirectory() as folder:
        scratch = Path(folder).resolve()
        photos = lay_copies(photos_in(arguments.photos), scratch / "photos", arguments.count)
        figures = {
            architecture: measured(architecture, device, photos, scratch, arguments.batches)
            for architecture in arguments.architectures
        }
    cores = {"device": device, "cores": os.cpu_count()}
    publish({**cores, **figures}, arguments.out, accelerator)


if __name__ == "__main__":
    main()
