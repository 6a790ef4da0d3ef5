"""Thumbnails: those that a build makes of each photo, as they were written; made again from photos that are there."""

import os
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import chain
from pathlib import Path
from typing import NamedTuple

from indexer.config import BuildConfig
from indexer.embedders.base import Preprocessing
from indexer.pictures.decoding import Decoded
from indexer.pictures.jpegs import EDGES, NAME, fault, thumbnail_path
from indexer.pictures.pool import DecodePool
from indexer.pictures.thumbnails import THUMBNAILS, Thumbnails
from indexer.progress import OnStep, Watch
from indexer.verification.findings import Ledger
from indexer.verification.folders import entries, is_abandoned, take_away
from storage import lookup
from storage.catalog import Catalog
from storage.discarding import discard
from storage.disk import reason_of
from storage.filters import Filter

__all__ = ["check_thumbnails"]

FOLDERS = 256
THREADS = 4
"""That read files: hashing lets others run, and a disk likes to be asked for several at once."""
READ_AT_ONCE = 64
"""Thumbnails that one of them reads before it looks for more."""
AT_ONCE = 256
"""Contents whose photos are looked up together."""
SMALLEST = Preprocessing(size=1, resize="squash", mean=(0.0,) * 3, std=(1.0,) * 3)
"""What decoders make for a model, of which nothing is needed here."""
EVERYWHERE = Filter(include_offline=True)
MADE, LATER = "made again from their photos", "deleted, and made again when looked at"


_File = tuple[Path, bytes, int]
"""A thumbnail that is there, with the hash of what it shows, and its edge."""


class _Lacking(NamedTuple):
    """A thumbnail that is to be made."""

    sha256: bytes
    edge: int
    what: str


def check_thumbnails(
    catalog: Catalog, config: BuildConfig, ledger: Ledger, on_step: OnStep, *, settled: bool
) -> None:
    """Read every thumbnail of a library.

    Those of contents that are gone are told from new ones only while nobody else writes (`settled`).
    """
    folder, lacking = catalog.folder / THUMBNAILS, list[_Lacking]()
    names = {f"{first:02x}" for first in range(FOLDERS)}
    for path in entries(folder, "thumbnails", ledger):
        if path.name not in names:
            take_away(path, "thumbnails", "no thumbnail", ledger)
    with ThreadPoolExecutor(THREADS, "glimpse-verify") as pool:
        for first in Watch(on_step).over(range(FOLDERS), FOLDERS, "folders of thumbnails"):
            with catalog.view() as view:
                known = lookup.hashes_from(view, first)
            check = _Folder(
                folder / f"{first:02x}",
                known,
                config.thumbnails,
                ledger,
                settled,
                catalog.is_shared,
            )
            lacking += check.run(pool)
    if lacking and ledger.repairing:
        _make_again(catalog, config, lacking, ledger, on_step)
    else:
        for each in lacking:
            ledger.note("thumbnails", _path(folder, each), each.what, MADE)


class _Folder:
    """One of the folders that thumbnails are spread over, with the contents that belong there."""

    def __init__(
        self,
        folder: Path,
        known: Mapping[bytes, bool],
        wanted: bool,
        ledger: Ledger,
        settled: bool,
        others_build: bool,
    ) -> None:
        self._folder = folder
        self._known = known
        self._wanted = wanted
        self._ledger = ledger
        self._settled = settled
        self._others_build = others_build
        """Whether photos may have come in on another machine, which has made its own thumbnails of them."""

    def run(self, pool: ThreadPoolExecutor) -> Iterator[_Lacking]:
        """Check what is there; what is lacking then."""
        files, seen = list(self._files()), set[tuple[bytes, int]]()
        self._ledger.count("thumbnails", len(files))
        parts = (
            files[start : start + READ_AT_ONCE] for start in range(0, len(files), READ_AT_ONCE)
        )
        faults = chain.from_iterable(pool.map(_faults_of, parts))
        for (path, sha256, edge), what in zip(files, faults, strict=True):
            seen.add((sha256, edge))
            if what is None:
                continue
            if not self._is_wanted(sha256, edge):
                take_away(path, "thumbnails", what, self._ledger, LATER)
            elif self._cleared(path, what):
                yield _Lacking(sha256, edge, what)
        for sha256 in () if self._others_build else self._known:
            for edge in EDGES:
                if self._is_wanted(sha256, edge) and (sha256, edge) not in seen:
                    yield _Lacking(sha256, edge, "missing")

    def _is_wanted(self, sha256: bytes, edge: int) -> bool:
        return self._wanted and edge in EDGES and self._known[sha256]

    def _files(self) -> Iterator[_File]:
        """Thumbnails of contents that the library has; anything else is taken away."""
        for path in entries(self._folder, "thumbnails", self._ledger):
            named = NAME.fullmatch(path.name)
            if path.suffix == ".tmp":
                if is_abandoned(path):
                    take_away(
                        path, "thumbnails", "left by a process that was stopped", self._ledger
                    )
            elif not named or not named[1].startswith(self._folder.name):
                take_away(path, "thumbnails", "no thumbnail", self._ledger)
            elif (sha256 := bytes.fromhex(named[1])) in self._known:
                yield path, sha256, int(named[2])
            elif self._settled:
                take_away(path, "thumbnails", "of a photo that is gone", self._ledger)

    def _cleared(self, path: Path, what: str) -> bool:
        """Make room for a new one, if repairing."""
        try:
            if self._ledger.repairing:
                discard(path)
        except OSError as error:
            done = f"left, since it cannot be deleted ({error.strerror})"
            self._ledger.note("thumbnails", path, what, done, repaired=False)
            return False
        return True


