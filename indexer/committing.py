"""What became of files, as the catalog takes it: one transaction a batch, and the count of what it did."""

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Literal

from indexer.embedding import Vector
from indexer.feed import Outcome
from indexer.pictures.decoding import Decoded
from indexer.pictures.thumbnails import Thumbnails
from indexer.planning import RootPlan
from storage.batch import Batch
from storage.catalog import Catalog
from storage.perceptual import put_hashes
from storage.records import EmbeddingRecord, FileRecord, SpaceRecord, State
from storage.view import View

__all__ = ["BuildReport", "Committed", "Committer", "Progress", "Vectors"]

log = logging.getLogger(__name__)

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
class Committed:
    """What one transaction did."""

    files: int
    vectors: Vectors
    known: int = 0
    moved: int = 0
    failed: int = 0


class Committer:
    """Writes outcomes into one space of a catalog, and keeps count; whoever embeds, here or elsewhere."""

    def __init__(
        self,
        catalog: Catalog,
        space: SpaceRecord,
        on_progress: Callable[[Progress], object],
        thumbnails: Thumbnails | None = None,
    ) -> None:
        self._catalog = catalog
        self._space = space
        self._on_progress = on_progress
        self._thumbnails = thumbnails
        self._moved_from: dict[int, list[int]] = {}
        self._done = 0
        self._began = time.monotonic()
        self.report = BuildReport()

    def expect(self, plans: Sequence[RootPlan]) -> None:
        """Learn how many files will come, and which photos may turn out to have moved."""
        for plan in plans:
            for photo_id, content_id in plan.gone.items():
                if content_id is not None:
                    self._moved_from.setdefault(content_id, []).append(photo_id)
        self.report.pending = sum(len(plan.pending) for plan in plans)

    def conclude(self, plans: Sequence[RootPlan]) -> None:
        """Photos that turned out to have moved leave their plan's `gone`."""
        self.report.seconds = time.monotonic() - self._began
        still_gone = {id for ids in self._moved_from.values() for id in ids}
        for plan in plans:
            plan.gone = {id: c for id, c in plan.gone.items() if c is None or id in still_gone}

    def settled(self, view: View, hashes: Sequence[bytes]) -> dict[bytes, int]:
        """The contents with these bytes that the space has the vectors of, by hash."""
        ids = view.content_ids(hashes)
        done = view.with_vector(list(ids.values()), self._space.id)
        return {sha256: id for sha256, id in ids.items() if id in done}

    def commit(
        self,
        outcomes: Sequence[Outcome],
        vectors: Vectors,
        besides: Callable[[Batch], object] = lambda batch: None,
    ) -> Committed:
        """Write one batch; `besides` writes what belongs to the same transaction."""
        did = Committed(len(outcomes), vectors)
        with self._catalog.batch() as batch:
            besides(batch)
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

    def acknowledge(self, did: Committed) -> None:
        """Count what a batch did, and say so."""
        self._done += did.files
        report = self.report
        report.embedded += len(did.vectors)
        report.known += did.known
        report.moved += did.moved
        report.failed += did.failed + sum(vector is None for vector in did.vectors.values())
        seconds = time.monotonic() - self._began
        counts = report.embedded, report.failed, seconds
        self._on_progress(Progress("embedding", self._done, report.pending, *counts))

    def _put_contents(self, batch: Batch, outcomes: Sequence[Outcome]) -> dict[bytes, int]:
        """Record what was decoded; the ids of the contents by their SHA-256."""
        decoded = [each.result for each in outcomes if isinstance(each.result, Decoded)]
        ids = batch.add_contents(each.content() for each in decoded)
        put_hashes(batch, {ids[each.sha256]: each.phash for each in decoded})
        return ids

    def _file(
        self, batch: Batch, outcome: Outcome, ids: dict[bytes, int], did: Committed
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
