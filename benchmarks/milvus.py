"""Milvus beside FAISS: the same library's vectors, asked the same, in one process.

    python -m benchmarks.milvus [--sizes 10000 100000] [--uri URI] [--index NAME ...] [--scratch DIR] [--out FILE]

Vectors of 512 numbers are made up, in scenes; without --uri a file of Milvus Lite holds them. Each query is asked of
FAISS's snapshot and then of Milvus, so that what else the machine does meets both: the ratio of their medians counts,
the milliseconds depend on the machine. Recall is against float32 vectors that are all looked at. A server's token is
taken from the variable GLIMPSE_MILVUS_TOKEN.
"""

import argparse
import os
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.report import publish
from benchmarks.vectors import make_vectors, queries, truth
from storage.catalog import Catalog
from storage.milvus.address import Address, IndexName
from storage.milvus.store import MilvusStore
from storage.snapshots import published
from storage.stores import SnapshotStore, VectorStore
from storage.vectors import Allowed, VectorIndex

DIM, K = 512, 10
SIZES = (10_000, 100_000)
SHARES = (0.01, 0.1, 0.5)
INDEXES: tuple[IndexName, ...] = ("FLAT", "IVF_FLAT")
ASKED = 24
SAME = 1e-6
TIMEOUT_S = 60.0

Vectors = NDArray[np.float32]


def measure(scratch: Path, size: int, uri: str, index: IndexName) -> dict[str, Any]:
    """One size and one index."""
    folder = make_vectors(scratch / f"vectors-{size}", size, DIM)
    catalog = Catalog.open(folder)
    file = str(folder.resolve() / "milvus.db")
    token = os.environ.get("GLIMPSE_MILVUS_TOKEN", "")
    address = Address(uri or file, token, index, TIMEOUT_S, is_own=not uri)
    faiss, faiss_figures = _published(catalog, SnapshotStore(folder))
    milvus, milvus_figures = _published(catalog, MilvusStore(address))
    asked = queries(faiss, ASKED)
    figures: dict[str, Any] = {"vectors": size, "faiss": faiss_figures, "milvus": milvus_figures}
    if not uri:
        figures["milvus"]["mb"] = round(_size(Path(file)) / 1e6, 1)
    figures["all"] = _compared(faiss, milvus, asked, None)
    rng = np.random.default_rng(2)
    for share in SHARES:
        count = int(share * size)
        drawn = np.sort(rng.choice(faiss.ids(), count, replace=False))
        in_a_row = faiss.ids()[size // 3 : size // 3 + count]
        figures[f"{share:.0%} drawn"] = _compared(faiss, milvus, asked, drawn)
        figures[f"{share:.0%} in a row"] = _compared(faiss, milvus, asked, in_a_row)
    catalog.close()
    return figures


def _published(catalog: Catalog, store: VectorStore) -> tuple[VectorIndex, dict[str, Any]]:
    with catalog.view() as view:
        space = view.spaces()[0]
    began = time.perf_counter()
    with catalog.writer():
        store.publish(catalog, space, everything=True)
    written = time.perf_counter() - began
    with catalog.view() as view:
        began = time.perf_counter()
        index = store.load(view, space)
        opened = time.perf_counter() - began
        kind = published(view, space)[0].kind
    return index, {"index": kind, "publish_s": round(written, 1), "open_s": round(opened, 3)}


def _compared(
    faiss: VectorIndex, milvus: VectorIndex, asked: Vectors, ids: NDArray[np.int64] | None
) -> dict[str, Any]:
    allowed = None if ids is None else Allowed(ids)
    for index in (faiss, milvus):  # what a filter means to an index is worked out once
        index.search(asked[0], K, allowed)
    least = truth(faiss, asked, ids)
    taken: dict[str, list[float]] = {"faiss": [], "milvus": []}
    hits: dict[str, list[float]] = {"faiss": [], "milvus": []}
    for query, cut in zip(asked, least, strict=True):
        for name, index in (("faiss", faiss), ("milvus", milvus)):
            began = time.perf_counter()
            _, scores = index.search(query, K, allowed)
            taken[name].append(1000 * (time.perf_counter() - began))
            hits[name].append(float(np.mean(scores >= cut - SAME)))
    found: dict[str, Any] = {}
    for name in taken:
        found[f"{name}_ms"] = round(float(np.median(taken[name])), 2)
        found[f"{name}_recall"] = round(float(np.mean(hits[name])), 4)
    return found | {"times_slower": round(found["milvus_ms"] / found["faiss_ms"], 1)}


def _size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def main() -> None:
    """Run it by hand."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--sizes", type=int, nargs="+", default=SIZES)
    parser.add_argument("--uri", default="", help="a server; without it, a file of Milvus Lite")
    parser.add_argument("--index", nargs="+", default=INDEXES, help="FLAT, HNSW, IVF_FLAT")
    parser.add_argument("--scratch", type=Path, help="where libraries are laid, and kept")
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        scratch = arguments.scratch or Path(folder)
        found = []
        for index in arguments.index:
            for size in arguments.sizes:
                found.append(measure(scratch, size, arguments.uri, index))
                publish({"dim": DIM, "k": K, "asked": ASKED, "runs": found}, arguments.out)


if __name__ == "__main__":
    main()
