"""What grows with a library, and how: vectors of 512 numbers, ten thousand to five million.

    python -m benchmarks.growth [--sizes 10000 100000 1000000 5000000] [--vectors ondisk] [--scratch DIR] [--out FILE]

For each size a catalog of made-up vectors is laid, its snapshot published, and opened and asked in a process of
its own, which tells time, memory and disk. With --out a plot is drawn beside the JSON. Five million need 14 GB.
With `--vectors ondisk` cells lie on disk.
"""

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt

from benchmarks.report import publish
from benchmarks.vectors import (
    Vectors,
    latency_ms,
    load,
    make_vectors,
    memory_mb,
    queries,
    recall,
    truth,
)
from storage import snapshots
from storage.catalog import Catalog
from storage.cells import Cells
from storage.making import IN_MEMORY
from storage.ondisk.making import OnDisk
from storage.stores import SnapshotStore
from storage.vectors import VectorIndex

DIM = 512
SIZES = (10_000, 100_000, 1_000_000, 5_000_000)
CHANGE = 300
"""Vectors of the small change: enough for a snapshot of its own."""
ASKED, CHECKED, LOOKED_AT_ALL = 400, 100, 5
PROBES = (1, 2, 4, 8, 16, 32, 64)
"""Cells looked into, for the curve of recall over them."""

PLOTS: dict[str, tuple[str, ...]] = {
    "one query, ms": ("p50_ms", "p95_ms", "exact_ms"),
    "memory, MB": ("resident_mb", "of_it_mapped_mb"),
    "on disk, MB": ("catalog_mb", "snapshot_mb"),
    "opening, s": ("open_s",),
    "building the index, s": ("build_s", "small_change_s"),
    "recall@10": ("recall",),
}


def build(folder: Path, store: SnapshotStore) -> dict[str, Any]:
    """Publish everything."""
    catalog = Catalog.open(folder)
    with catalog.view() as view:
        space = view.spaces()[0]
    began = time.perf_counter()
    with watched() as peak, catalog.writer():
        store.publish(catalog, space, everything=True)
    taken = time.perf_counter() - began
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    return {
        "build_s": round(taken, 1),
        "build_cpu_s": round(time.process_time(), 1),
        "build_peak_mb": most,
        "of_it_anonymous_mb": max(peak),
    }


@contextmanager
def watched() -> Iterator[list[int]]:
    """What this process holds meanwhile that is no file's, in MB, again and again."""
    found, over = [0], threading.Event()

    def watch() -> None:
        while not over.wait(0.02):
            memory = memory_mb()
            found[0] = max(found[0], memory["resident_mb"] - memory["of_it_mapped_mb"])

    watching = threading.Thread(target=watch)
    watching.start()
    try:
        yield found
    finally:
        over.set()
        watching.join()


def ask(folder: Path, store: SnapshotStore) -> dict[str, Any]:
    """Open a library, and ask it."""
    catalog = Catalog.open(folder)
    before = memory_mb()["resident_mb"]
    began = time.perf_counter()
    index = load(catalog)
    opened = time.perf_counter() - began
    asked = queries(index, ASKED)
    first = latency_ms(lambda query: index.search(query, 10), asked[:1])["p50_ms"]
    unchecked = latency_ms(lambda query: index.search(query, 10), asked)
    began = time.perf_counter()
    index.check()
    checked = time.perf_counter() - began
    figures = latency_ms(lambda query: index.search(query, 10), asked)
    memory = memory_mb()
    rows = index.segments[0].rows
    exact = latency_ms(lambda query: rows.nearest(query, 10), asked[:LOOKED_AT_ALL])
    with catalog.view() as view:
        (record,) = snapshots.published(view, view.spaces()[0])
    return {
        "open_s": round(opened, 3),
        "first_ms": first,
        "unchecked_p50_ms": unchecked["p50_ms"],
        "unchecked_p95_ms": unchecked["p95_ms"],
        "check_s": round(checked, 2),
        **figures,
        "exact_ms": exact["p50_ms"],
        "recall": recall(index, asked[:CHECKED], truth(index, asked[:CHECKED])),
        "index": record.kind,
        "recall_recorded": record.recall,
        **memory,
        "of_it_program_mb": before,
        **by_probes(index, asked[:CHECKED]),
    }


