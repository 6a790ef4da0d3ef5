"""Retrieval on pictures with known answers: recall@k of captions, mean average precision of categories.

    python -m benchmarks.retrieval PHOTOS CAPTIONS.tsv CATEGORIES.json [--model starter] [--library DIR]

CAPTIONS.tsv has the columns `filename` and `caption`; a caption asks for its own file. CATEGORIES.json maps a
query to the names of all files that answer it. Prints one JSON object, and writes it to --out.
"""

import argparse
import csv
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from datetime import date
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from indexer import BuildOptions, Library

K = (1, 5, 10)


def main() -> None:
    """Measure and print."""
    arguments = _arguments()
    captions = _captions(arguments.captions)
    categories: dict[str, list[str]] = json.loads(arguments.categories.read_text())
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
                **caption_recall(library, captions),
                **category_precision(library, categories),
                "command": " ".join(["python -m benchmarks.retrieval", *_shown(sys.argv[1:])]),
                "machine": f"{platform.machine()}, {os.cpu_count()} cores, no accelerator used",
                "date": date.today().isoformat(),
            }
    text = json.dumps(result, indent=2)
    print(text)
    if arguments.out:
        arguments.out.write_text(text + "\n")


def caption_recall(library: Library, captions: Sequence[tuple[str, str]]) -> dict[str, float]:
    """Recall@k: the share of captions whose own photo is among the first k answers."""
    began = time.perf_counter()
    ranks = np.array([_ranking(library, words).index(name) for name, words in captions])
    seconds = time.perf_counter() - began
    recall = {f"caption_R@{k}": round(float((ranks < k).mean()), 4) for k in K}
    return {**recall, "ms_per_query_with_all_results": round(1000 * seconds / len(captions), 1)}


def category_precision(library: Library, categories: dict[str, list[str]]) -> dict[str, float]:
    """Mean average precision over the whole ranking, and precision of the first ten."""
    relevant = [np.isin(_ranking(library, words), names) for words, names in categories.items()]
    return {
        "category_mAP": round(float(np.mean([average_precision(row) for row in relevant])), 4),
        "category_P@10": round(float(np.mean([row[:10].mean() for row in relevant])), 4),
    }


def average_precision(relevant: NDArray[np.bool_]) -> float:
    """Mean of the precision at each relevant rank (Manning et al., Introduction to IR, 8.4)."""
    precision = np.cumsum(relevant) / np.arange(1, len(relevant) + 1)
    return float(precision[relevant].mean())


def _second_build(photos: Path, library: Path) -> float:
    """Seconds of the whole command over photos that have not changed."""
    began = time.perf_counter()
    command: list[str | Path] = [sys.executable, "-m", "indexer", "build", photos]
    command += ["--library", library]
    subprocess.run(command, check=True, capture_output=True)
    return round(time.perf_counter() - began, 2)


def _ranking(library: Library, words: str) -> list[str]:
    quoted = '"' + words.replace('"', " ") + '"'
    return [hit.path.name for hit in library.search(quoted, k=1_000_000)]


def _captions(path: Path) -> list[tuple[str, str]]:
    with path.open(newline="") as file:
        return [(row["filename"], row["caption"]) for row in csv.DictReader(file, delimiter="\t")]


def _shown(arguments: Sequence[str]) -> list[str]:
    """The arguments without this machine's folders."""
    return [Path(part).name if os.sep in part else part for part in arguments]


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("photos", type=Path)
    parser.add_argument("captions", type=Path)
    parser.add_argument("categories", type=Path)
    parser.add_argument("--model", default="starter")
    parser.add_argument("--library", type=Path)
    parser.add_argument("--out", type=Path)
    return parser.parse_args()


if __name__ == "__main__":
    main()
