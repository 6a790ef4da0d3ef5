"""Libraries of vectors alone, made up, and what asking them costs; for the benchmarks of search and of growth."""

import threading
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TypeVar

import faiss
import numpy as np
from numpy.typing import NDArray

from benchmarks.large import clustered
from storage import snapshots
from storage.catalog import Catalog
from storage.records import VECTOR_DTYPE, SpaceRecord
from storage.vectors import Allowed, VectorIndex

__all__ = [
    "latency_ms",
    "load",
    "make_vectors",
    "memory_mb",
    "queries",
    "recall",
    "throughput",
    "truth",
]

Vectors = NDArray[np.float32]
Ids = NDArray[np.int64]
Asked = TypeVar("Asked")

AT_ONCE = 20_000
CENTRES = 80
NOISE = 0.3
"""How far a query lies from a vector of the library, in lengths of a vector: nearer than its neighbours do."""
K = 10


def make_vectors(folder: Path, count: int, dim: int) -> Path:
    """A library whose catalog has so many vectors (made up, in scenes of 20) and no photos; what is there is kept."""
    catalog = Catalog.open(folder, create=True)
    centres = _unit(np.random.default_rng(0).standard_normal((CENTRES, dim)).astype(np.float32))
    with catalog.writer():
        with catalog.batch() as batch:
            if not batch.spaces():
                batch.add_space("made-up", "made-up", "0" * 64, dim, False)
            space = batch.spaces()[0]
        with catalog.view() as view:
            there = view.connection.exec_driver_sql("SELECT max(id) FROM contents").scalar() or 0
        for start in range(there, count, AT_ONCE):
            _add(catalog, space, clustered(centres, min(AT_ONCE, count - start), start), start + 1)
    catalog.close()
    return folder


def _add(catalog: Catalog, space: SpaceRecord, vectors: Vectors, first: int) -> None:
    ids = range(first, first + len(vectors))
    blobs = vectors.astype(VECTOR_DTYPE)
    with catalog.batch() as batch:
        batch.connection.exec_driver_sql(
            "INSERT INTO contents (id, sha256, size, width, height, format) VALUES (?, ?, 1, 1, 1, 'JPEG')",
            [(id, b"%032d" % id) for id in ids],
        )
        batch.connection.exec_driver_sql(
            "INSERT INTO embeddings (space_id, content_id, vector, change_seq) VALUES (?, ?, ?, ?)",
            [(space.id, id, row.tobytes(), batch.seq) for id, row in zip(ids, blobs, strict=True)],
        )


def load(catalog: Catalog) -> VectorIndex:
    """The vectors of the library's first space."""
    with catalog.view() as view:
        return snapshots.load(view, catalog.folder, view.spaces()[0])


def queries(index: VectorIndex, count: int) -> Vectors:
    """Vectors (count, dim) near some of the library's, which the library does not have."""
    rng = np.random.default_rng(1)
    near = index.vectors(np.sort(rng.choice(index.ids(), count, replace=False)))
    return _unit(near + rng.standard_normal(near.shape, np.float32) * NOISE / index.dim**0.5)


def truth(index: VectorIndex, asked: Vectors, allowed: Ids | None = None) -> Vectors:
    """The cosine (m,) of the K-th nearest to each query, by FAISS over float32."""
    best = faiss.ResultHeap(len(asked), K, keep_max=True)
    for part in _parts(index.ids() if allowed is None else allowed):
        cosines, rows = faiss.knn(asked, index.vectors(part), K, faiss.METRIC_INNER_PRODUCT)
        best.add_result(cosines, rows)
    best.finalize()
    return np.asarray(best.D[:, -1], np.float32)


def recall(
    index: VectorIndex, asked: Vectors, least: Vectors, allowed: Allowed | None = None
) -> float:
    """The share of the K nearest that the index finds."""
    found = [index.search(query, K, allowed)[1] for query in asked]
    hits = [np.mean(row >= cut - 1e-6) for row, cut in zip(found, least, strict=True)]
    return round(float(np.mean(hits)), 4)


def latency_ms(ask: Callable[[Asked], object], asked: Iterable[Asked]) -> dict[str, float]:
    """Median and 95th percentile over the queries, one after another."""
    taken = []
    for query in asked:
        began = time.perf_counter()
        ask(query)
        taken.append(1000 * (time.perf_counter() - began))
    p50, p95 = np.percentile(taken, (50, 95))
    return {"p50_ms": round(float(p50), 3), "p95_ms": round(float(p95), 3)}


def throughput(ask: Callable[[int], object], threads: int, seconds: float = 4.0) -> float:
    """Questions a second from so many threads; `ask` gets a number of its own each time."""
    counts = [0] * threads
    end = time.perf_counter() + seconds

    def run(thread: int) -> None:
        while time.perf_counter() < end:
            ask(thread + threads * counts[thread])
            counts[thread] += 1

    began = time.perf_counter()
    workers = [threading.Thread(target=run, args=(n,)) for n in range(threads)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    return round(sum(counts) / (time.perf_counter() - began), 1)


def memory_mb() -> dict[str, int]:
    """What this process holds: all of it, and the part that is mapped from files, which the system may take back."""
    lines = Path("/proc/self/status").read_text().splitlines()
    kb = {line.split(":")[0]: int(line.split()[1]) for line in lines if line.endswith(" kB")}
    return {"resident_mb": kb["VmRSS"] // 1024, "of_it_mapped_mb": kb["RssFile"] // 1024}


def _parts(ids: Ids) -> Iterator[Ids]:
    for start in range(0, len(ids), AT_ONCE):
        yield ids[start : start + AT_ONCE]


def _unit(rows: Vectors) -> Vectors:
    return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True), np.float32)
