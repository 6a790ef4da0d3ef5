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
from storage.catalog import Batch, Catalog, View
from storage.exchange import FileKnown, known_at
from storage.records import UNSEEN, ContentRecord, FileRecord, Signature, SpaceRecord
from storage.tagging import Tag

__all__ = ["Link", "Linking"]

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

    def put(self, batch: Batch) -> int:
        """Record it; the id of its content."""
        known = self.content
        content_id = known if isinstance(known, int) else batch.add_content(known)
        if self.file is not None:
            batch.put_file(replace(self.file, content_id=content_id))
        return content_id


@dataclass(frozen=True, slots=True)
class _ToRead:
    """A file whose bytes are not known."""

    row: Arriving
    place: Place


class Linking:
    """Finds the photos that rows are of."""

    def __init__(
        self, catalog: Catalog, space: SpaceRecord, placing: Placing, pool: DecodePool
    ) -> None:
        self._catalog, self._space, self._placing, self._pool = catalog, space, placing, pool

    def links(self, rows: Sequence[Arriving]) -> list[Link | PictureError]:
        """For each row its photo, or why there is none."""
        with self._catalog.view() as view:
            found = [self._look(view, row) for row in rows]
        paths = dict.fromkeys(each.place.path for each in found if isinstance(each, _ToRead))
        read_at = time.time_ns()
        read = dict(self._pool.decode(paths)) if paths else {}
        return [
            _read(each, read[each.place.path], read_at) if isinstance(each, _ToRead) else each
            for each in found
        ]

    def _look(self, view: View, row: Arriving) -> Link | PictureError | _ToRead:
        try:
            place = self._placing.place(row.where)
            now = _signature(place.path)
        except PictureError as error:
            return error
        known = known_at(view, self._space.id, place.root.id, place.folder, place.name)
        if known is None or known.format == UNSEEN:
            return _absent(row, place) if now is None else _ToRead(row, place)
        if now is None:
            return _known(row, known, offline=True)
        is_same = same_bytes(known.signature, now)
        if is_same and not is_racy(now.ctime_ns, known.read_at_ns):
            return _known(row, known, offline=False)
        return _ToRead(row, place)


def _read(each: _ToRead, read: Decoded | PictureError, read_at_ns: int) -> Link | PictureError:
    if isinstance(read, PictureError):
        return read
    if _differs(each.row, read.sha256):
        return PictureError(OTHER_BYTES)
    file = _file(each.place, read.signature, read_at_ns)
    return Link(read.content(), each.row.tags, file, offline=False)


def _known(row: Arriving, known: FileKnown, *, offline: bool) -> Link | PictureError:
    if _differs(row, known.sha256):
        return PictureError(OTHER_BYTES)
    return Link(known.content_id, row.tags, None, offline)


def _absent(row: Arriving, place: Place) -> Link:
    """A photo that is not here: its bytes are what is told of them, or else stand by their path."""
    content = row.content
    if not content.sha256:
        digest = hashlib.sha256(STAND_IN + place.path).digest()
        content = replace(content, sha256=digest, format=UNSEEN)
    file = _file(place, Signature(content.size, row.mtime_ns, ctime_ns=0, device=0), 0)
    return Link(content, row.tags, replace(file, offline=True), offline=True)


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
