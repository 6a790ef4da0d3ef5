"""Work on a library in processes of their own, made to be killed.

Each is forked from one process that has everything loaded: it starts in ten milliseconds, and is a whole process that
a signal ends. It tells what it does next. What makes it tell stands here; Glimpse itself has no hooks for it.
"""

import functools
import multiprocessing
import os
import signal
import sys
import tempfile
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from indexer import Config, Library, pipeline, roots
from indexer.pictures.thumbnails import Thumbnails
from storage import choosing, snapshots
from storage.batch import Batch
from storage.catalog import Catalog

__all__ = ["BATCH", "CONFIG", "PLUGINS", "STARTING", "Mortal", "Tell", "building", "removing"]

PLUGINS = Path(__file__).parent.parent / "tests" / "plugins"
BATCH = 8
CONFIG = Config.from_mapping(
    {
        "library": {"keep_removed_days": 0},
        "build": {"batch_size": BATCH, "decode_workers": 1},
        "runtime": {"precision": "full"},
    },
    "the crash test",
)
LOADED = (
    "benchmarks.mortal",
    "indexer.build",
    "indexer.library",
    "indexer.forgetting",
    "indexer.runtime.session",
    "faiss",
    "filelock",
    "onnxruntime",
    "tokenizers",
)
STARTING = "starting"
STAGES = {
    "settling": (roots, "settle"),
    "purging": (Batch, "purge_orphans"),
    "keeping thumbnails": (Thumbnails, "keep"),
    "copying the catalog": (Catalog, "back_up"),
    "forgetting photos": (Batch, "remove_root"),
    "forgetting thumbnails": (Thumbnails, "forget"),
    "vacuuming": (Catalog, "vacuum"),
    "dropping copies": (Catalog, "drop_backups"),
}
"""What is told, and before which call."""

Tell = Callable[[str, int], None]
Work = Callable[..., None]


def building(tell: Tell, library: Path, *folders: Path) -> None:
    """Build, and tell with "embedding" how many pictures are committed."""
    with Library.open(library, config=CONFIG) as opened:
        opened.build(
            folders,
            on_progress=lambda progress: tell(progress.stage, progress.embedded),
            confirm=lambda question: True,
        )


def removing(tell: Tell, library: Path, root: Path) -> None:
    """Forget a root."""
    with Library.open(library, config=CONFIG) as opened:
        opened.remove(root)


class Mortal:
    """One process at work; a context manager that leaves none behind."""

    def __init__(self, work: Work, *arguments: object) -> None:
        self._complaints = tempfile.NamedTemporaryFile("r", errors="replace")  # noqa: SIM115
        self._told, tell = _context().Pipe(duplex=False)
        self.heard: list[tuple[str, int]] = [(STARTING, 0)]
        self.complaint = ""
        given = (work, arguments, tell, self._complaints.name)
        self._process = _context().Process(target=_work, args=given)
        self._process.start()
        tell.close()

    def __enter__(self) -> "Mortal":
        return self

    def __exit__(self, *_: object) -> None:
        self.send(signal.SIGKILL)
        self.end()
        self._told.close()
        self._complaints.close()

    def listen(self, stage: str | None = None, times: int = 1) -> None:
        """Hear what it tells until it has told a stage so many times, or ends."""
        with suppress(EOFError, OSError):
            while times:
                self.heard.append(self._told.recv())
                times -= self.heard[-1][0] == stage

    def send(self, number: int) -> None:
        """Send it a signal, if it still lives."""
        if self._process.is_alive():
            with suppress(ProcessLookupError):  # it ends just now
                os.kill(self._process.pid, number)

    def end(self) -> int:
        """Wait for its end; its exit code, or below 0 the signal that ended it. `complaint` is what it wrote."""
        self.listen()
        self._process.join()
        self.complaint = Path(self._complaints.name).read_text(errors="replace")
        return int(self._process.exitcode)

    def count(self, stage: str) -> int:
        """The last count that it told with a stage."""
        return next((count for told, count in reversed(self.heard) if told == stage), 0)


@functools.cache
def _context() -> Any:
    if str(PLUGINS) not in sys.path:
        sys.path.insert(0, str(PLUGINS))
    # One thread alone in the process that forks; and threads that wait for each other take turns on busy cores.
    os.environ.update(OPENBLAS_NUM_THREADS="1", OMP_NUM_THREADS="1")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(list(LOADED))
    return context


def _work(work: Work, arguments: Sequence[Any], told: Connection, complaints: str) -> None:
    os.dup2(os.open(complaints, os.O_WRONLY | os.O_APPEND), sys.stderr.fileno())
    telling = threading.Lock()

    def tell(stage: str, count: int = 0) -> None:
        with telling:
            told.send((stage, count))

    _publish_often()
    _announce(tell)
    work(tell, *arguments)


def _publish_often() -> None:
    """Some hundred pictures get what takes hundreds of thousands: cells, and a small snapshot beside a large one."""
    snapshots.LEAST_TAIL = BATCH
    snapshots.SMALL_SHARE = 5
    choosing.EXACT_BELOW = 150


def _announce(tell: Tell) -> None:
    for stage, (owner, name) in STAGES.items():
        _before(owner, name, functools.partial(_tell_stage, tell, stage))
    publish = functools.partial(snapshots.publish, at=lambda step: tell(f"snapshot: {step}", 0))
    setattr(snapshots, "publish", publish)  # noqa: B010 - its type knows nothing of it
    given = 0

    def count(model: object, pictures: Sequence[object]) -> None:
        nonlocal given
        given += len(pictures)
        tell("model", given)

    _before(pipeline, "embed_batch", count)


def _tell_stage(tell: Tell, stage: str, *_: object, **__: object) -> None:
    tell(stage, 0)


def _before(owner: object, name: str, call: Callable[..., None]) -> None:
    """Have `call` called, with the same arguments, before a function."""
    real = getattr(owner, name)

    @functools.wraps(real)
    def both(*arguments: Any, **named: Any) -> Any:
        call(*arguments, **named)
        return real(*arguments, **named)

    setattr(owner, name, both)
