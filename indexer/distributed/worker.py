"""What one worker of the cluster does: a page of files becomes a shard.

It reads, decodes and embeds as a build on one machine does: the same decoding processes, the same preprocessing, the
same session over the same exported model.
"""

import hashlib
import os
import shutil
import stat
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from indexer.config import BuildConfig, RuntimeConfig
from indexer.distributed.pages import Item, Page
from indexer.distributed.remote import fetch
from indexer.distributed.shards import Row, Shard, Store, pack
from indexer.embedders.base import Embedder
from indexer.embedding import Vector, embed_batch
from indexer.errors import GlimpseError, PictureError
from indexer.pictures.decoding import Decoded
from indexer.pictures.limits import Limits
from indexer.pictures.pool import DecodePool
from indexer.pictures.reading import read_file
from indexer.progress import silently
from indexer.spaces import MODELS, Spaces
from indexer.urls import is_url
from storage.records import SpaceRecord

__all__ = ["Embedding", "Job"]

AT_ONCE = 8
"""Pictures that a processor embeds together: decoders wait at the end of a page, and the model at its beginning."""
NONE_THERE = Path("/nonexistent")
"""A folder in which every thumbnail is missing."""


@dataclass(frozen=True, slots=True)
class Job:
    """What every worker of a build is told."""

    space: SpaceRecord
    library: str
    """Its folder, where the model lies as it runs, on machines that have it."""
    model: Any
    """Elsewhere: a reference of Ray's to the files of the model, by name."""
    store: str
    build: BuildConfig
    runtime: RuntimeConfig
    decoders: int
    """Processes that decode, for each worker."""


class Embedding:
    """A worker, which holds the model; Ray makes as many of them as there is room for, and anew where one dies."""

    def __init__(self, job: Job) -> None:
        self._job = job
        self._limits = job.build.limits()
        size = job.build.batch_size
        self._at_once = min(size, AT_ONCE) if job.runtime.device == "cpu" else size
        self._embedder: Embedder | None = None
        self._store: Store | None = None
        self._pool: DecodePool | None = None

    def __call__(self, batch: Mapping[str, Any]) -> dict[str, list[Any]]:
        """Embed one page, unless its shard is there; which shard, or what is wrong with the whole build."""
        number, data = int(batch["number"][0]), bytes(batch["page"][0])
        shard, fault = Shard("", 0, 0, ""), ""
        if data:
            try:
                shard = self._embed(Page.unpacked(data))
            except GlimpseError as error:
                fault = str(error)
        told = {"key": shard.key, "rows": shard.rows, "bytes": shard.bytes, "sha256": shard.sha256}
        return {
            name: [value] for name, value in ({"number": number, "fault": fault} | told).items()
        }

    def _embed(self, page: Page) -> Shard:
        store = self._store = self._store or Store(self._job.store, self._job.space.fingerprint)
        there = store.shard(page.key)  # from a worker that died before it could say so
        if there is not None:
            return there
        for root in {item.root for item in page.items}:
            if not is_url(root) and not os.path.isdir(root):
                raise GlimpseError(
                    f"{os.fsdecode(root)} is not there on {os.uname().nodename}; every machine of the cluster has to "
                    f"reach it"
                )
        rows = list(self._rows(page))
        data = pack(rows, self._job.space)
        shard = Shard(page.key, len(rows), len(data), hashlib.sha256(data).hexdigest())
        store.put(shard.name, data)
        return shard

    def _rows(self, page: Page) -> Iterator[Row]:
        """What became of each file, as it gets done; bytes that come twice are embedded once."""
        waiting: list[tuple[Item, int, Decoded]] = []
        vectors: dict[bytes, Vector | None] = {}
        with tempfile.TemporaryDirectory(prefix="glimpse-") as scratch:
            files = _Files(page.items, self._limits, Path(scratch))
            for path, result in self._decoders().decode(files.to_decode()):
                item, read_at = files.taken(path)
                if isinstance(result, PictureError):
                    yield _failed(item, read_at, result)
                    continue
                waiting.append((item, read_at, result))
                fresh = {d.sha256 for _, _, d in waiting} - vectors.keys()
                if len(fresh) == self._at_once:
                    yield from self._embedded(waiting, vectors)
                    waiting = []
            yield from self._embedded(waiting, vectors)
            yield from files.settled

    def _embedded(
        self, waiting: list[tuple[Item, int, Decoded]], vectors: dict[bytes, Vector | None]
    ) -> Iterator[Row]:
        pixels = {d.sha256: d.pixels for _, _, d in waiting if d.sha256 not in vectors}
        if pixels:
            rows = embed_batch(self._model(), np.stack(list(pixels.values())))
            vectors.update(zip(pixels, rows, strict=True))
        for item, read_at, decoded in waiting:
            yield _seen(item, read_at, decoded, vectors[decoded.sha256])

    def _model(self) -> Embedder:
        if self._embedder is None:
            library = Path(self._job.library)
            spaces = Spaces(library, self._job.runtime)
            if not spaces.folder(self._job.space).is_dir():
                library = self._unpacked()
                spaces = Spaces(library, self._job.runtime)
            self._embedder = spaces.builder(self._job.space, silently)
        return self._embedder

    def _unpacked(self) -> Path:
        """A folder like a library's, with the model that the driver sent; workers of a machine share it."""
        import ray  # deferred: the rest of this file is embedding alone

        folder = Path(tempfile.gettempdir()) / f"glimpse-models-{os.getuid()}"
        target = Spaces(_private(folder), self._job.runtime).folder(self._job.space)
        if target.is_dir():
            return folder
        if self._job.model is None:
            raise GlimpseError(f"{self._job.library} is not on every machine of the cluster")
        aside = Path(tempfile.mkdtemp(dir=target.parent))
        for name, data in ray.get(self._job.model).items():
            (aside / name).write_bytes(data)
        try:
            aside.rename(target)
        except OSError:  # another worker was quicker
            shutil.rmtree(aside)
        return folder

    def _decoders(self) -> DecodePool:
        if self._pool is None:
            build, preprocessing = self._job.build, self._model().preprocessing
            # Of none is it known here whether it is there; and pictures are decoded as large as on one machine.
            thumbnails = NONE_THERE if build.thumbnails else None
            self._pool = DecodePool(
                preprocessing,
                self._limits,
                self._job.decoders,
                build.decode_timeout_s,
                ahead=build.batch_size,
                thumbnails=thumbnails,
            )
        return self._pool


