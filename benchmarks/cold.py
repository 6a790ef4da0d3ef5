"""How long one search takes as a command of its own, over a large library: nothing is loaded before.

    python -m benchmarks.cold FOLDER [--photos 100000] [--pictures examples/photos] [--runs 9]
        [--rclip ENVIRONMENT --rclip-data DIR]

Times `glimpse search "a dog"` over the library that `benchmarks.large` makes in FOLDER, and names the heavy packages
that it imports. With --rclip, the root of an environment of its own, `rclip --no-indexing "a dog"` takes turns with
it over the same files; DIR holds its networks, as RCLIP_DATADIR does, and gets a database of vectors that are made
up. Prints one JSON object, and writes it to --out.
"""

import argparse
import os
import statistics
import subprocess
import sys
from pathlib import Path

from benchmarks.commands import glimpse, seconds
from benchmarks.large import make_library
from benchmarks.report import publish

WORDS = "a dog"
HEAVY = (
    "torch",
    "timm",
    "open_clip",
    "transformers",
    "sklearn",
    "umap",
    "streamlit",
    "rich",
    "PIL",
)
FILL = """
import os, sys
import numpy as np
from rclip.db import DB
database = DB(sys.argv[1])
rng = np.random.default_rng(0)
for path in sys.stdin.read().splitlines():
    status, vector = os.stat(path), rng.standard_normal(512, np.float32)
    image = dict(filepath=path, modified_at=status.st_mtime, size=status.st_size, hash=path)
    database.upsert_image({**image, "vector": (vector / np.linalg.norm(vector)).tobytes()}, commit=False)
database.close()
"""
LOADED = """
import json, sys
from indexer.cli import program
arguments = sys.argv[1:]
program(arguments)(arguments, standalone_mode=False)
sys.stderr.write(" ".join({name.partition(".")[0] for name in sys.modules}))
"""


def main() -> None:
    """Measure and print."""
    arguments = _arguments()
    library = make_library(arguments.folder, arguments.photos, arguments.pictures)
    search = glimpse("search", WORDS, "--library", library)
    took = {"glimpse": [], "rclip": []}  # type: dict[str, list[float]]
    rclip, options = _rclip(arguments) if arguments.rclip else (None, {})
    for run in range(arguments.runs + 1):
        for name, command, how in (("glimpse", search, {}), ("rclip", rclip, options)):
            if command:
                each = seconds(command, **how)
                took[name] += [each] if run else []  # the first brings the files into memory
    figures = {
        f"{name}_s": {
            "median": round(statistics.median(each), 2),
            "least": round(min(each), 2),
            "most": round(max(each), 2),
        }
        for name, each in took.items()
        if each
    }
    publish(
        {"photos": arguments.photos, **figures, "heavy_packages_imported": _heavy(library)},
        arguments.out,
    )


def _heavy(library: Path) -> list[str]:
    """Which of the packages that take long to load the command loads."""
    command = [sys.executable, "-c", LOADED, "search", WORDS, "--library", str(library)]
    ran = subprocess.run(command, check=True, capture_output=True, text=True)
    return sorted(set(HEAVY) & set(ran.stderr.split()))


def _rclip(arguments: argparse.Namespace) -> tuple[list[str], dict[str, object]]:
    """Its command, and how to run it, over a database of all the files."""
    photos = (arguments.folder / "photos").resolve()
    database = arguments.rclip_data / "db.sqlite3"
    if not database.exists():
        paths = "\n".join(map(str, sorted(photos.rglob("*.jpg"))))
        python = arguments.rclip / "bin" / "python"
        subprocess.run([python, "-c", FILL, database], input=paths, text=True, check=True)
    environment = {**os.environ, "RCLIP_DATADIR": str(arguments.rclip_data)}
    environment.pop("PYTHONPATH", None)
    command = [str(arguments.rclip / "bin" / "rclip"), "--no-indexing", WORDS]
    return command, {"cwd": photos, "env": environment}


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("--photos", type=int, default=100_000)
    parser.add_argument("--pictures", type=Path, default=Path("examples/photos"))
    parser.add_argument("--runs", type=int, default=9)
    parser.add_argument("--rclip", type=Path, metavar="ENVIRONMENT")
    parser.add_argument("--rclip-data", type=Path, metavar="DIR")
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    if arguments.rclip and not arguments.rclip_data:
        parser.error("--rclip needs --rclip-data DIR, with rclip's networks")
    return arguments


if __name__ == "__main__":
    main()
