"""What a cluster of Ray's on one machine costs beside a build without it, and what kills and a bucket do to it.

    python -m benchmarks.ray PHOTOS [--count 1000] [--pairs 3] [--kills 20] [--objects 2000] [--out FILE]

PHOTOS holds some JPEGs, of which `--count` files are laid. Both sides build them in this process, with the same
settings, in pairs that alternate; the start of Ray is told apart, that of workers and models too. Then workers are
killed at random moments in one build, and `--objects` pictures are built from a server that answers as S3 does, over
HTTP on this machine. A machine that others use too gives ratios that mean something, and rates that do not. Prints
one JSON object, and writes it to --out.
"""

import argparse
import os
import random
import shutil
import signal
import socket
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.laid import lay_copies, photos_in
from benchmarks.report import publish
from benchmarks.spent import descendants
from indexer import BuildOptions, BuildReport, Config, Library, Progress
from indexer.build_options import Engine
from indexer.distributed.joining import connected

WORKER = b"ray::MapWorker(MapBatches(Embedding"
CORES = os.cpu_count() or 1
CONFIG = Config.from_mapping({"build": {"shard_size": 64}}, "the benchmark of Ray")
S3 = {
    "AWS_ACCESS_KEY_ID": "testing",
    "AWS_SECRET_ACCESS_KEY": "testing",
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_EC2_METADATA_DISABLED": "true",
}
Figures = dict[str, Any]


class Bench:
    """A prepared library without photos, of which each build gets a copy."""

    def __init__(self, scratch: Path, first: Path, model: str) -> None:
        self._scratch, self._empty, self._number = scratch, scratch / "empty", 0
        with Library.open(self._empty, create=True, config=CONFIG) as library:
            library.build([first], BuildOptions(model=model))
            library.remove(first)

    def build(self, engine: Engine, where: Path | str) -> "Built":
        """Build into a new library."""
        self._number += 1
        folder = self._scratch / f"library-{self._number}"
        shutil.copytree(self._empty, folder)
        with Library.open(folder, config=CONFIG) as library:
            began = time.perf_counter()
            told = list[tuple[float, int]]()

            def note(progress: Progress) -> None:
                if progress.stage == "embedding":
                    told.append((time.perf_counter(), progress.done))

            report = library.build([where], BuildOptions(engine=engine), on_progress=note)
            took = time.perf_counter() - began
        return Built(took, _rate(told), folder, report)


@dataclass(frozen=True, slots=True)
class Built:
    """What came of a build."""

    seconds: float
    rate: float
    """Pictures a second from the first that were committed to the last: without starting workers and models."""
    library: Path
    report: BuildReport


def _rate(told: list[tuple[float, int]]) -> float:
    """Shards come in at once from several workers: those before a third of all are left out."""
    (first, before), (last, after) = told[len(told) // 3], told[-1]
    return (after - before) / (last - first)


def compared(bench: Bench, photos: Path, pairs: int) -> Figures:
    """Both in turns: the one first, then the other."""
    rates, whole = list[float](), list[float]()
    for pair in range(pairs):
        order: tuple[Engine, ...] = ("local", "ray") if pair % 2 else ("ray", "local")
        done = {engine: bench.build(engine, photos) for engine in order}
        rates.append(done["ray"].rate / done["local"].rate)
        whole.append(done["local"].seconds / done["ray"].seconds)
    return {
        "rate_of_ray_by_that_of_one_machine": round(statistics.median(rates), 3),
        "of_each_pair": [round(ratio, 3) for ratio in rates],
        "with_starting_workers_and_models": [round(ratio, 3) for ratio in whole],
    }


def killed(bench: Bench, photos: Path, kills: int) -> Figures:
    """Workers killed at random moments in one build; whether its catalog is that of an undisturbed one."""
    expected = bench.build("local", photos)
    stop, done = threading.Event(), list[int]()
    killer = threading.Thread(target=_kill, args=(kills, stop, done))
    killer.start()
    found = bench.build("ray", photos)
    stop.set()
    killer.join()
    known = contents_of(found.library)
    return {
        "kills": len(done),
        "seconds": round(found.seconds, 1),
        "embedded": found.report.embedded,
        "same_catalog": known == contents_of(expected.library),
        "photos": len(known),
    }


def _kill(kills: int, stop: threading.Event, done: list[int]) -> None:
    """Kill workers of ours, each a random moment after the last."""
    chance = random.Random(20)
    while len(done) < kills and not stop.wait(chance.uniform(0.5, 2.5)):
        workers = [pid for pid in descendants(os.getpid()) if _is_worker(pid)]
        if workers:
            pid = chance.choice(workers)
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
            done.append(pid)


def _is_worker(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().startswith(WORKER)
    except OSError:  # it has ended
        return False


def contents_of(library: Path) -> list[Any]:
    """What a catalog knows of photos, with their vectors."""
    with sqlite3.connect(library / "catalog.sqlite") as catalog:
        rows = catalog.execute(
            "SELECT p.folder, p.name, p.size, p.mtime_ns, p.state, c.sha256, c.width, c.height, e.vector "
            "FROM photos p LEFT JOIN contents c ON c.id = p.content_id "
            "LEFT JOIN embeddings e ON e.content_id = c.id ORDER BY 1, 2"
        ).fetchall()
    catalog.close()
    return rows


def from_bucket(bench: Bench, photos: list[Path], objects: int, scratch: Path) -> Figures:
    """Pictures behind a server that answers as S3 does, and the same from a folder."""
    import s3fs

    folder = lay_copies(photos, scratch / "objects", objects)
    fs = s3fs.S3FileSystem()
    fs.mkdir("pictures")
    fs.put(str(folder), "pictures/all", recursive=True)
    here, there = bench.build("ray", folder), bench.build("ray", "s3://pictures/all")
    found, expected = (
        [[row[1], *row[5:]] for row in contents_of(built.library)] for built in (there, here)
    )
    return {
        "objects": objects,
        "embedded": there.report.embedded,
        "failed": there.report.failed,
        "same_contents_and_vectors_as_from_a_folder": found == expected,
        "rate_by_that_from_a_folder": round(there.rate / here.rate, 3),
        "seconds": round(there.seconds, 1),
    }


@contextmanager
def s3_here() -> Iterator[None]:
    """A server that answers as S3 does; workers that are started later find it."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as server:
        os.environ.update(S3, AWS_ENDPOINT_URL=f"http://127.0.0.1:{port}")
        try:
            yield
        finally:
            server.kill()


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("photos", type=Path)
    parser.add_argument("--model", default="starter")
    for name, default in (("count", 1000), ("pairs", 3), ("kills", 20), ("objects", 2000)):
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch, s3_here():
        publish(_measure(arguments, Path(scratch).resolve()), arguments.out)


def _measure(arguments: argparse.Namespace, scratch: Path) -> Figures:
    pictures = photos_in(arguments.photos)
    bench = Bench(scratch, lay_copies(pictures, scratch / "first", 32), arguments.model)
    photos = lay_copies(pictures, scratch / "photos", arguments.count)
    began = time.perf_counter()
    with connected(None):
        started = time.perf_counter() - began
        figures: Figures = {"cores": CORES, "load_average": [round(x, 1) for x in os.getloadavg()]}
        figures |= {"files": arguments.count, "starting_ray_s": round(started, 1)}
        figures["beside_one_machine"] = compared(bench, photos, arguments.pairs)
        figures["killed"] = killed(bench, photos, arguments.kills)
        figures["bucket"] = from_bucket(bench, pictures, arguments.objects, scratch)
    return figures


if __name__ == "__main__":
    main()
