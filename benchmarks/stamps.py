"""Drawings and photos that no part of the starter model has seen: captions of Tux Paint's stamps.

    apt-get install tuxpaint-stamps-default
    python -m benchmarks.stamps [--stamps FOLDER] [--model starter] [--out FILE]

Each PNG with a text beside it has the first line of that as its caption, which asks for its picture among all PNGs.
The stamps are under the GPL, version 2, and are neither shipped nor learned from. Prints one JSON object.
"""

import argparse
import json
import os
import platform
import sys
import tempfile
from datetime import date
from pathlib import Path

from indexer import BuildOptions, EvaluationOptions, Library

STAMPS = Path("/usr/share/tuxpaint/stamps")


def main() -> None:
    """Measure and print."""
    arguments = _arguments()
    with tempfile.TemporaryDirectory() as scratch:
        table = Path(scratch) / "captions.tsv"
        rows = _captions(arguments.stamps)
        table.write_text("\n".join(["filename\tcaption", *rows]) + "\n", encoding="utf-8")
        with Library.open(Path(scratch) / "library", create=True) as library:
            library.build([arguments.stamps], BuildOptions(model=arguments.model))
            measured = library.evaluate(EvaluationOptions(captions=table, speed=False))
            tasks = {task.name: task.figures for task in measured.spaces[0].tasks}
            result = {
                "model": arguments.model,
                "pictures": len(library.photos()),
                "captions": len(rows),
                **{
                    f"caption_{name}": round(figure.value, 4)
                    for name, figure in tasks["text to image"].items()
                },
                "command": " ".join(["python -m benchmarks.stamps", *map(_shown, sys.argv[1:])]),
                "machine": f"{platform.machine()}, {os.cpu_count()} cores, no accelerator used",
                "date": date.today().isoformat(),
            }
    text = json.dumps(result, indent=2)
    print(text)
    if arguments.out:
        arguments.out.write_text(text + "\n")


def _captions(stamps: Path) -> list[str]:
    """A line of the table for each stamp that says what it is."""
    found = []
    for picture in sorted(stamps.rglob("*.png")):
        said = picture.with_suffix(".txt")
        if said.exists():
            caption = said.read_text(encoding="utf-8").splitlines()[0].strip()
            found.append(f"{picture.relative_to(stamps)}\t{caption}")
    return found


def _shown(argument: str) -> str:
    return Path(argument).name if os.sep in argument else argument


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--stamps", type=Path, default=STAMPS)
    parser.add_argument("--model", default="starter")
    parser.add_argument("--out", type=Path)
    return parser.parse_args()


if __name__ == "__main__":
    main()
