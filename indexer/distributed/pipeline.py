"""Carry out plans with a cluster: it embeds, page by page, and the one writer takes in each shard as it gets done.

    driver     plan -> pages, on disk until they are wanted
    workers    a page: read, hash, decode, embed -> a shard, under a name that is made of the page
    driver     one transaction a shard: photos, contents, vectors, and that this shard is taken in

A worker that is killed loses a page, which another embeds. A driver that is killed loses nothing that was written:
the next build takes in the shards that it finds, before it compares folders with the catalog.
"""

import hashlib
import json
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np

from indexer.build_options import BuildOptions
from indexer.committing import Committed, Committer, Progress, Vectors
from indexer.config import Config
from indexer.distributed.cluster import Cluster
from indexer.distributed.joining import connected
from indexer.distributed.pages import Item, Spool, pages_of
from indexer.distributed.shards import VERSION, Row, Shard, Store, name_of, unpack
from indexer.distributed.worker import Job
from indexer.embedders.base import Notify
from indexer.errors import GlimpseError, PictureError, UsageError
from indexer.feed import Outcome
from indexer.pictures.decoding import Decoded
from indexer.pictures.metadata import Metadata
from indexer.pictures.thumbnails import Thumbnails
from indexer.planning import Pending, RootPlan
from indexer.roots import covers
from indexer.spaces import Spaces
from indexer.urls import is_url
from storage.batch import Batch
from storage.catalog import Catalog
from storage.exchange import sized_hashes
from storage.records import RootRecord, SpaceRecord
from storage.view import View

__all__ = ["DistributedPipeline"]

SHARDS = "shards"
"""Where they lie in the library's folder while nothing else is said; they go once they are taken in."""
TAKEN = "shard:"
"""In the catalog's `meta`, with the key of each shard that was taken in."""
LOOKED_UP = 256
"""Files whose sizes are looked up together."""


