"""Carry out plans: read, decode, embed and commit, side by side.

    feed thread      files -> hash -> worker processes decode -> a bounded queue
    calling thread   batches of pictures -> the model
    writer thread    one transaction a batch, the commit point

An interruption loses what was not committed: at most the batch that is being written, and the one that is being
embedded meanwhile; the next run plans anew.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence, Set
from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np

from indexer.committing import BuildReport, Committed, Committer, Progress, Vectors
from indexer.embedders.base import Embedder
from indexer.embedding import embed_batch
from indexer.feed import Feed, Outcome
from indexer.pictures.decoding import Decoded
from indexer.pictures.limits import Limits
from indexer.pictures.pool import DecodePool
from indexer.pictures.thumbnails import Thumbnails
from indexer.planning import Pending, Pendings, RootPlan
from storage.catalog import Catalog
from storage.records import RootRecord, SpaceRecord

__all__ = ["BuildReport", "Pipeline", "Progress"]

SETTLED_BATCH = 500
"""Files that need no model are committed so many at a time."""


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
        self._again = again
        self._uncommitted: set[bytes] = set()
        self._committer = Committer(catalog, space, on_progress, thumbnails)
        self.report = self._committer.report

    def take_leftovers(self) -> None:
        """Nothing: what was embedded here was committed, or is embedded again."""

    def pending(self, root: RootRecord) -> Pendings:
        """Where a plan puts its pending files."""
        return []

    def run(self, plans: Sequence[RootPlan]) -> None:
        """Read and embed what is pending.

        Photos that turn out to have moved leave their plan's `gone`.
        """
        self._committer.expect(plans)
        if self.report.pending:
            self._process(item for plan in plans for item in plan.pending)
        self._committer.conclude(plans)

    def _process(self, pending: Iterable[Pending]) -> None:
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
            writing: Future[Committed] | None = None
            for outcomes in self._batches(feed):
                vectors = self._embed(outcomes)
                self._acknowledge(writing)
                writing = writer.submit(self._committer.commit, outcomes, vectors)
            self._acknowledge(writing)

    def _settled_content(self, sha256: bytes) -> int | None:
        with self._catalog.view() as view:
            return self._committer.settled(view, [sha256]).get(sha256)

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
        results = (each.result for each in outcomes)
        decoded = {each.sha256: each.pixels for each in results if isinstance(each, Decoded)}
        settled = self._settled(list(decoded))
        fresh = {sha256: pixels for sha256, pixels in decoded.items() if sha256 not in settled}
        if not fresh:
            return {}
        self._uncommitted |= fresh.keys()
        vectors = embed_batch(self._embedder(), np.stack(list(fresh.values())))
        return dict(zip(fresh, vectors, strict=True))

    def _settled(self, hashes: Sequence[bytes]) -> Set[bytes]:
        """Those that need no model: the space has their vectors, or the batch that is being written does."""
        if self._again:
            return self._uncommitted
        with self._catalog.view() as view:
            return self._uncommitted | self._committer.settled(view, hashes).keys()

    def _acknowledge(self, writing: Future[Committed] | None) -> None:
        """Wait until a batch is committed, count what it did, and say so."""
        if writing is None:
            return
        did = writing.result()
        self._uncommitted -= did.vectors.keys()
        self._committer.acknowledge(did)