def by_probes(index: VectorIndex, asked: Vectors) -> dict[str, Any]:
    """Recall and time over the cells that are looked into, with as many proposals as were found best."""
    segment = index.segments[0]
    if not isinstance(segment.cells, Cells):
        return {}
    least, curve = truth(index, asked), list[dict[str, Any]]()
    for probes in PROBES:
        other = replace(segment, cells=replace(segment.cells, probes=probes))
        tried = replace(index, segments=(other,))
        took = latency_ms(partial(tried.search, k=10), asked)["p50_ms"]
        curve.append({"nprobe": probes, "recall": recall(tried, asked, least), "p50_ms": took})
    bytes_each = round(len(segment.cells.to_bytes()) / len(segment.ids), 1)
    return {"cells_bytes_a_vector": bytes_each, "by_probes": curve}


def change(folder: Path, store: SnapshotStore) -> dict[str, Any]:
    """Publish a small change."""
    files = folder / snapshots.SNAPSHOTS
    before = {path.name for path in files.iterdir()}
    catalog = Catalog.open(folder)
    with catalog.view() as view:
        space = view.spaces()[0]
        count = sum(record.count for record in snapshots.published(view, space))
    make_vectors(folder, count + CHANGE, DIM)
    began = time.perf_counter()
    with catalog.writer():
        store.publish(catalog, space)
    taken = time.perf_counter() - began
    written = [path.stat().st_size for path in files.iterdir() if path.name not in before]
    return {
        "small_change_s": round(taken, 3),
        "small_change_written_mb": round(sum(written) / 1e6, 2),
    }


STEPS: dict[str, Callable[[Path, SnapshotStore], dict[str, Any]]] = {
    "build": build,
    "ask": ask,
    "change": change,
}


def measure(scratch: Path, size: int, vectors: str) -> dict[str, Any]:
    """One size, each step in a process of its own."""
    library = make_vectors(scratch / f"vectors-{size}", size, DIM)
    catalog = _mb(library.glob("catalog*"))
    figures = {"vectors": size, **_apart("build", library, vectors), "catalog_mb": catalog}
    figures["snapshot_mb"] = _mb(library.glob("snapshots/*"))
    return figures | _apart("ask", library, vectors) | _apart("change", library, vectors)


def _mb(files: Iterable[Path]) -> float:
    return round(sum(file.stat().st_size for file in files) / 1e6, 1)


def _apart(step: str, library: Path, vectors: str) -> dict[str, Any]:
    command = [sys.executable, "-m", "benchmarks.growth", "--step", step, "--vectors", vectors]
    command += ["--scratch", str(library)]
    told = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    found: dict[str, Any] = json.loads(told)
    return found


def plot(curves: Sequence[dict[str, Any]], path: Path) -> None:
    """A curve for each figure, over the number of vectors."""
    figure, axes = plt.subplots(2, 3, figsize=(13, 7), layout="constrained")
    sizes = [curve["vectors"] for curve in curves]
    for axis, (title, names) in zip(axes.flat, PLOTS.items(), strict=True):
        for name in names:
            axis.plot(sizes, [curve[name] for curve in curves], marker="o", label=name)
        axis.set(title=title, xscale="log", xlabel="vectors")
        if "recall" in names:
            axis.set_ylim(0.95, 1.002)
        else:
            axis.set_yscale("log")
        axis.grid(alpha=0.3)
        axis.legend(fontsize=8)
    figure.savefig(path, dpi=110)


def main() -> None:
    """Run it by hand."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--sizes", type=int, nargs="+", default=SIZES)
    parser.add_argument(
        "--scratch", type=Path, help="where libraries are laid, and kept for the next run"
    )
    parser.add_argument("--vectors", choices=("faiss", "ondisk"), default="faiss")
    parser.add_argument("--step", choices=STEPS, help=argparse.SUPPRESS)
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    if arguments.step:
        maker = OnDisk() if arguments.vectors == "ondisk" else IN_MEMORY
        store = SnapshotStore(arguments.scratch, maker)
        print(json.dumps(STEPS[arguments.step](arguments.scratch, store)))
        return
    curves = []
    with tempfile.TemporaryDirectory() as folder:
        for size in arguments.sizes:
            curves.append(measure(arguments.scratch or Path(folder), size, arguments.vectors))
            publish({"dim": DIM, "curves": curves}, arguments.out)
    if arguments.out and arguments.vectors == "faiss":
        plot(curves, arguments.out.with_suffix(".png"))


if __name__ == "__main__":
    main()
