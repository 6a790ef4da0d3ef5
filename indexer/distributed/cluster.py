"""Ray, started or found, quiet, and given one page after another.

The pages wait in an actor of their own (`_Pages`); a task of Ray Data's reads them from it as a stream, and a pool of
workers, which Ray scales, embeds them. The driver holds the pages that are under way and no others. What Ray loses is
given out again: a page is done when its shard is there.
"""

import logging
import os
import signal
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from itertools import chain
from pathlib import Path
from types import ModuleType
from typing import Any

from indexer.distributed.pages import Page
from indexer.distributed.shards import Shard
from indexer.distributed.worker import Embedding, Job
from indexer.errors import GlimpseError

__all__ = ["Cluster", "connected"]

JOIN_S = 60.0
UNDER_WAY = 4
"""Pages for each worker that are given out at once: one that it embeds, and some that wait."""
TRIES = 5
"""Failures of Ray's one after another, with nothing done between them, after which it is given up."""
SHARE = 0.5
"""Processors that a worker asks for. It uses one, and the processes that decode for it what is left."""
OURS = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_BACKEND_LOG_LEVEL": "fatal",
    "RAY_DATA_DISABLE_PROGRESS_BARS": "1",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
}
"""Unless the user has set them: nothing is sent home, and the terminal is the user's."""
LOOPBACK = {"RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0"}
"""As Ray does elsewhere than on Linux: it then listens on 127.0.0.1 and nowhere else."""


@contextmanager
def connected(address: str | None) -> Iterator["Cluster"]:
    """A cluster, as long as it is needed: one that this process has joined, the one at the address, or one here."""
    with _environment(OURS if address else OURS | LOOPBACK):
        ray = _quiet_ray()
        if ray.is_initialized():
            yield Cluster(ray)
            return
        constants, worker = ray._private.ray_constants, ray._private.worker
        reaches_out = constants.ENABLE_RAY_CLUSTER
        if not address:  # as LOOPBACK says, which is read when Ray is imported: the caller may have done so before
            constants.ENABLE_RAY_CLUSTER = False
        # Whatever it is told, Ray prints on standard output that a worker died; there is no other way to stop that.
        printed, worker._worker_logs_enabled = worker._worker_logs_enabled, False
        try:
            with _standard_error_aside():
                _join(ray, address)
            yield Cluster(ray)
        finally:
            ray.shutdown()
            worker._worker_logs_enabled = printed
            constants.ENABLE_RAY_CLUSTER = reaches_out


@contextmanager
def _environment(values: Mapping[str, str]) -> Iterator[None]:
    """Values for what is started meanwhile, where the user has not set them."""
    ours = {name: value for name, value in values.items() if name not in os.environ}
    os.environ.update(ours)
    try:
        yield
    finally:
        for name in ours:
            os.environ.pop(name, None)


def _join(ray: ModuleType, address: str | None) -> None:
    """Start Ray, or join a cluster, within bounds. Raises GlimpseError."""
    faults = list[Exception]()
    if address is None:
        # In this thread: with the one that starts them, Ray's processes end.
        with _sigterm_kept():
            _init(ray, None, faults)
    else:
        # In one of its own: at an address that is something else's, it waits for minutes.
        joining = threading.Thread(target=_init, args=(ray, address, faults), daemon=True)
        joining.start()
        joining.join(JOIN_S)
        if joining.is_alive():
            raise GlimpseError(
                f"the cluster at {address} cannot be joined within {JOIN_S:g} s; is it Ray {ray.__version__}, and "
                f"this machine in it?"
            )
    for fault in faults:
        where = f"the cluster at {address} cannot be joined" if address else "Ray does not start"
        raise GlimpseError(f"{where} ({' '.join(str(fault).split())[:200]})") from fault


def _init(ray: ModuleType, address: str | None, faults: list[Exception]) -> None:
    quiet = {"log_to_driver": False, "logging_level": logging.CRITICAL}
    try:
        if address:
            ray.init(address=address, **quiet)
        else:
            cores = os.cpu_count() or 2
            ray.init(address="local", num_cpus=max(cores, 2), include_dashboard=False, **quiet)
    except Exception as error:  # whatever goes wrong in a program of its own
        faults.append(error)


