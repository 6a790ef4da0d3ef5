"""How long a large library takes to find that nothing has changed, and to take in one new photo.

    python -m benchmarks.updating FOLDER [--photos 100000] [--pictures examples/photos] [--runs 5]

Times whole commands over the library that `benchmarks.large` makes in FOLDER: a build in which every file is as it
was, with the number of times that it asks for each file's status; and one after a new photo was put there, which a
search finds afterwards. Prints one JSON object, and writes it to --out.
"""

import argparse
import random
import shutil
import statistics
from pathlib import Path

from PIL import Image

from benchmarks.commands import glimpse, seconds, stats_of_files
from benchmarks.large import make_library
from benchmarks.report import publish
from indexer import Filter, Library, Query


def main() -> None:
    """Measure and print."""
    arguments = _arguments()
    library = make_library(arguments.folder, arguments.photos, arguments.pictures)
    build = glimpse("build", "--library", library)
    seconds(build)  # so that files and catalog are in memory
    unchanged = [seconds(build) for _ in range(arguments.runs)]
    asked = stats_of_files(build) if shutil.which("strace") else None
    new = [_one_new(arguments.folder / "photos", library, run) for run in range(arguments.runs)]
    seconds(build)  # the new ones are gone again
    with Library.open(library) as opened:
        count = opened.count()
    publish(
        {
            "photos": count,
            "unchanged_s": round(statistics.median(unchanged), 2),
            "unchanged_s_of_each_run": [round(each, 2) for each in unchanged],
            "most_stats_of_one_file": max(asked.values()) if asked else None,
            "files_asked_for": len(asked) if asked else None,
            "one_new_s": round(statistics.median(new), 2),
            "one_new_s_of_each_run": [round(each, 2) for each in new],
        },
        arguments.out,
    )


def _one_new(root: Path, library: Path, run: int) -> float:
    """Seconds of a build that takes in one new photo, found afterwards; the photo goes again."""
    path = root / "00042" / f"new-{run}.jpg"
    noise = random.Random(run).randbytes(3 * 30 * 20)
    Image.frombytes("RGB", (30, 20), noise).resize((1200, 800), Image.Resampling.BICUBIC).save(path)
    took = seconds(glimpse("build", "--library", library))
    with Library.open(library) as opened:
        (hit,) = opened.search(
            Query.image(path), 1, where=Filter(path=path.name), include_self=True
        )
        assert hit.path == path, "it was not found"
    path.unlink()
    return took


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("--photos", type=int, default=100_000)
    parser.add_argument("--pictures", type=Path, default=Path("examples/photos"))
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--out", type=Path)
    return parser.parse_args()


if __name__ == "__main__":
    main()
