"""How many rows go into each file, and how the files of a set are numbered."""

import re
from collections.abc import Sequence
from pathlib import Path

__all__ = ["numbered", "padded", "shard_sizes"]


def shard_sizes(total: int, most: int) -> Sequence[int]:
    """Rows of each shard: all full but the last."""
    return [min(most, total - start) for start in range(0, total, most)]


def padded(number: int, of: int) -> str:
    """A shard's number, so that the files of a set are in order by name."""
    return str(number).zfill(len(str(of - 1)))


def numbered(folder: Path, pattern: str) -> dict[int, Path]:
    """The files of a folder whose whole name matches; by the number in it, ascending."""
    found = {}
    for path in folder.iterdir() if folder.is_dir() else ():
        if match := re.fullmatch(pattern, path.name):
            found[int(match[1])] = path
    return dict(sorted(found.items()))
