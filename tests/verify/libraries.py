"""A library as it is, as it answers, and as `verify` finds it."""

import io
import math
import sqlite3
from contextlib import closing
from hashlib import sha256
from pathlib import Path
from typing import Any

from PIL import Image

from indexer import Config, Library, VerifyReport
from storage import snapshots
from storage.catalog import Catalog
from storage.homes import CATALOG
from tests.conftest import RGB

__all__ = ["answers", "look", "publish", "tree", "truth", "verify"]


TRUTH = ("roots", "photos", "contents", "spaces", "embeddings", "tags")


def publish(folder: Path) -> None:
    """All vectors, few as they are, as one snapshot."""
    catalog = Catalog.open(folder)
    with catalog.view() as view:
        spaces = view.spaces()
    with catalog.writer():
        for space in spaces:
            snapshots.publish(catalog, space, everything=True)
    catalog.close()


def tree(folder: Path) -> dict[str, str]:
    """Every file with its hash; all but SQLite's scratch files, and the note of which process wrote last."""
    return {
        str(path.relative_to(folder)): sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and not path.name.endswith(("-shm", "writer.pid"))
    }


def truth(folder: Path) -> dict[str, list[Any]]:
    with closing(sqlite3.connect(folder / CATALOG)) as database:
        return {name: database.execute(f"SELECT * FROM {name}").fetchall() for name in TRUTH}


def answers(folder: Path) -> list[object]:
    """What the library answers, through every kind of derived file."""
    with Library.open(folder, config=Config()) as library:
        photos = library.photos()
        found = [library.search("red"), library.neighbors(photos[0].id)]
        return [
            *([(hit.path, f"{hit.score:.5f}") for hit in answer] for answer in found),
            library.vectors()[1].tobytes(),
            [look(library.thumbnail(photo.id, edge)) for photo in photos for edge in (320, 640)],
            library.map().points.round(5).tolist(),
            library.all_tags(),
        ]


def look(thumbnail: bytes) -> tuple[int, str, bool]:
    """Its edge, the name of its colour, and whether it is that colour."""
    with Image.open(io.BytesIO(thumbnail)) as image:
        pixel = image.getpixel((5, 5))
        assert isinstance(pixel, tuple)
        apart = {name: math.dist(pixel, colour) for name, colour in RGB.items()}
        return max(image.size), min(apart, key=lambda name: apart[name]), min(apart.values()) < 8


def verify(folder: Path, *, dry_run: bool = False) -> VerifyReport:
    with Library.open(folder, deferred=True, config=Config()) as library:
        return library.verify(dry_run=dry_run)
