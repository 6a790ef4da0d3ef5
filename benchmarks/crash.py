"""Kill builds at random times and check after each that nothing is lost, nothing wrong, nothing done twice.

    python -m benchmarks.crash [--kills 200] [--seed 0] [--out FILE]

A child builds a library of small pictures through the API; the parent kills it with SIGKILL, at any time
from its start, or shortly after a batch was acknowledged, and looks at what is left. Between kills, pictures
are added, renamed, copied and deleted. Prints one JSON object; the first broken promise ends the run.
"""

import argparse
import hashlib
import os
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from PIL import Image

from benchmarks.report import publish
from indexer import BuildOptions, Config, Library
from storage import snapshots
from storage.catalog import Catalog

PLUGINS = Path(__file__).parent.parent / "tests" / "plugins"
BATCH = 8
CHILD = f"""
import sys
from indexer import Config, Library
from storage import snapshots
snapshots.LEAST_TAIL = {BATCH}  # so that most builds publish, and some are killed as they do
config = Config.from_mapping({{"build": {{"batch_size": {BATCH}}}}}, "the crash test")
with Library.open(sys.argv[1], config=config) as library:
    library.build([sys.argv[2]], on_progress=lambda p: print(p.stage, p.embedded, flush=True))
print("finished", flush=True)
"""


@dataclass
class Figures:
    """What a run saw."""

    kills: int = 0
    finished: int = 0
    """Builds that were done before their kill came."""
    acknowledged: int = 0
    """Pictures whose batch was acknowledged before a kill; each was there afterwards."""
    unacknowledged: int = 0
    """Pictures that were committed although the kill came before their acknowledgement."""
    orphaned_files: int = 0
    """Snapshot files that a kill left without a record, and that the next build removed."""
    seconds: float = 0.0


class BrokenPromiseError(AssertionError):
    """A promise of the library did not hold."""


def survive(kills: int, seed: int, scratch: Path, pictures: int = 300) -> Figures:
    """Kill that many builds. Raises BrokenPromiseError with what did not hold."""
    began = time.monotonic()
    run = _Run(seed, scratch, pictures)
    while run.figures.kills < kills:
        run.kill_one_build()
    run.finish()
    run.figures.seconds = round(time.monotonic() - began, 1)
    return run.figures


