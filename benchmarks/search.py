"""What a question costs once the library is open: the index alone, and a search by words from text to photos.

    python -m benchmarks.search [--sizes 100000 1000000] [--scratch DIR] [--out FILE]

The index is asked over made-up vectors of 512 numbers, beside plain FAISS (`IndexFlatIP`) over the same vectors in
the same process; words over a catalog of as many photos in the space `starter`, without files. Each runs in a
process of its own, so that its memory can be told.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from itertools import cycle, islice
from pathlib import Path
from typing import Any

import faiss
import numpy as np

from benchmarks.large import make_library
from benchmarks.report import publish
from benchmarks.side_by_side import begin_together, side_by_side
from benchmarks.vectors import (
    latency_ms,
    load,
    make_vectors,
    memory_mb,
    queries,
    recall,
    throughput,
    truth,
)
from indexer import Filter, Library
from indexer.tagging.labels import default_labels
from storage import snapshots
from storage.catalog import Catalog
from storage.vectors import Allowed, VectorIndex

DIM = 512
SIZES = (100_000, 1_000_000)
SHARES = (0.01, 0.1, 0.25, 0.5)
ASKED, CHECKED, FLAT_ASKED = 500, 200, 20
THREADS, ROUNDS = 64, 3
TOP = 20
FILTERS = {"camera": Filter(camera="Canon"), "a year": Filter(after="2015", before="2016")}


def of_index(folder: Path) -> dict[str, Any]:
    """The index alone, k = 10."""
    catalog = Catalog.open(folder)
    began = time.perf_counter()
    index = load(catalog)
    opened = time.perf_counter() - began
    asked = queries(index, ASKED)
    first = latency_ms(lambda query: index.search(query, 10), asked[:1])["p50_ms"]
    index.check()
    figures: dict[str, Any] = {"open_s": round(opened, 3), "first_ms": first}
    figures |= latency_ms(lambda query: index.search(query, 10), asked)
    figures |= memory_mb()
    figures["recall@10"] = recall(index, asked[:CHECKED], truth(index, asked[:CHECKED]))
    figures["filters"] = _filtered(index, asked)
    figures["a_second"] = _scaling(lambda number: index.search(asked[number % ASKED], 10))
    figures["faiss_flat"] = _flat(index, asked)
    figures["times_faster"] = round(figures["faiss_flat"]["p50_ms"] / figures["p50_ms"], 1)
    return figures


def _filtered(index: VectorIndex, asked: Any) -> dict[str, Any]:
    """Photos drawn at random, and photos that came in one after another, as those of one folder did."""
    ids, rng = index.ids(), np.random.default_rng(2)
    found = {}
    for share in SHARES:
        drawn = np.sort(rng.choice(ids, int(share * len(ids)), replace=False))
        start = len(ids) // 3
        for name, some in (("drawn", drawn), ("in a row", ids[start : start + len(drawn)])):
            allowed = Allowed(some)
            index.search(asked[0], 10, allowed)
            timed = latency_ms(partial(index.search, k=10, allowed=allowed), asked)
            least = truth(index, asked[:CHECKED], some)
            timed["recall@10"] = recall(index, asked[:CHECKED], least, allowed)
            found[f"{share:.0%} {name}"] = timed
    return found


def _flat(index: VectorIndex, asked: Any) -> dict[str, float]:
    flat = faiss.IndexFlatIP(index.dim)
    for part in np.array_split(index.ids(), 64):
        flat.add(index.vectors(part))
    return latency_ms(lambda query: flat.search(query[None], 10), asked[:FLAT_ASKED])


def _scaling(ask: Callable[[int], object]) -> dict[str, float]:
    """In turns, since the machine is noisy; the medians."""
    rounds = [[throughput(ask, threads) for threads in (1, THREADS)] for _ in range(ROUNDS)]
    one, many = (statistics.median(rates) for rates in zip(*rounds, strict=True))
    return {"1 thread": one, f"{THREADS} threads": many, "ratio": round(many / one, 2)}


def _texts() -> list[str]:
    labels = [label.name for label in default_labels()]
    return [f"a photo of {label}" for label in islice(cycle(labels), ASKED)]


def of_words(folder: Path) -> dict[str, Any]:
    """A search by words, from text to photos."""
    texts = _texts()
    with Library.open(folder) as library:
        library.search(texts[0], TOP)
        figures: dict[str, Any] = latency_ms(lambda text: library.search(text, TOP), texts)
        embedder = library.embedder()
        model = latency_ms(lambda text: embedder.embed_texts([text]), texts[:CHECKED])
        figures |= {"of_it_model_ms": model["p50_ms"], "filters": {}}
        for name, where in FILTERS.items():
            ask = partial(library.search, k=TOP, where=where)
            first, timed = latency_ms(ask, texts[:1]), latency_ms(ask, texts[:CHECKED])
            figures["filters"][name] = {"first_ms": first["p50_ms"], **timed}
        figures["a_second"] = _scaling(lambda number: library.search(texts[number % ASKED], TOP))
        return figures | memory_mb()


def words_a_second(folder: Path) -> float:
    """Searches by words of one thread, while others of this kind run beside it."""
    texts = _texts()
    with Library.open(folder) as library:
        library.search(texts[0], TOP)
        ask = partial(library.search, k=TOP)
        return float(begin_together(lambda: throughput(lambda n: ask(texts[n % ASKED]), 1)))


STEPS: dict[str, Callable[[Path], Any]] = {
    "index": of_index,
    "words": of_words,
    "words_a_second": words_a_second,
}


def measure(scratch: Path, size: int) -> dict[str, Any]:
    """One size."""
    made = {"index": lay_vectors(scratch, size), "words": lay_photos(scratch, size)}
    found = {step: _apart(step, library) for step, library in made.items()}
    # What 64 threads are to be held against: these wait for no interpreter's lock.
    cores = os.cpu_count() or 1
    command = _command("words_a_second", made["words"])
    rates = [sum(side_by_side(command, cores)) for _ in range(ROUNDS)]
    found["words"]["a_second"][f"{cores} processes"] = round(statistics.median(rates), 1)
    return {"photos": size, **found}


def lay_vectors(scratch: Path, size: int) -> Path:
    """A library of vectors alone, with its snapshot."""
    folder = make_vectors(scratch / f"vectors-{size}", size, DIM)
    catalog = Catalog.open(folder)
    with catalog.view() as view:
        space = view.spaces()[0]
        stale = snapshots.needs_publishing(view, space)
    if stale:
        with catalog.writer():
            snapshots.publish(catalog, space, everything=True)
    catalog.close()
    return folder


def lay_photos(scratch: Path, size: int) -> Path:
    """A library of photos without files."""
    return make_library(scratch / f"photos-{size}", size, Path("examples/photos"), files=False)


def _apart(step: str, library: Path) -> dict[str, Any]:
    command = _command(step, library)
    told = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
    found: dict[str, Any] = json.loads(told)
    return found


def _command(step: str, library: Path) -> list[str]:
    return [sys.executable, "-m", "benchmarks.search", "--step", step, "--scratch", str(library)]


def main() -> None:
    """Run it by hand."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--sizes", type=int, nargs="+", default=SIZES)
    parser.add_argument(
        "--scratch", type=Path, help="where libraries are laid, and kept for the next run"
    )
    parser.add_argument("--step", choices=STEPS, help=argparse.SUPPRESS)
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    if arguments.step:
        print(json.dumps(STEPS[arguments.step](arguments.scratch)))
        return
    with tempfile.TemporaryDirectory() as folder:
        scratch = arguments.scratch or Path(folder)
        found = [measure(scratch, size) for size in arguments.sizes]
    publish({"dim": DIM, "top": TOP, "sizes": found}, arguments.out)


if __name__ == "__main__":
    main()
