"""What it costs that files from anywhere are decoded in processes of their own, within limits.

    python -m benchmarks.isolation PHOTOS [--count 400] [--rounds 5] [--model starter] [--out FILE]

The same files are decoded by the worker processes of a build and by the same code within one process, in turns; what
the first burns more, starting left out, stands beside what embedding burns. Medians over the rounds.
"""

import argparse
import os
import resource
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median

import numpy as np

from benchmarks.laid import lay_copies, photos_in
from benchmarks.parts import embed_alone
from benchmarks.report import publish
from benchmarks.spent import cpu_seconds
from indexer.embedders import load_model
from indexer.embedders.base import Preprocessing
from indexer.pictures.decoding import Decoded, decode_file
from indexer.pictures.limits import Limits
from indexer.pictures.pool import DecodePool
from indexer.runtime import bundle
from indexer.runtime.export import export
from indexer.runtime.half import HalfEmbedder, works_here

NOWHERE = Path("/nonexistent")
"""Where no thumbnail is yet, so that all are made."""
Decoding = Callable[[Sequence[bytes], Preprocessing], list[Decoded]]


def main() -> None:
    """Measure and print."""
    arguments = _arguments()
    with tempfile.TemporaryDirectory() as scratch:
        photos = lay_copies(photos_in(arguments.photos), Path(scratch) / "jpegs", arguments.count)
        folder = export(load_model(arguments.model, print), Path(scratch))
        model = HalfEmbedder(bundle.read(folder)) if works_here() else bundle.load(folder)
        paths = [os.fsencode(path) for path in sorted(photos.iterdir())]
        within, apart = [], []
        for _ in range(arguments.rounds):
            within.append(cost(in_this_process, paths, model.preprocessing))
            apart.append(cost(in_processes, paths, model.preprocessing))
        decoded = in_this_process(paths, model.preprocessing)
        embedding, _ = embed_alone(model, [each.pixels for each in decoded])
    more = median(np.subtract(apart, within).tolist())
    whole = median(within) + embedding.cpu_ms
    figures = {
        "pictures": arguments.count,
        "decoding_within_cpu_ms": round(median(within), 2),
        "decoding_apart_cpu_ms": round(median(apart), 2),
        "embedding_cpu_ms": round(embedding.cpu_ms, 2),
        "cost_of_isolation": round(more / whole, 4),
    }
    publish(figures, arguments.out)


def cost(decode: Decoding, paths: Sequence[bytes], preprocessing: Preprocessing) -> float:
    """CPU milliseconds of one picture, starting left out."""
    start, whole = (_spent(decode, some, preprocessing) for some in (paths[:1], paths))
    return 1000 * (whole - start) / (len(paths) - 1)


def _spent(decode: Decoding, paths: Sequence[bytes], preprocessing: Preprocessing) -> float:
    before = _cpu()
    decode(paths, preprocessing)
    return _cpu() - before


def _cpu() -> float:
    return cpu_seconds(resource.RUSAGE_SELF) + cpu_seconds(resource.RUSAGE_CHILDREN)


def in_this_process(paths: Sequence[bytes], preprocessing: Preprocessing) -> list[Decoded]:
    """Without protection."""
    return [decode_file(path, preprocessing, Limits(), NOWHERE) for path in paths]


def in_processes(paths: Sequence[bytes], preprocessing: Preprocessing) -> list[Decoded]:
    """As a build does; by one process, since two that share a core would both burn more."""
    with DecodePool(preprocessing, Limits(), 1, 30, thumbnails=NOWHERE) as pool:
        return [found for _, found in pool.decode(paths) if isinstance(found, Decoded)]


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("photos", type=Path)
    parser.add_argument("--count", type=int, default=400)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--model", default="starter")
    parser.add_argument("--out", type=Path)
    return parser.parse_args()


if __name__ == "__main__":
    main()