class _Run:
    def __init__(self, seed: int, scratch: Path, pictures: int) -> None:
        self.figures = Figures()
        self._random = random.Random(seed)
        self._photos = scratch / "photos"
        self._library = scratch / "library"
        self._made = 0
        self._photos.mkdir()
        self._add(1)
        with Library.open(self._library, create=True, config=Config()) as library:
            library.build([self._photos], BuildOptions(model="tiny"))
        self._add(pictures)

    def kill_one_build(self) -> None:
        """One child, one kill, one inspection, and some change for the next."""
        before = self._embedded()
        files = self._hashes()
        child = subprocess.Popen(
            [sys.executable, "-c", CHILD, self._library, self._photos],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": os.pathsep.join([str(PLUGINS), *sys.path])},
        )
        acknowledged, finished = self._watch(child)
        self.figures.kills += not finished
        self.figures.finished += finished
        self.figures.acknowledged += acknowledged
        committed = self._embedded() - before
        self._promise(committed >= acknowledged, f"{acknowledged} acknowledged, {committed} there")
        self._promise(committed <= acknowledged + 2 * BATCH, "more was committed than told, by far")
        self.figures.unacknowledged += committed - acknowledged
        self._promise(self._hashes() == files, "a photo is not what it was")
        self._inspect()
        self._change()

    def finish(self) -> None:
        """A build that nobody kills brings everything in order."""
        with Library.open(self._library) as library:
            library.build([self._photos], confirm=lambda question: True)
            indexed = {os.fsencode(photo.path) for photo in library.photos()}
        there = {os.fsencode(path) for path in self._photos.rglob("*.png")}
        self._promise(indexed == there, f"{len(there)} files, {len(indexed)} photos")
        self._inspect()
        with Library.open(self._library) as library:
            again = library.build([self._photos], BuildOptions(verify=True))
        self._promise(again.embedded == 0, f"{again.embedded} embedded again")
        strays = list(self._library.rglob("*.tmp"))
        self._promise(not strays, f"left behind: {strays}")

    def _watch(self, child: "subprocess.Popen[str]") -> tuple[int, bool]:
        """Kill the child at its time; how many pictures it acknowledged, and whether it was done first."""
        assert child.stdout is not None
        heard = []
        if self._random.random() < 0.5:
            time.sleep(self._random.uniform(0.4, 1.8))
        else:
            wanted = self._random.randint(1, 12)
            while wanted and (line := child.stdout.readline()):
                heard.append(line)
                wanted -= line.startswith("embedding")
            time.sleep(self._random.uniform(0, 0.2))
        child.send_signal(signal.SIGKILL)
        rest, complaint = child.communicate()
        self._promise("Traceback" not in complaint, complaint)
        told = [*heard, *rest.splitlines()]
        counts = [int(line.split()[1]) for line in told if line.startswith("embedding")]
        return (counts[-1] if counts else 0), child.returncode == 0

    def _inspect(self) -> None:
        """The invariant that holds at every moment."""
        with sqlite3.connect(self._library / "catalog.sqlite") as database:
            (sound,) = database.execute("PRAGMA integrity_check").fetchone()
            orphans = database.execute("PRAGMA foreign_key_check").fetchall()
            (recorded,) = database.execute("SELECT count(*) FROM snapshots").fetchone()
        database.close()
        self._promise(sound == "ok" and not orphans, f"catalog: {sound} {orphans}")
        found = sum(1 for path in (self._library / "snapshots").glob("*"))
        self.figures.orphaned_files += max(0, found - recorded)
        catalog = Catalog.open(self._library)
        with catalog.view() as view:
            (space,) = view.spaces()
            loaded = snapshots.load(view, self._library, space)
            living = view.connection.exec_driver_sql(
                "SELECT content_id FROM embeddings JOIN contents ON contents.id = content_id "
                "WHERE vector IS NOT NULL AND orphaned_at IS NULL ORDER BY content_id"
            )
            self._promise(loaded.ids().tolist() == list(living.scalars()), "FAISS has other ids")
        catalog.close()

    def _change(self) -> None:
        """Add, rename, copy and delete, as a user would between two builds."""
        files = sorted(self._photos.rglob("*.png"))
        for path in self._random.sample(files, k=min(4, len(files))):
            match self._random.choice(["rename", "copy", "delete"]):
                case "rename":
                    path.rename(path.with_name(f"renamed {self._made} {path.name[-20:]}"))
                case "copy":
                    shutil.copy(path, path.with_name(f"copy {self._made} {path.name[-20:]}"))
                case _:
                    path.unlink()
            self._made += 1
        self._add(40)

    def _add(self, count: int) -> None:
        for _ in range(count):
            self._made += 1
            folder = self._photos / f"{self._made % 5}"
            folder.mkdir(exist_ok=True)
            colour = tuple(self._random.randrange(1, 256) for _ in range(3))
            Image.new("RGB", (24, 24), colour).save(folder / f"{self._made}.png")

    def _embedded(self) -> int:
        with sqlite3.connect(self._library / "catalog.sqlite") as database:
            (count,) = database.execute("SELECT count(*) FROM embeddings").fetchone()
        database.close()
        return int(count)

    def _hashes(self) -> dict[Path, str]:
        return {
            path: hashlib.sha256(path.read_bytes()).hexdigest()
            for path in self._photos.rglob("*.png")
        }

    def _promise(self, holds: bool, otherwise: str) -> None:
        if not holds:
            raise BrokenPromiseError(f"after {self.figures.kills} kills: {otherwise}")


def main() -> None:
    """Run it by hand."""
    sys.path.insert(0, str(PLUGINS))
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        figures = survive(arguments.kills, arguments.seed, Path(scratch))
    publish({**asdict(figures), "broken_promises": 0}, arguments.out)


if __name__ == "__main__":
    main()
