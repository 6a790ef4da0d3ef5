"""Pages as a stream of Ray Data's, and what its workers answer.

The pages wait in an actor of their own (`Pages`); one task reads them from it, and a pool of workers, which Ray
scales, embeds them.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any

from indexer.distributed.worker import Embedding, Job

__all__ = ["Pages", "answers"]

SHARE = 0.5
"""Processors that a worker asks for. It uses one, and the processes that decode for it what is left."""


class Pages:
    """An actor: pages by number until they are done. Whoever asks for one that is to come waits."""

    def __init__(self) -> None:
        import asyncio

        self._pages: dict[int, bytes] = {}
        self._given, self._ended = 0, False
        self._changed = asyncio.Condition()

    async def put(self, number: int, page: bytes) -> None:
        """Have the next page wait for whoever asks for it."""
        async with self._changed:
            self._pages[number] = page
            self._given = number + 1
            self._changed.notify_all()

    async def end(self) -> None:
        """Say that no page is to come."""
        async with self._changed:
            self._ended = True
            self._changed.notify_all()

    async def done(self, number: int) -> None:
        """Forget a page."""
        self._pages.pop(number, None)

    async def get(self, number: int) -> bytes | None:
        """A page, empty where it is done; None after the last. The same however often it is asked for."""
        async with self._changed:
            await self._changed.wait_for(lambda: self._ended or number < self._given)
            return self._pages.get(number, b"") if number < self._given else None


def answers(
    ray: ModuleType, holder: Any, job: Job, most: int, on_cards: bool
) -> Iterator[dict[str, Any]]:
    """What workers answer, a row a page."""
    first = min(most, int(ray.cluster_resources().get("GPU" if on_cards else "CPU", 1)) or 1)
    with _context(ray.data.DataContext.get_current()):
        pages = ray.data.read_datasource(_source(holder), override_num_blocks=1, num_cpus=0.1)
        embedded = pages.map_batches(
            Embedding,
            fn_constructor_args=(job,),
            batch_size=1,
            batch_format="numpy",
            compute=ray.data.ActorPoolStrategy(min_size=1, initial_size=first, max_size=most),
            num_cpus=1 if on_cards else SHARE,
            num_gpus=1 if on_cards else None,
        )
        for batch in embedded.iter_batches(batch_size=None, prefetch_batches=0):
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
