"""What the library's index loses against exact search, and how long things take on this machine."""

import time
from collections.abc import Sequence
from itertools import cycle, islice
from typing import TYPE_CHECKING

import numpy as np

from indexer.embedders.base import Embedder
from indexer.evaluation.compare import Measurement, Sample
from indexer.evaluation.ranking import Vectors, rankings
from indexer.progress import Watch
from indexer.query import Query

if TYPE_CHECKING:
    from indexer.library import Library

__all__ = ["TEXTS", "index_recall", "speed"]

K = 10
TEXTS = ("a dog", "people at a table", "the sea at sunset", "a red car", "snow on a mountain")
"""Asked where the user gave no words."""
TIMED_QUERIES = 100
WARM_UP = 3
BATCH = 32
TIMED_S = 2.0


def index_recall(
    library: "Library", space: str, kind: str, queries: Sequence[Query], rows: Vectors, watch: Watch
) -> Measurement:
    """Recall@10 of the library's own search against exact search, for queries with vectors (m, dim).

    A photo counts as found if its cosine is as high as the tenth of the exact ones, so ties cost nothing.
    """
    ids, vectors = library.vectors(space)
    found = np.empty(len(queries))
    asked = zip(rankings(rows, vectors), queries, strict=True)
    for number, (ranking, query) in enumerate(watch.over(asked, len(queries), "index")):
        _, best = ranking.first(K)
        answer = library.search(query, K, space=space, include_self=True)
        answered = np.flatnonzero(np.isin(ids, [hit.photo_id for hit in answer]))
        found[number] = np.count_nonzero(ranking.cosines(answered) >= best[-1]) / len(best)
    how = "the share of the ten nearest that the library's index finds, over all its photos"
    return Measurement(f"index {kind}", how, {"recall@10": Sample(found)})


def speed(
    library: "Library",
    space: str,
    embedder: Embedder,
    texts: Sequence[str],
    seed: int,
    watch: Watch,
) -> Measurement:
    """Milliseconds of a whole search by words, and pictures a second through the image tower."""
    plain = {"images/s": _images_per_s(embedder, seed)}
    if embedder.reads_text:
        asked = islice(cycle(texts), WARM_UP + TIMED_QUERIES)
        timed = watch.over(asked, WARM_UP + TIMED_QUERIES, "searches timed")
        taken = [_search_ms(library, space, text) for text in timed][WARM_UP:]
        p50, p95 = np.percentile(taken, (50, 95))
        plain |= {"ms/query p50": float(p50), "ms/query p95": float(p95)}
    how = f"a search by words from text to paths; the image tower in batches of {BATCH}, decoding not counted"
    return Measurement("speed", how, plain=plain)


def _search_ms(library: "Library", space: str, text: str) -> float:
    began = time.perf_counter()
    library.search(Query.text(text), space=space)
    return 1000 * (time.perf_counter() - began)


def _images_per_s(embedder: Embedder, seed: int) -> float:
    edge = embedder.preprocessing.size
    pixels = np.random.default_rng(seed).integers(0, 256, (BATCH, edge, edge, 3), np.uint8)
    embedder.embed_images(pixels[:1])  # loads the model
    began, done = time.perf_counter(), 0
    while not done or time.perf_counter() - began < TIMED_S:
        embedder.embed_images(pixels)
        done += BATCH
    return done / (time.perf_counter() - began)
