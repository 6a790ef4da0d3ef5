"""Kill processes that write to a library, at random times, and check after each that every promise holds.

    python -m benchmarks.crash [--kills 1000] [--seed 0] [--out FILE]

A process builds a library of small pictures or forgets a folder of it. It is killed with SIGKILL at any time,
or just as it comes to a stage that was drawn; then what is left is looked at. Between kills, pictures are added,
renamed, copied and deleted. Prints one JSON object, and the same as one line; the first broken promise ends the run.
"""

import argparse
import hashlib
import os
import random
import shutil
import signal
import sqlite3
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import closing
from dataclasses import asdict, dataclass, field
from pathlib import Path

from PIL import Image

from benchmarks.mortal import BATCH, CONFIG, PLUGINS, Mortal, building, removing
from benchmarks.promises import embedded_ever, litter, promise, sound
from benchmarks.report import publish
from indexer import BuildOptions, Library
from storage.homes import CATALOG
from storage.sqlite import backups

SNAPSHOT = ("write", "read back", "rename", "record", "tidy")
WRITING = tuple(f"snapshot: {step}" for step in SNAPSHOT)
BUILDING = (
    *("looking", "model", "embedding", "keeping thumbnails", "settling", "purging"),
    *WRITING,
    "copying the catalog",
)
REMOVING = (
    *("forgetting photos", "purging", *WRITING),
    *("forgetting thumbnails", "vacuuming", "dropping copies"),
)
SECRET = "nobody is to read this"
"""In the names of all photos of the folder that is forgotten."""
NEW = 20
"""Pictures that are added between two builds."""


@dataclass
class Figures:
    """What a run saw."""

    kills: int = 0
    kills_by_stage: dict[str, int] = field(default_factory=dict)
    """What the killed process had told last."""
    finished: int = 0
    """Processes that were done before their kill came."""
    acknowledged: int = 0
    """Pictures whose batch was acknowledged before a kill; each was there afterwards."""
    unacknowledged: int = 0
    """Pictures that were committed although the kill came before their acknowledgement."""
    embedded_in_vain: int = 0
    """Pictures that a model had seen, and whose vectors a kill took."""
    litter: int = 0
    """Files that a kill left behind; none was left by the next build that was finished."""
    seconds: float = 0.0

    def __str__(self) -> str:
        return (
            f"{self.kills} kills in {len(self.kills_by_stage)} stages: {self.acknowledged} pictures acknowledged, "
            f"none lost; {self.embedded_in_vain} embedded in vain; {self.litter} files left, none for long"
        )


def survive(kills: int, seed: int, scratch: Path, pictures: int = 300) -> Figures:
    """Kill so many. Raises BrokenPromiseError with what did not hold."""
    began = time.monotonic()
    run = _Run(seed, scratch, pictures)
    try:
        while run.figures.kills < kills:
            run.kill_one()
            _say(run.figures, kills)
        run.finish()
    except AssertionError as error:
        error.add_note(f"after {run.figures.kills} kills, with the seed {seed}")
        raise
    run.figures.seconds = round(time.monotonic() - began, 1)
    return run.figures


def _say(figures: Figures, kills: int) -> None:
    if sys.stderr.isatty():
        print(f"\r{figures.kills}/{kills} kills", end="", file=sys.stderr, flush=True)


