"""How well the map of a library keeps what is alike together, and how well its clusters fit known categories.

    python -m benchmarks.atlas PHOTOS CATEGORIES.json [--model starter] [--library DIR] [--many 20000]

CATEGORIES.json maps a category to the names of its files. Trustworthiness is scikit-learn's; "neighbours kept" is the
share of a photo's ten nearest by vectors that are among its ten nearest on the map. Also measured: that many vectors
drawn around 60 centres. Prints one JSON object, and writes it to --out.
"""

import argparse
import json
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.manifold import trustworthiness
from sklearn.metrics import adjusted_mutual_info_score
from sklearn.neighbors import NearestNeighbors

from benchmarks.report import over_photos, publish
from indexer import AtlasOptions, BuildOptions, Library, PhotoMap
from indexer.atlas.drawing import draw
from storage.vectors import exact_search, in_memory

K = 10
JUDGED = 3000
"""Photos at most by which the layout is judged: the measure grows with the square."""
CENTRES, DIM, SPREAD = 60, 384, 1.2

Floats = NDArray[np.float32]


def main() -> None:
    """Measure and print."""
    arguments = _arguments()
    with tempfile.TemporaryDirectory() as scratch:
        folder = arguments.library or Path(scratch) / "library"
        with Library.open(folder, create=True) as library:
            options = BuildOptions(model=arguments.model)
            library.build(
                [arguments.photos], options, notify=lambda line: print(line, file=sys.stderr)
            )
            result = of_library(library, json.loads(arguments.categories.read_text()))
    publish(
        {"model": arguments.model, **result, "synthetic": of_synthetic(arguments.many)},
        arguments.out,
    )


def of_library(library: Library, categories: Mapping[str, list[str]]) -> dict[str, Any]:
    """The map of a library: by its vectors, and by the categories of its photos."""
    # The first map of a process compiles; another seed's is drawn anew, compiled already.
    _, first = _timed(lambda: library.map(options=AtlasOptions(seed=1)))
    found, again = _timed(lambda: library.map(labels=list(categories)))
    _, kept = _timed(lambda: library.map(labels=list(categories)))
    _, vectors = library.vectors()
    return {
        "photos": len(found.ids),
        "first_in_process_s": first,
        "seconds": again,
        "kept_s": kept,
        **layout_quality(vectors, found.points),
        **cluster_quality(library, found, categories),
    }


def layout_quality(vectors: Floats, points: Floats) -> dict[str, float]:
    """Trustworthiness at K, and the share of the K nearest neighbours that the map keeps."""
    rows = np.sort(np.random.default_rng(0).permutation(len(vectors))[:JUDGED])
    by_vectors = exact_search(vectors, vectors[rows], K + 1)[1]
    nearest = NearestNeighbors(n_neighbors=K + 1).fit(points)
    by_points = nearest.kneighbors(points[rows], return_distance=False)
    pairs = zip(rows.tolist(), by_vectors.tolist(), by_points.tolist(), strict=True)
    kept = [len((set(a) & set(b)) - {row}) / K for row, a, b in pairs]
    trust = trustworthiness(vectors[rows], points[rows], n_neighbors=K, metric="cosine")
    return {f"trustworthiness@{K}": _round(trust), f"neighbours_kept@{K}": _round(np.mean(kept))}


def cluster_quality(
    library: Library, found: PhotoMap, categories: Mapping[str, list[str]]
) -> dict[str, Any]:
    """Clusters against categories, over the photos that have one; of several the smallest counts."""
    ordered = sorted(categories.items(), key=lambda item: -len(item[1]))
    of_file = {name: category for category, names in ordered for name in names}
    known = {photo.id: of_file.get(photo.path.name) for photo in library.photos()}
    pairs = [
        (category, int(cluster))
        for id, cluster in zip(found.ids.tolist(), found.cluster, strict=True)
        if (category := known[id]) is not None
    ]
    truth, clusters = [pair[0] for pair in pairs], [pair[1] for pair in pairs]
    inside = Counter(pair for pair in pairs if pair[1] >= 0)
    best = {number: max(n for (_, c), n in inside.items() if c == number) for _, number in inside}
    return {
        "clusters": len(found.clusters),
        "in_no_cluster": _round(np.mean(found.cluster < 0)),
        "photos_with_a_category": len(pairs),
        "purity": _round(sum(best.values()) / max(sum(inside.values()), 1)),
        "adjusted_mutual_information": _round(adjusted_mutual_info_score(truth, clusters)),
        "names": {cluster.name: cluster.count for cluster in found.clusters},
    }


def of_synthetic(count: int) -> dict[str, Any]:
    """The same for vectors drawn around centres, as many as a large library has."""
    rng = np.random.default_rng(0)
    centre = rng.integers(CENTRES, size=count)
    vectors = rng.standard_normal((CENTRES, DIM))[centre]
    vectors += SPREAD * rng.standard_normal((count, DIM))
    unit = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
    index = in_memory(np.arange(count), unit)
    layout, seconds = _timed(lambda: draw(index))
    return {
        "vectors": count,
        "seconds": seconds,
        **layout_quality(unit, layout.points),
        "clusters": int(layout.cluster.max() + 1),
        "adjusted_mutual_information": _round(adjusted_mutual_info_score(centre, layout.cluster)),
    }


def _timed(action: Any) -> tuple[Any, float]:
    began = time.perf_counter()
    return action(), round(time.perf_counter() - began, 2)


def _round(value: Any) -> float:
    return round(float(value), 4)


def _arguments() -> argparse.Namespace:
    parser = over_photos(__doc__, "categories")
    parser.add_argument("--many", type=int, default=20_000, help="synthetic vectors")
    return parser.parse_args()


if __name__ == "__main__":
    main()
