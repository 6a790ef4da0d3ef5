"""A cluster as an executor, for what storage would have done by several at once."""

from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future
from contextlib import contextmanager
from types import ModuleType
from typing import Any, ParamSpec, TypeVar

from indexer.distributed.joining import connected

__all__ = ["workers"]

Given = ParamSpec("Given")
Told = TypeVar("Told")


@contextmanager
def workers(address: str | None) -> Iterator[Executor]:
    """The cluster at an address, or one here, as long as it is needed. Raises GlimpseError."""
    with connected(address) as cluster:
        yield _Tasks(cluster.ray)


class _Tasks(Executor):
    """A task of Ray's for each call, on a processor each; what a dead machine had is given out again by Ray."""

    def __init__(self, ray: ModuleType) -> None:
        self._ray = ray

    def submit(
        self, fn: Callable[Given, Told], /, *args: Given.args, **kwargs: Given.kwargs
    ) -> Future[Told]:
        task: Any = self._ray.remote(num_cpus=1)(fn)
        done: Future[Told] = task.remote(*args, **kwargs).future()
        return done