def _faults_of(files: Sequence[_File]) -> list[str | None]:
    return [_fault_of(*file) for file in files]


def _fault_of(path: Path, sha256: bytes, edge: int) -> str | None:
    try:
        return fault(path.read_bytes(), sha256, edge)
    except OSError as error:
        return reason_of(error)


def _path(folder: Path, lacking: _Lacking) -> Path:
    return thumbnail_path(folder, lacking.sha256, lacking.edge)


def _make_again(
    catalog: Catalog,
    config: BuildConfig,
    lacking: Sequence[_Lacking],
    ledger: Ledger,
    on_step: OnStep,
) -> None:
    folder, limits = catalog.folder / THUMBNAILS, config.limits()
    wanted: dict[bytes, list[_Lacking]] = {}
    for each in lacking:
        wanted.setdefault(each.sha256, []).append(each)
    hashes, workers = list(wanted), config.decode_workers or os.cpu_count() or 2
    pool = DecodePool(SMALLEST, limits, workers, config.decode_timeout_s, thumbnails=folder)
    with pool:
        maker = _Maker(catalog, Thumbnails(folder), pool)
        parts = (hashes[start : start + AT_ONCE] for start in range(0, len(hashes), AT_ONCE))
        made = (pair for part in parts for pair in maker.make(part))
        for sha256, reason in Watch(on_step).over(made, len(hashes), "thumbnails made again"):
            done = f"not made again: {reason}" if reason else MADE
            for each in wanted[sha256]:
                path = _path(folder, each)
                ledger.note("thumbnails", path, each.what, done, repaired=not reason)


class _Maker:
    """Makes thumbnails of photos that are there and are the bytes that they are to show."""

    def __init__(self, catalog: Catalog, thumbnails: Thumbnails, pool: DecodePool) -> None:
        self._catalog = catalog
        self._thumbnails = thumbnails
        self._pool = pool

    def make(self, hashes: Sequence[bytes]) -> Iterator[tuple[bytes, str | None]]:
        """Make all that is missing of these; each hash, with the reason where that was not possible."""
        sources = self._sources(hashes)
        yield from ((h, "its photo is not there") for h in hashes if h not in sources.values())
        for path, result in self._pool.decode(sources):
            sha256 = sources[path]
            if isinstance(result, Decoded):
                yield sha256, self._keep(sha256, result)
            else:
                yield sha256, str(result)

    def _sources(self, hashes: Sequence[bytes]) -> dict[bytes, bytes]:
        """A file for each hash for which there is one, by its path."""
        with self._catalog.view() as view:
            photos = lookup.photos_of_hashes(view, hashes, EVERYWHERE)
        found: dict[bytes, bytes] = {}
        for sha256, same in photos.items():
            paths = (photo.path for photo in same)
            path = next((p for p in paths if os.path.isfile(p) and os.path.realpath(p) == p), None)
            if path is not None:
                found[path] = sha256
        return found

    def _keep(self, sha256: bytes, picture: Decoded) -> str | None:
        if picture.sha256 != sha256:
            return "its photo has changed since; build first"
        try:
            self._thumbnails.keep(sha256, picture.thumbnails)
        except OSError as error:
            return f"it cannot be written ({error.strerror})"
        return None
