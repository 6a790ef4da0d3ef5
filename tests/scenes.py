"""A library that is about to change: how it was, what is to be done to it, and what it holds."""

import os
import shutil
import sqlite3
import sys
from contextlib import closing
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from random import Random
from typing import Any

from PIL import Image

from benchmarks.mortal import BATCH, Mortal, Tell, Work, building, removing
from indexer.cli import main
from indexer.cli.interrupting import leave, on_interruption
from storage.catalog import Catalog
from storage.homes import CATALOG
from storage.sqlite import backups

__all__ = ["Scene", "opening", "typed"]

CONTENTS = {
    "photos": "SELECT roots.path, folder, name, state, photos.size, sha256, reason, "
    "CASE WHEN photos.id <= :known THEN photos.id END FROM photos "
    "JOIN roots ON roots.id = root_id LEFT JOIN contents ON contents.id = content_id",
    "vectors": "SELECT sha256, vector, reason FROM embeddings JOIN contents ON id = content_id",
    "contents": "SELECT sha256, width, phash, orphaned_at IS NULL FROM contents",
    "spaces": "SELECT id, name, fingerprint FROM spaces",
    "meta": "SELECT key, value FROM meta WHERE key NOT LIKE 'change_%' AND value <> ''",
}


def opening(tell: Tell, library: Path) -> None:
    """Open the catalog, which brings its schema up to date."""
    Catalog.open(library).close()


def typed(tell: Tell, *arguments: str | Path) -> None:
    """The command `glimpse`, as a shell runs it."""
    sys.argv = ["glimpse", *map(str, arguments)]
    on_interruption(leave)  # first of all, as `main` does: what is told may bring a signal at once
    tell("typed", 0)
    main()


@dataclass
class Scene:
    """Two folders of pictures in `folder`, and a library of them with two snapshots, before some changes."""

    folder: Path
    template: Path
    drawn: Random = field(default_factory=lambda: Random(1))

    def __post_init__(self) -> None:
        self.library = self.folder / "library"
        self.photos, self.shelf = self.folder / "photos", self.folder / "shelf"
        self.log = self.folder / "log"
        shutil.copytree(self.template, self.library)
        self.add(self.photos, 30)
        self.add(self.shelf, 6)
        self._build()
        self.add(self.shelf, 4)
        self.add(self.photos, BATCH)
        self._build()
        shutil.copytree(self.library, self.folder / "saved")
        self.known = self._ask("SELECT max(id) FROM photos")[0][0]
        self._change()

    def restore(self) -> None:
        """The library as it was; a copy of its catalog is due."""
        shutil.rmtree(self.library)
        shutil.copytree(self.folder / "saved", self.library)
        for copy in backups.backups(self.library / CATALOG):
            os.utime(copy, (0, 0))

    def work(self, verb: str) -> tuple[Work, Path, Path]:
        """What is done to the library, as a `Mortal` takes it."""
        if verb == "build":
            return building, self.library, self.photos
        return removing, self.library, self.shelf

    def command(self, verb: str) -> tuple[Work, *tuple[str | Path, ...]]:
        """The same as one who types it does it."""
        settings = self.folder / "settings.toml"
        settings.write_text(
            f"[library]\nkeep_removed_days = 0\n[build]\nbatch_size = {BATCH}\ndecode_workers = 1\n"
            "[runtime]\nprecision = 'full'\n"
        )
        _, library, folder = self.work(verb)
        return typed, verb, folder, "--yes", "--library", library, "--config", settings

    @cached_property
    def undisturbed(self) -> dict[str, tuple[dict[str, Any], int]]:
        """What the library holds after each work, and how many pictures a model has seen."""
        return {verb: self._undisturbed(verb) for verb in ("build", "remove")} | {
            "build after remove": self._undisturbed("remove", "build")
        }

    def contents(self) -> dict[str, list[Any]]:
        """What is known, apart from times, and from numbers that were not known before."""
        return {name: sorted(self._ask(query), key=repr) for name, query in CONTENTS.items()}

    def _undisturbed(self, *verbs: str) -> tuple[dict[str, Any], int]:
        self.restore()
        seen = 0
        for verb in verbs:
            with Mortal(*self.work(verb)) as mortal:
                assert mortal.end() == 0, mortal.complaint
            seen += mortal.count("model")
        return self.contents(), seen

    def _ask(self, query: str) -> list[Any]:
        with closing(sqlite3.connect(self.library / CATALOG)) as database:
            parameters = {"known": self.known} if ":known" in query else {}
            return database.execute(query, parameters).fetchall()

    def _build(self) -> None:
        with Mortal(building, self.library, self.photos, self.shelf) as mortal:
            assert mortal.end() == 0, mortal.complaint

    def _change(self) -> None:
        first, second, third, fourth, *_ = sorted(self.photos.iterdir())
        first.unlink()
        second.rename(self.photos / "renamed.png")
        shutil.copy(third, self.photos / "copy.png")
        self._picture(fourth)
        (self.photos / "broken.png").write_text("no picture")
        self.add(self.photos, BATCH + 2)

    def add(self, folder: Path, count: int) -> None:
        """Put new pictures into a folder."""
        folder.mkdir(exist_ok=True)
        for _ in range(count):
            self._picture(folder / f"{self.drawn.random()}.png")

    def _picture(self, path: Path) -> None:
        colour = tuple(self.drawn.randrange(1, 256) for _ in range(3))
        Image.new("RGB", (24, 24), colour).save(path)
