"""Rows from elsewhere as photos of the library: each file there by its hash, each that is not as offline."""

import hashlib
import os
import stat
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace

from indexer.discovery import is_picture
from indexer.errors import PictureError
from indexer.exchange.arriving import Arriving
from indexer.exchange.placing import Place, Placing
from indexer.pictures.decoding import Decoded
from indexer.pictures.pool import DecodePool
from indexer.planning import is_racy, same_bytes
from storage.batch import Batch
from storage.catalog import Catalog
from storage.exchange import FileKnown, known_at
from storage.records import UNSEEN, ContentRecord, FileRecord, Signature
from storage.tagging import Tag

__all__ = ["Link", "Linking", "put_links"]

STAND_IN = b"glimpse: bytes that were never here\0"
OTHER_BYTES = "the file has changed: the vector is of other bytes"


@dataclass(frozen=True, slots=True)
class Link:
    """A photo, and the bytes that it has."""

    content: ContentRecord | int
    """What is known of the bytes, or their id in the catalog."""
    tags: tuple[Tag, ...]
    file: FileRecord | None
    """To be recorded; None where the catalog has it as it is."""
    offline: bool
    before: int | None = None
    """The content that the file had."""


@dataclass(frozen=True, slots=True)
class _ToRead:
    """A file whose bytes are not known."""

    row: Arriving
    place: Place
    before: int | None


class Linking:
    """Finds the photos that rows are of."""

    def __init__(self, catalog: Catalog, placing: Placing, pool: DecodePool) -> None:
        self._catalog, self._placing, self._pool = catalog, placing, pool

    def links(self, rows: Sequence[Arriving]) -> list[Link | PictureError]:
        """For each row its photo, or why there is none."""
        places = [self._place(row) for row in rows]
        keys = [place.key for place in places if isinstance(place, Place)]
        with self._catalog.view() as view:
            known = known_at(view, list(dict.fromkeys(keys)))
        found = [
            _look(row, place, known.get(place.key)) if isinstance(place, Place) else place
            for row, place in zip(rows, places, strict=True)
        ]
        paths = dict.fromkeys(each.place.path for each in found if isinstance(each, _ToRead))
        read_at = time.time_ns()
        read = dict(self._pool.decode(paths)) if paths else {}
        return [
            _read(each, read[each.place.path], read_at) if isinstance(each, _ToRead) else each
            for each in found
        ]

    def _place(self, row: Arriving) -> Place | PictureError:
        try:
            return self._placing.place(row.where)
        except PictureError as error:
            return error


def put_links(batch: Batch, links: Sequence[Link]) -> list[int]:
    """Record photos; the id of each one's content."""
    new = [link.content for link in links if not isinstance(link.content, int)]
    by_hash = batch.add_contents(new)
    ids = [c if isinstance(c, int) else by_hash[c.sha256] for c in (link.content for link in links)]
    files = [
        replace(link.file, content_id=id)
        for link, id in zip(links, ids, strict=True)
        if link.file is not None
    ]
    batch.put_files(files, [link.before for link in links if link.before is not None])
    return ids


def _look(row: Arriving, place: Place, known: FileKnown | None) -> Link | PictureError | _ToRead:
    try:
        now = _signature(place.path)
    except PictureError as error:
        return error
    before = known.content_id if known else None
    if known is None or known.format == UNSEEN:
        return _absent(row, place, before) if now is None else _ToRead(row, place, before)
    if now is None:
        return _known(row, known, offline=True)
    is_same = same_bytes(known.signature, now)
    if is_same and not is_racy(now.ctime_ns, known.read_at_ns):
        return _known(row, known, offline=False)
    return _ToRead(row, place, before)


def _read(each: _ToRead, read: Decoded | PictureError, read_at_ns: int) -> Link | PictureError:
    if isinstance(read, PictureError):
        return read
    if _differs(each.row, read.sha256):
        return PictureError(OTHER_BYTES)
    file = _file(each.place, read.signature, read_at_ns)
    return Link(read.content(), each.row.tags, file, False, each.before)


def _known(row: Arriving, known: FileKnown, *, offline: bool) -> Link | PictureError:
    if _differs(row, known.sha256):
        return PictureError(OTHER_BYTES)
    return Link(known.content_id, row.tags, None, offline)


def _absent(row: Arriving, place: Place, before: int | None) -> Link:
    """A photo that is not here: its bytes are what is told of them, or else stand by their path."""
    content = row.content
    if not content.sha256:
        digest = hashlib.sha256(STAND_IN + place.path).digest()
        content = replace(content, sha256=digest, format=UNSEEN)
    file = _file(place, Signature(content.size, row.mtime_ns, ctime_ns=0, device=0), 0)
    return Link(content, row.tags, replace(file, offline=True), True, before)


def _differs(row: Arriving, sha256: bytes) -> bool:
    return bool(row.content.sha256) and row.content.sha256 != sha256


def _file(place: Place, signature: Signature, read_at_ns: int) -> FileRecord:
    return FileRecord(place.root.id, place.folder, place.name, signature, read_at_ns, None)


def _signature(path: bytes) -> Signature | None:
    """The file's; None where there is none. Raises PictureError for what no build would take."""
    try:
        status = os.lstat(path)
    except OSError:
        return None
    if not stat.S_ISREG(status.st_mode):
        raise PictureError("not a regular file")
    if not is_picture(os.path.basename(path)):
        raise PictureError("its name is not that of a picture")
    return Signature(status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_dev)
