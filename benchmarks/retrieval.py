"""Retrieval on pictures with known answers: recall@k of captions, mean average precision of categories.

    python -m benchmarks.retrieval PHOTOS CAPTIONS.tsv CATEGORIES.json [--model starter] [--library DIR]

CAPTIONS.tsv has the columns `filename` and `caption`; a caption asks for its own file. CATEGORIES.json maps a
query to the names of all files that answer it. Prints one JSON object, and writes it to --out.
"""

import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.report import over_photos, publish
from indexer import BuildOptions, EvaluationOptions, Library, Query
from indexer.annotations import read_captions

K = (1, 5, 10)


def main() -> None:
    """Measure and print."""
    arguments = over_photos(__doc__, "captions", "categories").parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = arguments.library or Path(scratch) / "library"
        with Library.open(folder, create=True) as library:
            report = library.build(
                [arguments.photos],
                BuildOptions(model=arguments.model),
                notify=lambda line: print(line, file=sys.stderr),
            )
            result = {
                "photos": len(library.photos()),
                "model": arguments.model,
                "embedded": report.embedded,
                "images_per_s": round(report.embedded / report.seconds, 1),
                "unchanged_build_s": _second_build(arguments.photos, folder),
                **quality(library, arguments.captions, arguments.categories),
                "ms_per_query_with_all_results": ms_with_all_results(library, arguments.captions),
            }
    publish(result, arguments.out)


def quality(library: Library, captions: Path, categories: Path) -> dict[str, float]:
    """Recall@k of captions for their photos, and how well categories are answered; `glimpse eval` defines them."""
    options = EvaluationOptions(captions=captions, categories=categories, speed=False)
    tasks = {task.name: task.figures for task in library.evaluate(options).spaces[0].tasks}
    found = {f"caption_R@{k}": tasks["text to image"][f"recall@{k}"].value for k in K}
    found["category_mAP"] = tasks["categories"]["mAP"].value
    found["category_P@10"] = tasks["categories"]["precision@10"].value
    found["category_capped_P@10"] = tasks["categories"]["capped precision@10"].value
    return {name: round(value, 4) for name, value in found.items()}


def ms_with_all_results(library: Library, captions: Path) -> float:
    """Milliseconds of a search that names every photo, on average over the captions."""
    texts = [caption for _, caption in read_captions(captions)]
    began = time.perf_counter()
    for text in texts:
        library.search(Query.text(text), k=1_000_000)
    return round(1000 * (time.perf_counter() - began) / len(texts), 1)


def _second_build(photos: Path, library: Path) -> float:
    """Seconds of the whole command over photos that have not changed."""
    began = time.perf_counter()
    command: list[str | Path] = [sys.executable, "-m", "indexer", "build", photos]
    command += ["--library", library]
    subprocess.run(command, check=True, capture_output=True)
    return round(time.perf_counter() - began, 2)


if __name__ == "__main__":
    main()
