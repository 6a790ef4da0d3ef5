"""What embeds the pictures of a build: this machine's pipeline, or a cluster's."""

import os
from collections.abc import Callable, Iterator
from concurrent.futures import Executor
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from indexer.build_options import BuildOptions
from indexer.config import Config, RuntimeConfig
from indexer.embedders.base import Embedder, Notify
from indexer.pictures.pool import DecodePool
from indexer.pictures.thumbnails import Thumbnails
from indexer.pipeline import Pipeline, Progress
from indexer.runtime.devices import pick_device
from indexer.spaces import Spaces
from storage.catalog import Catalog
from storage.records import SpaceRecord

if TYPE_CHECKING:
    from indexer.distributed.pipeline import DistributedPipeline

__all__ = ["pipeline", "workers_of"]


def pipeline(
    folder: Path,
    config: Config,
    spaces: Spaces,
    catalog: Catalog,
    space: SpaceRecord,
    options: BuildOptions,
    thumbnails: Thumbnails | None,
    on_progress: Callable[[Progress], object],
    notify: Notify,
) -> "Pipeline | DistributedPipeline":
    """The pipeline of the engine that the options name, which fills a space of the library in `folder`.

    Without `thumbnails` none are made.
    """
    if options.engine == "ray":
        # Deferred: Ray is an extra.
        from indexer.distributed.pipeline import DistributedPipeline

        return DistributedPipeline(
            folder, config, spaces, catalog, space, options, thumbnails, on_progress, notify
        )

    def embedder() -> Embedder:
        return spaces.builder(space, notify)

    build = config.build
    limits = build.limits()
    pool = DecodePool(
        spaces.embedder(space, notify).preprocessing,
        limits,
        build.decode_workers or _decoders(config.runtime),
        build.decode_timeout_s,
        thumbnails=thumbnails.folder if thumbnails else None,
    )
    return Pipeline(
        catalog,
        space,
        embedder,
        pool,
        limits,
        build.batch_size,
        on_progress,
        again=options.rebuild,
        thumbnails=thumbnails,
    )


def workers_of(options: BuildOptions) -> Callable[[], AbstractContextManager[Executor]] | None:
    """A cluster's workers, as long as they are needed; None where this machine builds alone."""
    if options.engine != "ray":
        return None

    @contextmanager
    def cluster() -> Iterator[Executor]:
        from indexer.distributed.workers import workers  # deferred: Ray is an extra

        with workers(options.ray_address) as executor:
            yield executor

    return cluster


def _decoders(config: RuntimeConfig) -> int:
    """Processes that decode: every core where the model runs elsewhere, else half of them."""
    cores = os.cpu_count() or 2
    return cores if pick_device(config.device) != "cpu" else max(2, cores // 2)