class _Run:
    def __init__(self, seed: int, scratch: Path, pictures: int) -> None:
        self.figures = Figures()
        self._random = random.Random(seed)
        self._photos, self._shelf = scratch / "photos", scratch / "shelf"
        self._library = scratch / "library"
        self._pictures = pictures
        self._made = 0
        self._longest_s = 0.4
        self._add(self._photos, 1)
        with Library.open(self._library, create=True, config=CONFIG) as library:
            library.build([self._photos], BuildOptions(model="tiny"))
        self._add(self._photos, pictures)
        self._add(self._shelf, 2 * BATCH, SECRET)

    def kill_one(self) -> None:
        """One process, one kill, one inspection, and some change for the next."""
        known, files, shelved = embedded_ever(self._library), self._hashes(), self._shelved()
        forgets = shelved > 0 and self._random.random() < 0.3
        with self._start(forgets) as mortal:
            finished = self._kill(mortal, REMOVING if forgets else BUILDING)
        promise(self._hashes() == files, "a photo is not what it was")
        sound(self._library)
        self._count(mortal, embedded_ever(self._library) - known)
        promise(not forgets or self._shelved() in (0, shelved), "half of a folder is forgotten")
        left = litter(self._library)
        if finished:
            self.figures.finished += 1
            promise(not left, f"left behind: {left}")
            self._keeps_its_secret()
        else:
            self.figures.kills += 1
            stage, by_stage = mortal.heard[-1][0], self.figures.kills_by_stage
            by_stage[stage] = by_stage.get(stage, 0) + 1
            self.figures.litter += len(left)
        self._change()

    def finish(self) -> None:
        """A build that nobody kills brings everything in order."""
        with Library.open(self._library, config=CONFIG) as library:
            library.build([self._photos, self._shelf], confirm=lambda question: True)
            indexed = {os.fsencode(photo.path) for photo in library.photos()}
            there = {os.fsencode(path) for path in self._hashes()}
            promise(indexed == there, f"{len(there)} files, {len(indexed)} photos")
            again = library.build(options=BuildOptions(verify=True))
            promise(again.embedded == 0, f"{again.embedded} embedded again")
            sound(self._library)
            library.remove(self._shelf)
        promise(not litter(self._library), f"left behind: {litter(self._library)}")
        self._keeps_its_secret()

    def _start(self, forgets: bool) -> Mortal:
        if forgets:
            return Mortal(removing, self._library, self._shelf)
        folders = [self._photos, *([self._shelf] if self._random.random() < 0.4 else [])]
        return Mortal(building, self._library, *folders)

    def _kill(self, mortal: Mortal, stages: Sequence[str]) -> bool:
        """Kill at any time, or at a stage; whether it was done before."""
        began = time.monotonic()
        if self._random.random() < 0.2:
            time.sleep(self._random.uniform(0, self._longest_s))
        else:
            mortal.listen(self._random.choice(stages), times=self._random.choice([1, 1, 2]))
            time.sleep(self._random.choice([0, 0.001, 0.01]) * self._random.random())
        mortal.send(signal.SIGKILL)
        code, complaint = mortal.end(), mortal.complaint
        promise(code in (0, -signal.SIGKILL) and "Error" not in complaint, complaint)
        if code == 0:
            self._longest_s = max(self._longest_s, time.monotonic() - began)
        return code == 0

    def _count(self, mortal: Mortal, new: int) -> None:
        """Hold what was committed against what the process told."""
        acknowledged, seen = mortal.count("embedding"), mortal.count("model")
        promise(
            acknowledged <= new <= seen,
            f"{acknowledged} acknowledged, {new} there, {seen} embedded",
        )
        promise(seen - new <= 2 * BATCH, f"{seen - new} embedded in vain")
        self.figures.acknowledged += acknowledged
        self.figures.unacknowledged += new - acknowledged
        self.figures.embedded_in_vain += seen - new

    def _keeps_its_secret(self) -> None:
        """What is forgotten is in no file of the library."""
        if not self._shelved():
            files = (path for path in self._library.rglob("*") if path.is_file())
            telling = [path.name for path in files if SECRET.encode() in path.read_bytes()]
            promise(not telling, f"forgotten, but in {telling}")

    def _change(self) -> None:
        """Add, rename, copy and delete, as a user would between two builds; let copies of the catalog grow old."""
        files = sorted(self._photos.rglob("*.png"))
        self._random.shuffle(files)
        too_many = max(0, len(files) - self._pictures)
        for path in files[:too_many]:
            path.unlink()
        for path in files[too_many : too_many + 4]:
            match self._random.choice(["rename", "copy", "delete"]):
                case "rename":
                    path.rename(path.with_name(f"renamed {self._made} {path.name[-20:]}"))
                case "copy":
                    shutil.copy(path, path.with_name(f"copy {self._made} {path.name[-20:]}"))
                case _:
                    path.unlink()
            self._made += 1
        self._add(self._photos, NEW)
        if self._random.random() < 0.5:
            for copy in backups.backups(self._library / CATALOG):
                os.utime(copy, (0, 0))

    def _add(self, root: Path, count: int, name: str = "") -> None:
        for _ in range(count):
            self._made += 1
            folder = root / f"{self._made % 5}"
            folder.mkdir(parents=True, exist_ok=True)
            colour = tuple(self._random.randrange(1, 256) for _ in range(3))
            Image.new("RGB", (24, 24), colour).save(folder / f"{name}{self._made}.png")

    def _shelved(self) -> int:
        """How many photos of the folder that may be forgotten are known."""
        with closing(sqlite3.connect(self._library / CATALOG)) as database:
            query = "SELECT count(*) FROM photos JOIN roots ON roots.id = root_id WHERE path = ?"
            (count,) = database.execute(query, [os.fsencode(self._shelf)]).fetchone()
        return int(count)

    def _hashes(self) -> dict[Path, str]:
        return {
            path: hashlib.sha256(path.read_bytes()).hexdigest()
            for root in (self._photos, self._shelf)
            for path in root.rglob("*.png")
        }


def main() -> None:
    """Run it by hand."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        figures = survive(arguments.kills, arguments.seed, Path(scratch))
    publish({**asdict(figures), "broken_promises": 0}, arguments.out)
    print(figures)


if __name__ == "__main__":
    sys.path.insert(0, str(PLUGINS))
    main()
