"""Carry out plans: read, decode, embed and commit, side by side.

    feed thread      files -> hash -> worker processes decode -> a bounded queue
    calling thread   batches of pictures -> the model
    writer thread    one transaction a batch, the commit point

An interruption loses what was not committed: at most the batch that is being written, and the one that is being
embedded meanwhile; the next run plans anew.
"""

import logging
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from indexer.embedders.base import Embedder
from indexer.embedding import Vector, embed_batch
from indexer.feed import Feed, Outcome
from indexer.pictures.decoding import Decoded
from indexer.pictures.limits import Limits
from indexer.pictures.pool import DecodePool
from indexer.pictures.thumbnails import Thumbnails
from indexer.planning import Pending, RootPlan
from storage.batch import Batch
from storage.catalog import Catalog
from storage.perceptual import put_hashes
from storage.records import (
    EmbeddingRecord,
    FileRecord,
    SpaceRecord,
    State,
)
from storage.view import View

__all__ = ["BuildReport", "Pipeline", "Progress"]

log = logging.getLogger(__name__)

SETTLED_BATCH = 500
"""Files that need no model are committed so many at a time."""

Vectors = dict[bytes, Vector | None]
"""Vectors by the SHA-256 of the bytes that they stand for; None where the model gave none."""


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a build has come.

    While `stage` is "looking", `done` counts files found so far; while it is "embedding", files whose outcome
    is committed.
    """

    stage: Literal["looking", "embedding"]
    done: int
    total: int = 0
    embedded: int = 0
    failed: int = 0
    seconds: float = 0.0

    def __str__(self) -> str:
        if self.stage == "looking":
            return f"{self.done} files found"
        rate = self.done / self.seconds if self.seconds else 0.0
        return f"{self.done}/{self.total} files, {self.embedded} embedded, {rate:.0f} a second"


@dataclass(slots=True)
class BuildReport:
    """What a build did."""

    pending: int = 0
    """Files that had to be read: new, changed, or not yet in the space."""
    embedded: int = 0
    unchanged: int = 0
    known: int = 0
    """New paths, or new time stamps, for bytes that the space had already."""
    moved: int = 0
    removed: int = 0
    failed: int = 0
    """Files that could not be read, now or before."""
    kept: int = 0
    """Photos whose files are gone but that were not removed, since that would be more than half of a root."""
    states: dict[State, int] = field(default_factory=dict)
    """Photos that became present, offline or excluded."""
    offline_roots: dict[bytes, str] = field(default_factory=dict)
    unreadable: dict[bytes, str] = field(default_factory=dict)
    """Folders that could not be listed; what was known below them is kept."""
    seconds: float = 0.0


@dataclass(slots=True)
class _Committed:
    """What one transaction did."""

    files: int
    vectors: Vectors
    known: int = 0
    moved: int = 0
    failed: int = 0


class Pipeline:
    """One run over the plans of some roots, into one space."""

    def __init__(
        self,
        catalog: Catalog,
        space: SpaceRecord,
        embedder: Callable[[], Embedder],
        pool: DecodePool,
        limits: Limits,
        batch_size: int,
        on_progress: Callable[[Progress], object],
        again: bool = False,
        thumbnails: Thumbnails | None = None,
    ) -> None:
        self._catalog = catalog
        self._space = space
        self._embedder = embedder
        self._pool = pool
        self._limits = limits
        self._batch_size = batch_size
        self._on_progress = on_progress
        self._again = again
        self._thumbnails = thumbnails
        self._moved_from: dict[int, list[int]] = {}
        self._uncommitted: set[bytes] = set()
        self._done = 0
        self._total = 0
        self._began = time.monotonic()
        self.report = BuildReport()

    def run(self, plans: Sequence[RootPlan]) -> None:
        """Read and embed what is pending.

        Photos that turn out to have moved leave their plan's `gone`.
        """
        for plan in plans:
            for photo_id, content_id in plan.gone.items():
                if content_id is not None:
                    self._moved_from.setdefault(content_id, []).append(photo_id)
        pending = [item for plan in plans for item in plan.pending]
        self._total = self.report.pending = len(pending)
        if pending:
            self._process(pending)
        self.report.seconds = time.monotonic() - self._began
        still_gone = {id for ids in self._moved_from.values() for id in ids}
        for plan in plans:
            plan.gone = {id: c for id, c in plan.gone.items() if c is None or id in still_gone}

    def _process(self, pending: Sequence[Pending]) -> None:
        with self._catalog.view() as view:
            sizes = view.content_sizes()
        feed = Feed(
            pending,
            self._pool,
            lambda item: not self._again and item.signature.size in sizes,
            self._settled_content,
            self._limits,
            ahead=2 * self._batch_size,
        )
        with feed, ThreadPoolExecutor(1, "glimpse-writer") as writer:
            writing: Future[_Committed] | None = None
            for outcomes in self._batches(feed):
                vectors = self._embed(outcomes)
                self._acknowledge(writing)
                writing = writer.submit(self._commit, outcomes, vectors)
            self._acknowledge(writing)

    def _settled_content(self, sha256: bytes) -> int | None:
        with self._catalog.view() as view:
            return self._settled(view, sha256)

    def _settled(self, view: View, sha256: bytes) -> int | None:
        content_id = view.content_id(sha256)
        if content_id is not None and view.has_vector(content_id, self._space.id):
            return content_id
        return None

    def _batches(self, feed: Feed) -> Iterator[list[Outcome]]:
        batch: list[Outcome] = []
        decoded = 0
        for outcome in feed:
            batch.append(outcome)
            decoded += isinstance(outcome.result, Decoded)
            if decoded == self._batch_size or len(batch) == SETTLED_BATCH:
                yield batch
                batch, decoded = [], 0
        if batch:
            yield batch

    def _embed(self, outcomes: Sequence[Outcome]) -> Vectors:
        """Vectors of the bytes that the space does not have."""
        decoded = [each.result for each in outcomes if isinstance(each.result, Decoded)]
        with self._catalog.view() as view:
            fresh = {d.sha256: d.pixels for d in decoded if self._is_fresh(view, d.sha256)}
        if not fresh:
            return {}
        self._uncommitted |= fresh.keys()
        vectors = embed_batch(self._embedder(), np.stack(list(fresh.values())))
        return dict(zip(fresh, vectors, strict=True))

    def _is_fresh(self, view: View, sha256: bytes) -> bool:
        if sha256 in self._uncommitted:
            return False
        return self._again or self._settled(view, sha256) is None

    def _commit(self, outcomes: Sequence[Outcome], vectors: Vectors) -> _Committed:
        """Write one batch, in the writer's thread."""
        did = _Committed(len(outcomes), vectors)
        with self._catalog.batch() as batch:
            ids = self._put_contents(batch, outcomes)
            files = [
                file for each in outcomes if (file := self._file(batch, each, ids, did)) is not None
            ]
            batch.put_files(files, batch.contents_at(files))
            batch.put_embeddings(self._record(ids[key], vector) for key, vector in vectors.items())
        self._keep_thumbnails(outcomes)
        return did

    def _keep_thumbnails(self, outcomes: Sequence[Outcome]) -> None:
        """After the commit, so that none is left of bytes that the library does not know."""
        try:
            for outcome in outcomes:
                if self._thumbnails and isinstance(outcome.result, Decoded):
                    self._thumbnails.keep(outcome.result.sha256, outcome.result.thumbnails)
        except OSError as error:  # they are made again when they are looked at
            log.warning("thumbnails are not kept: %s", error)
            self._thumbnails = None

    def _acknowledge(self, writing: Future[_Committed] | None) -> None:
        """Wait until a batch is committed, count what it did, and say so."""
        if writing is None:
            return
        did = writing.result()
        self._uncommitted -= did.vectors.keys()
        self._done += did.files
        report = self.report
        report.embedded += len(did.vectors)
        report.known += did.known
        report.moved += did.moved
        report.failed += did.failed + sum(vector is None for vector in did.vectors.values())
        seconds = time.monotonic() - self._began
        self._on_progress(
            Progress("embedding", self._done, self._total, report.embedded, report.failed, seconds)
        )

    def _put_contents(self, batch: Batch, outcomes: Sequence[Outcome]) -> dict[bytes, int]:
        """Record what was decoded; the ids of the contents by their SHA-256."""
        decoded = [each.result for each in outcomes if isinstance(each.result, Decoded)]
        ids = batch.add_contents(each.content() for each in decoded)
        put_hashes(batch, {ids[each.sha256]: each.phash for each in decoded})
        return ids

    def _file(
        self, batch: Batch, outcome: Outcome, ids: dict[bytes, int], did: _Committed
    ) -> FileRecord | None:
        """What is to be recorded of a file; None for one that moved, which has been."""
        result, item = outcome.result, outcome.item
        content_id, signature, reason = None, item.signature, None
        if isinstance(result, Decoded):
            content_id = ids[result.sha256]
            signature = result.signature
        elif isinstance(result, int):
            content_id = result
        else:
            reason = str(result)
            did.failed += 1
        file = FileRecord(
            item.root.id, item.folder, item.name, signature, outcome.read_at_ns, content_id, reason
        )
        moved = self._moved_from.get(content_id or 0) if item.is_new else None
        if moved:
            batch.move_file(moved.pop(), file)
            did.moved += 1
            return None
        is_fresh = isinstance(result, Decoded) and result.sha256 in did.vectors
        did.known += content_id is not None and not is_fresh
        return file

    def _record(self, content_id: int, vector: Vector | None) -> EmbeddingRecord:
        reason = None if vector is not None else f"{self._space.model} gave no finite vector"
        return EmbeddingRecord(self._space.id, content_id, vector, reason)
