"""A cluster as an executor, for what storage would have done by several at once."""

from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future
from contextlib import contextmanager
from functools import partial
from typing import ParamSpec, TypeVar

from indexer.distributed.cluster import Cluster
from indexer.distributed.joining import connected

__all__ = ["workers"]

Given = ParamSpec("Given")
Told = TypeVar("Told")


@contextmanager
def workers(address: str | None) -> Iterator[Executor]:
    """The cluster at an address, or one here, as long as it is needed. Raises GlimpseError."""
    with connected(address) as cluster:
        yield _Tasks(cluster)


class _Tasks(Executor):
    """A task of the cluster's for each call."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster

    def submit(
        self, fn: Callable[Given, Told], /, *args: Given.args, **kwargs: Given.kwargs
    ) -> Future[Told]:
        """As `Executor`."""
        return self._cluster.submit(partial(fn, *args, **kwargs))