class _Files:
    """The files of a page on their way to the decoders; those from elsewhere lie in `scratch` meanwhile."""

    def __init__(self, items: Iterable[Item], limits: Limits, scratch: Path) -> None:
        self._items, self._limits, self._scratch = items, limits, scratch
        self._taken: dict[bytes, tuple[Item, int]] = {}
        self.settled: list[Row] = []
        """Of those that need no decoding."""

    def to_decode(self) -> Iterator[bytes]:
        """Where each file lies that has to be decoded."""
        for number, item in enumerate(self._items):
            read_at = time.time_ns()
            try:
                path = self._path(number, item)
            except PictureError as error:
                self.settled.append(_failed(item, read_at, error))
                continue
            if isinstance(path, Row):
                self.settled.append(path)
            else:
                self._taken[path] = item, read_at
                yield path

    def taken(self, path: bytes) -> tuple[Item, int]:
        """Which file it was, and when it was read; it is not needed any more."""
        if os.path.dirname(path) == os.fsencode(self._scratch):
            os.unlink(path)
        return self._taken.pop(path)

    def _path(self, number: int, item: Item) -> bytes | Row:
        whole = _whole(item)
        if is_url(whole):
            self._limits.check_bytes(item.signature.size)
            read_at, data = time.time_ns(), fetch(whole, self._limits)
            if row := _known(item, read_at, data):
                return row
            suffix = os.path.splitext(item.name)[1]
            path = os.path.join(os.fsencode(self._scratch), b"%d%s" % (number, suffix))
            with open(path, "wb") as file:
                file.write(data)
            return path
        if item.known:
            read_at = time.time_ns()
            try:
                data, _ = read_file(whole, self._limits, follow_links=False)
            except PictureError:
                return whole  # the decoder meets the same, and says why
            if row := _known(item, read_at, data):
                return row
        return whole


def _known(item: Item, read_at: int, data: bytes) -> Row | None:
    digest = hashlib.sha256(data).digest()
    if digest not in item.known:
        return None
    place = item.root, item.folder, item.name
    return Row(*place, item.is_new, read_at, item.signature, digest, known=True)


def _failed(item: Item, read_at: int, error: PictureError) -> Row:
    place = item.root, item.folder, item.name
    return Row(*place, item.is_new, read_at, item.signature, reason=str(error))


def _seen(item: Item, read_at: int, decoded: Decoded, vector: Vector | None) -> Row:
    is_here = not is_url(item.root)
    return Row(
        item.root,
        item.folder,
        item.name,
        item.is_new,
        read_at,
        decoded.signature if is_here else item.signature,
        decoded.sha256,
        width=decoded.width,
        height=decoded.height,
        format=decoded.format,
        phash=decoded.phash,
        metadata=decoded.metadata,
        vector=vector,
        thumbnails=decoded.thumbnails,
    )


def _whole(item: Item) -> bytes:
    if is_url(item.root):
        return b"/".join(part for part in (item.root, item.folder, item.name) if part)
    return os.path.join(item.root, item.folder, item.name)


def _private(folder: Path) -> Path:
    """A folder of this user's alone. Raises GlimpseError where another has put one in its place."""
    folder.mkdir(mode=0o700, exist_ok=True)
    status = folder.lstat()
    if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.getuid() or status.st_mode & 0o077:
        raise GlimpseError(f"{folder} is not this user's alone; delete it")
    (folder / MODELS).mkdir(exist_ok=True)
    return folder