@contextmanager
def _sigterm_kept() -> Iterator[None]:
    """What being told to end does is the caller's to say, and not Ray's."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.getsignal(signal.SIGTERM)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _quiet_ray() -> ModuleType:
    import ray  # deferred: nothing but such a build imports it
    import ray.data

    for name in ("ray", "ray.data"):
        logger = logging.getLogger(name)
        logger.setLevel(logging.CRITICAL)
        for handler in logger.handlers:
            handler.setLevel(logging.CRITICAL)
    return ray


@contextmanager
def _standard_error_aside() -> Iterator[None]:
    """What Ray's own programs write while they start goes nowhere; errors are raised."""
    kept = os.dup(2)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)


class _Pages:
    """An actor: pages by number until they are done. Whoever asks for one that is to come waits."""

    def __init__(self) -> None:
        import asyncio

        self._pages: dict[int, bytes] = {}
        self._given, self._ended = 0, False
        self._changed = asyncio.Condition()

    async def put(self, number: int, page: bytes) -> None:
        async with self._changed:
            self._pages[number] = page
            self._given = number + 1
            self._changed.notify_all()

    async def end(self) -> None:
        async with self._changed:
            self._ended = True
            self._changed.notify_all()

    async def done(self, number: int) -> None:
        self._pages.pop(number, None)

    async def get(self, number: int) -> bytes | None:
        """A page, empty where it is done; None after the last. The same however often it is asked for."""
        async with self._changed:
            await self._changed.wait_for(lambda: self._ended or number < self._given)
            return self._pages.get(number, b"") if number < self._given else None


class Cluster:
    """A cluster that was joined."""

    def __init__(self, ray: ModuleType) -> None:
        self._ray = ray
        self._resources = ray.cluster_resources()

    @property
    def machines(self) -> int:
        """How many machines it has now."""
        return sum(1 for node in self._ray.nodes() if node["Alive"])

    @property
    def cards(self) -> int:
        """How many graphics cards it has now."""
        return int(self._resources.get("GPU", 0))

    @property
    def processors(self) -> int:
        """How many processors it has now."""
        return max(1, int(self._resources.get("CPU", 1)))

    def share(self, folder: Path) -> Any:
        """Give every machine the files of a folder; the reference to them."""
        return self._ray.put({path.name: path.read_bytes() for path in folder.iterdir()})

    def embed(self, pages: Iterator[Page], job: Job, most: int, on_cards: bool) -> Iterator[Shard]:
        """The shards of the pages, as they get done; `most` workers. Raises GlimpseError."""
        failures, left = 0, list[Page]()
        while True:
            wave = _Wave(self._ray, chain(left, pages), job, most, on_cards)
            try:
                for shard in wave.shards():
                    failures = 0
                    yield shard
            except self._ray.exceptions.RayError as error:
                failures += 1
                if failures == TRIES:
                    raise GlimpseError(f"the cluster fails: {_cause(error)}") from error
            left = wave.left()
            if not left and wave.is_over:
                return


