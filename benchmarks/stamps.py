"""Drawings and photos that no part of the starter model has seen: captions of Tux Paint's stamps.

    apt-get install tuxpaint-stamps-default
    python -m benchmarks.stamps [--stamps FOLDER] [--model starter] [--out FILE]

Each PNG with a text beside it has the first line of that as its caption, which asks for its picture among all PNGs.
The stamps are under the GPL, version 2, and are neither shipped nor learned from. Some 160 of them are letters, and
the starter's head learned letters too, of another font; so the others are measured by themselves too. Prints one JSON
object.
"""

import argparse
import tempfile
from pathlib import Path

from benchmarks.report import publish
from indexer import BuildOptions, EvaluationOptions, Library

STAMPS = Path("/usr/share/tuxpaint/stamps")
LETTERS = "symbols/alphabets/"


def main() -> None:
    """Measure and print."""
    arguments = _arguments()
    with tempfile.TemporaryDirectory() as scratch:
        rows = _captions(arguments.stamps)
        others = [row for row in rows if not row.startswith(LETTERS)]
        with Library.open(Path(scratch) / "library", create=True) as library:
            library.build([arguments.stamps], BuildOptions(model=arguments.model))
            result = {
                "model": arguments.model,
                "pictures": len(library.photos()),
                "all": _recall(library, rows, Path(scratch)),
                "without_letters": _recall(library, others, Path(scratch)),
            }
    publish(result, arguments.out)


def _recall(library: Library, rows: list[str], folder: Path) -> dict[str, float]:
    """How many captions ask, and how well they find their pictures among all."""
    table = folder / "captions.tsv"
    table.write_text("\n".join(["filename\tcaption", *rows]) + "\n", encoding="utf-8")
    measured = library.evaluate(EvaluationOptions(captions=table, speed=False))
    tasks = {task.name: task.figures for task in measured.spaces[0].tasks}
    figures = {name: round(each.value, 4) for name, each in tasks["text to image"].items()}
    return {"captions": len(rows), **figures}


def _captions(stamps: Path) -> list[str]:
    """A line of the table for each stamp that says what it is."""
    found = []
    for picture in sorted(stamps.rglob("*.png")):
        said = picture.with_suffix(".txt")
        if said.exists():
            caption = said.read_text(encoding="utf-8").splitlines()[0].strip()
            found.append(f"{picture.relative_to(stamps)}\t{caption}")
    return found


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
