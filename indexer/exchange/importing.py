"""The verb `import`: vectors that were made elsewhere, with the photos that they are of.

    look at all files -> find the space -> rows: place, hash, commit (one transaction a batch) -> publish a snapshot

Nothing is written before all files have been looked at. Pictures are read for their hash and their header, in worker
processes; no pixel is decoded, and no model runs.
"""

import os
import time
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from indexer import roots
from indexer.catalogs import open_catalog
from indexer.config import Config
from indexer.embedders.base import Notify
from indexer.errors import PictureError, UsageError
from indexer.exchange import manifest
from indexer.exchange.arriving import Arriving, Chunk, Source
from indexer.exchange.clip_retrieval_reading import ClipRetrievalSource, is_clip_retrieval
from indexer.exchange.fiftyone_reading import FiftyOneSource, is_fiftyone
from indexer.exchange.joining import Joining
from indexer.exchange.linking import Link, Linking, put_links
from indexer.exchange.options import ImportOptions, ImportReport
from indexer.exchange.parquet_reading import ParquetSource
from indexer.exchange.placing import Placing
from indexer.exchange.vectors import checked
from indexer.pictures.pool import DecodePool
from indexer.progress import OnStep, Watch
from indexer.search.background import asked_words
from indexer.spaces import Spaces
from indexer.vector_stores import vector_store
from storage.catalog import Catalog
from storage.exchange import put_tags
from storage.records import EmbeddingRecord, RootRecord, SpaceRecord

__all__ = ["Importing", "open_source"]

AT_ONCE = 1000
"""Rows that are committed together; an interruption loses at most so many."""


def open_source(folder: Path, options: ImportOptions) -> Source:
    """What lies in the folder. Raises UsageError, and GlimpseError for files that are damaged or not whole."""
    if not folder.is_dir():
        raise UsageError(f"{folder} is no folder; name one that holds vectors")
    known = manifest.read(folder)
    if known is not None and known.layout == "parquet":
        return ParquetSource(folder, known)
    origin = known.origin if known else None
    if is_clip_retrieval(folder):
        return ClipRetrievalSource(folder, origin)
    if is_fiftyone(folder):
        field = options.vectors or ("embedding" if known else None)
        return FiftyOneSource(folder, origin, field)
    raise UsageError(
        f"{folder} holds no vectors that can be read; name an export of Glimpse's, a folder with clip-retrieval's "
        f"img_emb and metadata, or a FiftyOne dataset"
    )


class Importing:
    """One import."""

    def __init__(
        self,
        library: Path,
        config: Config,
        spaces: Spaces,
        options: ImportOptions,
        space: str | None,
        on_step: OnStep,
        notify: Notify,
    ) -> None:
        self._library, self._config, self._spaces = library, config, spaces
        self._options, self._space = options, space
        self._on_step, self._notify = on_step, notify

    def run(self, folder: Path) -> ImportReport:
        """Import what lies in the folder."""
        began = time.monotonic()
        source = open_source(folder, self._options)
        joining = Joining(
            self._spaces,
            source.origin,
            source.dim,
            self._options.model,
            self._space,
            self._notify,
        )
        vector_store(self._library, self._config).reach()
        known = self._look(joining)
        whereabouts = Watch(self._on_step).over(source.whereabouts(), source.count, "looking")
        placing = Placing(folder, self._options.root, whereabouts, known)
        with (
            open_catalog(self._library, self._config.library, create=True) as catalog,
            catalog.writer(),
        ):
            report = self._write(catalog, source, joining, placing)
        report.seconds = time.monotonic() - began
        return report

    def _look(self, joining: Joining) -> list[bytes]:
        """Find the space; the roots that the library has."""
        if not Catalog.exists(self._library, self._config.library.catalog):
            joining.check(None)
            return []
        with open_catalog(self._library, self._config.library) as catalog, catalog.view() as view:
            joining.check(view)
            return [root.path for root in view.roots()]

    def _write(
        self, catalog: Catalog, source: Source, joining: Joining, placing: Placing
    ) -> ImportReport:
        store = vector_store(self._library, self._config)
        space = joining.join(catalog)
        report = ImportReport(space.name)
        placing.settle(_adopted(catalog, placing, report))
        build = self._config.build
        workers = build.decode_workers or os.cpu_count() or 2
        with DecodePool(None, build.limits(), workers, build.decode_timeout_s) as pool:
            linking = Linking(catalog, placing, pool)
            done = 0
            for chunk in source.chunks(AT_ONCE):
                self._take(catalog, space, linking, chunk, report)
                done += len(chunk.rows)
                self._on_step("importing", done, source.count)
        with catalog.view() as view:
            is_due = store.needs_publishing(view, space)
        if is_due:
            self._on_step("indexing", done, source.count)
            words = partial(asked_words, self._spaces, space, self._notify)
            store.publish(catalog, space, words=words)
        return report

    def _take(
        self,
        catalog: Catalog,
        space: SpaceRecord,
        linking: Linking,
        chunk: Chunk,
        report: ImportReport,
    ) -> None:
        vectors, faults = checked(chunk.vectors)
        sound = list[tuple[Arriving, NDArray[np.float32]]]()
        for row, vector, fault in zip(chunk.rows, vectors, faults, strict=True):
            if wrong := row.fault or fault:
                _skip(report, row, wrong)
            else:
                sound.append((row, vector))
        links = list[tuple[Link, NDArray[np.float32]]]()
        found = linking.links([row for row, _ in sound])
        for (row, vector), link in zip(sound, found, strict=True):
            if isinstance(link, PictureError):
                _skip(report, row, str(link))
            else:
                links.append((link, vector))
        _commit(catalog, space, links, report)


def _skip(report: ImportReport, row: Arriving, reason: str) -> None:
    report.skip(f"{row.row}, {os.fsdecode(row.where.path)}", reason)


def _commit(
    catalog: Catalog,
    space: SpaceRecord,
    links: list[tuple[Link, NDArray[np.float32]]],
    report: ImportReport,
) -> None:
    """Write one batch; the same again changes nothing."""
    with catalog.batch() as batch:
        ids = put_links(batch, [link for link, _ in links])
        known = batch.with_vector(ids, space.id)
        fresh = {id: vector for id, (_, vector) in zip(ids, links, strict=True) if id not in known}
        batch.put_embeddings(EmbeddingRecord(space.id, id, vector) for id, vector in fresh.items())
        tags = ((id, t) for id, (link, _) in zip(ids, links, strict=True) for t in link.tags)
        put_tags(batch, tags)
    report.photos += len(links)
    report.embedded += len(fresh)
    report.known += len(links) - len(fresh)
    report.offline += sum(link.offline for link, _ in links)


def _adopted(catalog: Catalog, placing: Placing, report: ImportReport) -> list[RootRecord]:
    """The folders as roots; those that are not there are offline, and one that was forgotten meanwhile stays so."""
    with catalog.view() as view:
        before = {root.path for root in view.roots()}
    forgotten = set(placing.known) - before
    adopted = roots.adopt(catalog, [path for path in placing.folders if path not in forgotten])
    report.roots = [os.fsdecode(root.path) for root in adopted if root.path not in before]
    for root in adopted:
        if not os.path.isdir(root.path) and root.offline_reason is None:
            with catalog.batch() as batch:
                batch.set_root_offline(root.id, "is not there")
    return adopted
