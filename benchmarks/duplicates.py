"""Duplicates among photos: how many copies are found, and how many pairs that are no copies are called so.

    python -m benchmarks.duplicates PHOTOS [--frames FOLDER] [--out FILE]

Of the folder's photos, in order of their names, every fifth has copies and frames made (benchmarks/copies.py), up to
--originals; all others are there as they are. FOLDER holds further pictures none of which is a copy of another, such
as frames of a film half a second apart. The settings were chosen with `--offset 2`, on other photos than those that
are measured by default. Prints one JSON object, and writes it to --out.

recall: of the copies, those in one group with their original. precision: of the photos called a copy of the first of
their group, those that are; precision_of_pairs: the same of all pairs in a group, in which large groups weigh more.
called_copies: of the frames and other photos, those that stand in a group, each of which is wrong.
"""

import argparse
import random
import shutil
import sys
import tempfile
import time
from collections import Counter
from itertools import combinations
from pathlib import Path
from typing import Any

from benchmarks.copies import COPIES, encoded, frames
from benchmarks.report import publish
from indexer import BuildOptions, DuplicateGroup, Library, Photo
from indexer.pictures.decoding import load_picture

EVERY = 5


def main() -> None:
    """Measure and print."""
    arguments = _arguments()
    with tempfile.TemporaryDirectory() as scratch:
        pictures = Path(scratch).resolve() / "pictures"
        made = make(arguments, pictures)
        with Library.open(Path(scratch) / "library", create=True) as library:
            library.build([pictures], BuildOptions(model=arguments.model), notify=_note)
            _note("built")
            began = time.perf_counter()
            groups = library.duplicates()
            seconds = time.perf_counter() - began
            photos = len(library.photos())
        measured = quality(groups, pictures)
    result = {"photos": photos, **made, **measured, "seconds": round(seconds, 1)}
    publish({**result, "model": arguments.model}, arguments.out)


def make(arguments: argparse.Namespace, into: Path) -> dict[str, int]:
    """Fill a folder: `A/…` for each original and its copies, `other/…` for the rest; how many of each."""
    photos = sorted(path for path in arguments.photos.rglob("*") if path.is_file())
    originals = photos[arguments.offset :: EVERY][: arguments.originals]
    others = [path for path in photos if path not in originals]
    if arguments.frames:
        others += sorted(path for path in arguments.frames.iterdir() if path.is_file())
    (into / "other").mkdir(parents=True)
    for number, path in enumerate(others):
        shutil.copyfile(path, into / "other" / f"{number:04}{path.suffix.lower()}")
    count = 0
    for number, path in enumerate(originals):
        folder = into / f"{number:04}"
        folder.mkdir()
        shutil.copyfile(path, folder / f"original{path.suffix.lower()}")
        count += _derive(path, folder, into / "other", number)
    return {
        "originals": len(originals),
        "copies": len(originals) * len(COPIES),
        "frames_made": count,
        "others": len(others),
    }


def _derive(path: Path, folder: Path, apart: Path, seed: int) -> int:
    """Write the copies of a photo, and its frames; how many frames."""
    chance = random.Random(seed)
    image = load_picture(path)
    for name, (change, format, quality) in COPIES.items():
        data = encoded(change(image, chance), format, quality)
        (folder / f"{name}.{format.lower()}").write_bytes(data)
    count = 0
    for count, frame in enumerate(frames(image, chance), 1):
        (apart / f"frame-{seed:04}-{count}.jpeg").write_bytes(encoded(frame, "JPEG"))
    return count


def quality(groups: list[DuplicateGroup], pictures: Path) -> dict[str, Any]:
    """Recall, overall and by kind of copy, and precision."""
    group_of = {photo.path: number for number, group in enumerate(groups) for photo in group.photos}
    found: Counter[str] = Counter()
    total: Counter[str] = Counter()
    for original in pictures.glob("*/original.*"):
        for copy in sorted(original.parent.iterdir()):
            if copy != original:
                total[copy.stem] += 1
                found[copy.stem] += group_of.get(copy, -1) == group_of.get(original, -2)
    pairs = [pair for group in groups for pair in combinations(group.photos, 2)]
    others = {p.path for group in groups for p in group.photos if p.path.parent.name == "other"}
    return {
        "recall": round(found.total() / total.total(), 4),
        "precision": _share_right(_called_copies(groups)),
        "precision_of_pairs": _share_right(pairs),
        "called_copies": len(others),
        "recall_by_copy": {name: round(found[name] / total[name], 3) for name in COPIES},
    }


def _called_copies(groups: list[DuplicateGroup]) -> list[tuple[Photo, Photo]]:
    """The first of each group with each of the others."""
    return [(group.photos[0], copy) for group in groups for copy in group.photos[1:]]


def _share_right(pairs: list[tuple[Photo, Photo]]) -> float:
    """Of the pairs, those that show the same photo."""
    right = 0
    for a, b in pairs:
        folders = a.path.parent, b.path.parent
        same = a.sha256 == b.sha256 or (folders[0] == folders[1] and folders[0].name != "other")
        right += same
        if not same:
            names = [f"{p.path.parent.name}/{p.path.name}" for p in (a, b)]
            _note(f"called the same: {', '.join(names)}")
    return round(right / max(1, len(pairs)), 4)


def _note(line: str) -> None:
    print(line, file=sys.stderr)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("photos", type=Path)
    parser.add_argument("--frames", type=Path)
    parser.add_argument("--originals", type=int, default=100)
    parser.add_argument("--offset", type=int, default=0, choices=range(EVERY))
    parser.add_argument("--model", default="starter")
    parser.add_argument("--out", type=Path)
    return parser.parse_args()


if __name__ == "__main__":
    main()