class _Wave:
    """One dataset: it ends with the pages, or where Ray gives up."""

    def __init__(
        self, ray: ModuleType, pages: Iterator[Page], job: Job, most: int, on_cards: bool
    ) -> None:
        self._ray, self._pages, self._job = ray, pages, job
        self._most, self._on_cards = most, on_cards
        self._under_way: dict[int, Page] = {}
        self._room = threading.BoundedSemaphore(UNDER_WAY * most)
        self._closing = threading.Event()
        self._fault: BaseException | None = None
        self.is_over = False
        """Whether the pages have come to their end."""

    def left(self) -> list[Page]:
        """Pages that were given out, and are not done."""
        return list(self._under_way.values())

    def shards(self) -> Iterator[Shard]:
        """Each shard once. Raises GlimpseError, and RayError where Ray gives up."""
        holder = self._ray.remote(num_cpus=0)(_Pages).remote()
        feeder = threading.Thread(target=self._feed, args=(holder,), name="glimpse-pages")
        feeder.start()
        try:
            for row in _rows(self._ray, holder, self._job, self._most, self._on_cards):
                if row["fault"]:
                    raise GlimpseError(row["fault"])
                page = self._under_way.pop(row["number"], None)
                if page is not None:  # else it came twice
                    holder.done.remote(row["number"])
                    self._room.release()
                    yield Shard(row["key"], row["rows"], row["bytes"], row["sha256"])
            if self._fault is not None:
                raise self._fault
        finally:
            self._closing.set()
            feeder.join()
            with suppress(Exception):  # it may have died
                self._ray.kill(holder)

    def _feed(self, holder: Any) -> None:
        """Give out pages as there is room; in a thread of its own."""
        try:
            for number, page in enumerate(self._pages):
                while not self._room.acquire(timeout=0.2):
                    if self._closing.is_set():
                        self._under_way[number] = page
                        return
                self._under_way[number] = page
                self._ray.get(holder.put.remote(number, page.packed()))
                if self._closing.is_set():
                    return
            self.is_over = True
        except self._ray.exceptions.RayError:
            return  # whoever waits for results meets the same
        except BaseException as error:  # handed to the thread that waits for results
            self._fault = error
        finally:
            with suppress(Exception):
                self._ray.get(holder.end.remote())


def _rows(
    ray: ModuleType, holder: Any, job: Job, most: int, on_cards: bool
) -> Iterator[dict[str, Any]]:
    """What workers answer, a row a page."""
    first = min(most, int(ray.cluster_resources().get("GPU" if on_cards else "CPU", 1)) or 1)
    with _context(ray.data.DataContext.get_current()):
        pages = ray.data.read_datasource(_source(holder), override_num_blocks=1, num_cpus=0.1)
        answers = pages.map_batches(
            Embedding,
            fn_constructor_args=(job,),
            batch_size=1,
            batch_format="numpy",
            compute=ray.data.ActorPoolStrategy(min_size=1, initial_size=first, max_size=most),
            num_cpus=1 if on_cards else SHARE,
            num_gpus=1 if on_cards else None,
        )
        for batch in answers.iter_batches(batch_size=None, prefetch_batches=0):
            for i in range(len(batch["number"])):
                yield {name: _plain(column[i]) for name, column in batch.items()}


@contextmanager
def _context(context: Any) -> Iterator[None]:
    """How Ray Data is to go about it; what the caller's program has set comes back."""
    ours = {
        "enable_progress_bars": False,
        "print_on_execution_start": False,
        "target_max_block_size": 1,  # bytes: a page goes on its way alone, as soon as it is there
    }
    before = {name: getattr(context, name) for name in ours}
    try:
        for name, value in ours.items():
            setattr(context, name, value)
        yield
    finally:
        for name, value in before.items():
            setattr(context, name, value)


def _source(holder: Any) -> Any:
    """The pages as a stream of Ray Data's: one task, which can be run again from the start."""
    import pyarrow as pa
    from ray.data.block import BlockMetadata
    from ray.data.datasource import Datasource, ReadTask

    def read() -> Iterator[pa.Table]:
        import ray

        number = 0
        while (page := ray.get(holder.get.remote(number))) is not None:
            yield pa.table({"number": [number], "page": pa.array([page], pa.binary())})
            number += 1

    class Pages(Datasource):
        def estimate_inmemory_data_size(self) -> int | None:
            return None

        def get_read_tasks(self, parallelism: int, *_: object, **__: object) -> list[Any]:
            nothing = BlockMetadata(
                num_rows=None, size_bytes=None, input_files=None, exec_stats=None
            )
            return [ReadTask(read, nothing)]

    return Pages()  # type: ignore[no-untyped-call]  # Ray's is of no type


def _plain(value: Any) -> Any:
    return value.item() if hasattr(value, "item") else value


def _cause(error: BaseException) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return (lines[-1] if lines else type(error).__name__)[:300]
