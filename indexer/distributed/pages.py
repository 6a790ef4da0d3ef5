"""Files to embed, as a cluster gets them: on disk until they are wanted, then a page at a time."""

import hashlib
import json
import pickle
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from indexer.planning import Pending
from storage.records import RootRecord, Signature

__all__ = ["Item", "Page", "Spool", "pages_of"]

TEXT = "latin-1"
"""Any bytes are text in it, and come back."""


class Spool:
    """The pending files of one root, in a file that has no name and goes with this process."""

    def __init__(self, root: RootRecord, folder: Path) -> None:
        self._root = root
        self._file = tempfile.TemporaryFile("w+", encoding="ascii", dir=folder)  # noqa: SIM115
        self._count = 0

    def __del__(self) -> None:
        self._file.close()

    def append(self, item: Pending) -> None:
        """Add one."""
        known = item.signature
        stamps = known.size, known.mtime_ns, known.ctime_ns, known.device
        row = [item.folder.decode(TEXT), item.name.decode(TEXT), *stamps, item.is_new]
        self._file.write(json.dumps(row) + "\n")
        self._count += 1

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[Pending]:
        self._file.seek(0)
        for line in self._file:
            folder, name, *stamps, is_new = json.loads(line)
            place = folder.encode(TEXT), name.encode(TEXT)
            yield Pending(self._root, *place, Signature(*stamps), is_new)


@dataclass(frozen=True, slots=True)
class Item:
    """A file to embed."""

    root: bytes
    folder: bytes
    name: bytes
    signature: Signature
    """As it was listed."""
    is_new: bool
    known: tuple[bytes, ...] = ()
    """Hashes of contents of its size that are embedded already."""


@dataclass(frozen=True, slots=True)
class Page:
    """Files that one worker takes together: what becomes of them is one shard."""

    key: str
    items: tuple[Item, ...]

    @classmethod
    def of(cls, items: Iterable[Item], about: str) -> "Page":
        """A page whose key is made of what it holds, and of what that is embedded for."""
        held = tuple(items)
        digest = hashlib.sha256(about.encode())
        for item in held:
            digest.update(repr((item.root, item.folder, item.name, item.signature)).encode())
        return cls(digest.hexdigest()[:32], held)

    def packed(self) -> bytes:
        """As it travels."""
        return pickle.dumps(self)

    @staticmethod
    def unpacked(data: bytes) -> "Page":
        """As it arrives: from our own driver, through Ray."""
        page = pickle.loads(data)
        assert isinstance(page, Page)
        return page


def pages_of(items: Iterable[Item], size: int, about: str) -> Iterator[Page]:
    """So many at a time."""
    remaining = iter(items)
    while part := tuple(islice(remaining, size)):
        yield Page.of(part, about)