class DistributedPipeline:
    """One run over the plans of some roots, into one space."""

    def __init__(
        self,
        folder: Path,
        config: Config,
        spaces: Spaces,
        catalog: Catalog,
        space: SpaceRecord,
        options: BuildOptions,
        thumbnails: Thumbnails | None,
        on_progress: Callable[[Progress], object],
        notify: Notify,
    ) -> None:
        self._folder, self._config, self._spaces = folder, config, spaces
        self._catalog, self._space, self._options = catalog, space, options
        self._notify = notify
        self._committer = Committer(catalog, space, on_progress, thumbnails)
        self.report = self._committer.report
        place = options.shards or str(folder / SHARDS)
        self._place = place if is_url(place) else os.path.abspath(place)
        self._store = Store(self._place, space.fingerprint)

    def pending(self, root: RootRecord) -> Spool:
        """Where a plan puts its pending files."""
        return Spool(root, self._folder)

    def take_leftovers(self) -> int:
        """Take in what a build that was stopped had embedded; how many shards."""
        self._store.tidy()
        with self._catalog.view() as view:
            keys = [key for key in self._store.names() if not self._is_taken(view, key)]
        taken = 0
        for key in keys:
            try:
                taken += self._take(key, None) is not None
            except GlimpseError as error:
                self._notify(f"{error}; its photos are embedded again")
                if not self._options.shards:
                    self._store.drop(name_of(key))
        if taken:
            self._notify(f"{taken} shards of an earlier build were taken in")
        self._tidy(self._store.names() if taken or not self._options.shards else ())
        return taken

    def run(self, plans: Sequence[RootPlan]) -> None:
        """Have what is pending embedded. Raises GlimpseError; what was taken in stays."""
        self._committer.expect(plans)
        if self.report.pending:
            with connected(self._options.ray_address) as cluster:
                self._embed(cluster, plans)
        if self._options.shards:
            self._publish()
        self._committer.conclude(plans)

    def _embed(self, cluster: Cluster, plans: Sequence[RootPlan]) -> None:
        on_cards = cluster.cards > 0 and self._config.runtime.device != "cpu"
        room = cluster.cards if on_cards else cluster.processors
        workers = self._config.build.ray_workers or room
        self._check_reach(cluster)
        job = self._job(cluster, on_cards)
        size = self._config.build.shard_size
        most = min(workers, -(-self.report.pending // size))
        pages = pages_of(self._items(plans), size, self._about())
        for shard in cluster.embed(pages, job, most, on_cards):
            did = self._take(shard.key, shard)
            if did is None:
                raise GlimpseError(f"{self._store.where(shard.name)} is not there; build again")
            self._committer.acknowledge(did)
            self._tidy([shard.key])

    def _check_reach(self, cluster: Cluster) -> None:
        if cluster.machines > 1 and not self._options.shards:
            raise UsageError(
                f"the cluster has {cluster.machines} machines; name a folder or URL that all of them reach, with "
                f"--shards s3://bucket/shards"
            )

    def _job(self, cluster: Cluster, on_cards: bool) -> Job:
        runtime, build = self._config.runtime, self._config.build
        if not on_cards:
            runtime = runtime.model_copy(update={"device": "cpu", "threads": runtime.threads or 1})
        self._spaces.embedder(self._space, self._notify)  # so that it lies there, exported
        elsewhere = self._options.ray_address is not None
        model = cluster.share(self._spaces.folder(self._space)) if elsewhere else None
        share = max(1, cluster.processors // max(cluster.cards, 1) - 1) if on_cards else 1
        decoders = build.decode_workers or share
        return Job(self._space, str(self._folder), model, self._place, build, runtime, decoders)

    def _about(self) -> str:
        """What makes the keys of this build's pages other than those of the last: what looks the same may differ."""
        with self._catalog.view() as view:
            return f"{VERSION} {self._space.fingerprint} {view.library_id()} {view.change_seq()}"

    def _items(self, plans: Sequence[RootPlan]) -> Iterator[Item]:
        """Every pending file; where its size is that of bytes that are embedded already, with their hashes."""
        for plan in plans:
            part = list[Pending]()
            for item in plan.pending:
                part.append(item)
                if len(part) == LOOKED_UP:
                    yield from self._looked_up(part)
                    part = []
            yield from self._looked_up(part)

    def _looked_up(self, part: Sequence[Pending]) -> Iterator[Item]:
        known: dict[int, list[bytes]] = {}
        if part and not self._options.rebuild:
            with self._catalog.view() as view:
                known = sized_hashes(view, {p.signature.size for p in part}, self._space.id)
        for p in part:
            hashes = tuple(known.get(p.signature.size, ()))
            yield Item(p.root.path, p.folder, p.name, p.signature, p.is_new, hashes)

    def _take(self, key: str, told: Shard | None) -> Committed | None:
        """Take a shard in, unless it was; None where it is not there. Raises GlimpseError where it is damaged."""
        name = name_of(key)
        data = self._store.read(name)
        if data is None:
            return None
        where = self._store.where(name)
        if told and hashlib.sha256(data).hexdigest() != told.sha256:
            raise GlimpseError(f"{where} is not as the worker wrote it; delete it, and build again")
        rows = unpack(data, self._space, where)
        with self._catalog.view() as view:
            if self._is_taken(view, key):
                return Committed(0, {})
            outcomes, vectors = self._outcomes(view, rows)

        shard = told or Shard(key, len(rows), len(data), hashlib.sha256(data).hexdigest())

        def remember(batch: Batch) -> None:
            batch.set_meta(TAKEN + key, json.dumps(asdict(shard)))

        return self._committer.commit(outcomes, vectors, remember)

    def _publish(self) -> None:
        with self._catalog.view() as view:

            def known(key: str) -> Shard | None:
                said = view.get_meta(TAKEN + key)
                return Shard(**json.loads(said)) if said else None

            self._store.publish(self._space, known)

    def _is_taken(self, view: View, key: str) -> bool:
        return view.get_meta(TAKEN + key) is not None

    def _outcomes(self, view: View, rows: Sequence[Row]) -> tuple[list[Outcome], Vectors]:
        roots, outcomes, vectors = view.roots(), list[Outcome](), Vectors()
        hashes = [row.sha256 for row in rows if row.sha256 is not None]
        settled = {} if self._options.rebuild else self._committer.settled(view, hashes)
        for row in rows:
            item = _pending(row, roots)
            result = _result(view, row)
            if item is None or result is None:
                continue  # its root, or its bytes, have been forgotten since
            outcomes.append(Outcome(item, row.read_at_ns, result))
            if isinstance(result, Decoded) and result.sha256 not in settled:
                vectors[result.sha256] = row.vector
        return outcomes, vectors

    def _tidy(self, keys: Iterable[str]) -> None:
        """Delete shards that are taken in, unless the user wants them."""
        for key in () if self._options.shards else keys:
            with self._catalog.view() as view:
                is_taken = self._is_taken(view, key)
            if is_taken:
                self._store.drop(name_of(key))


def _pending(row: Row, roots: Sequence[RootRecord]) -> Pending | None:
    """The file that a row is of, in the root that covers it now."""
    join = _joined if is_url(row.root) else os.path.join
    whole = join(row.root, row.folder, row.name)
    for root in roots:
        if covers(root.path, whole) and whole != root.path:
            folder, _, name = whole[len(root.path) :].lstrip(b"/").rpartition(b"/")
            return Pending(root, folder, name, row.signature, row.is_new)
    return None


def _joined(*parts: bytes) -> bytes:
    return b"/".join(part for part in parts if part)


def _result(view: View, row: Row) -> int | Decoded | PictureError | None:
    if row.reason is not None:
        return PictureError(row.reason)
    assert row.sha256 is not None
    if row.known:
        return view.content_id(row.sha256)
    return Decoded(
        np.empty((0, 0, 3), np.uint8),
        row.signature,
        row.sha256,
        row.width,
        row.height,
        row.format,
        row.metadata or Metadata(),
        row.phash,
        row.thumbnails,
    )
