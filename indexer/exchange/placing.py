"""Where pictures that another program names lie here: a folder of the library, and a path in it."""

import os
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from indexer.errors import PictureError, UsageError
from indexer.exchange.arriving import Whereabouts
from indexer.roots import covers
from storage.records import RootRecord

__all__ = ["Place", "Placing"]

URL = re.compile(rb"[a-z][a-z0-9+.-]*://", re.IGNORECASE)
NUMBERED = re.compile(rb"\d{6,}")
"""What img2dataset calls a picture: the shard's number, of five digits, and its own."""
SHARD_DIGITS = 5
SUFFIXES = (b".jpg", b".png", b".webp", b".jpeg")
TRIED = 200
"""Pictures by which it is found out which part of their paths is another here."""
LEAST_DEEP = 2
"""Folders from / to one that is taken into the library unasked: less would be half of the machine."""


@dataclass(frozen=True, slots=True)
class Place:
    """A path in a root."""

    root: RootRecord
    folder: bytes
    name: bytes

    @property
    def key(self) -> tuple[int, bytes, bytes]:
        """As the catalog knows it."""
        return self.root.id, self.folder, self.name

    @property
    def path(self) -> bytes:
        """The whole path."""
        return os.path.join(self.root.path, self.folder, self.name)


class Placing:
    """Turns paths as they were written into places here."""

    def __init__(
        self,
        folder: Path,
        root: Path | None,
        whereabouts: Iterable[Whereabouts],
        known: Sequence[bytes],
    ) -> None:
        """Looks at all of the `whereabouts` once; `known` are the library's roots.

        Raises UsageError for a `root` that is not there, and where pictures lie in no common folder.
        """
        if root is not None and not os.path.isdir(os.path.expanduser(root)):
            raise UsageError(f"{root} is no folder; --root names the one in which the pictures lie")
        self._given = (
            None if root is None else os.path.realpath(os.fsencode(os.path.expanduser(root)))
        )
        self._base = self._given or os.path.realpath(os.fsencode(folder))
        self._strip = b""
        self._moved: dict[bytes, bytes] = {}
        self.known = known
        """The roots that the library had."""
        self._roots: list[RootRecord] = []
        self.folders = self._look(whereabouts)
        """The folders that are to be roots of the library."""

    def settle(self, roots: Sequence[RootRecord]) -> None:
        """Take the records of the folders, which are roots by now."""
        self._roots = list(roots)

    def place(self, where: Whereabouts) -> Place:
        """Where the picture lies here, or would. Raises PictureError, with the reason, for what can be nowhere."""
        if b"\0" in where.path or not where.path:
            raise PictureError("not a path")
        path = os.path.realpath(self._whole(where))
        for root in self._roots:
            if covers(root.path, path) and path != root.path:
                folder, name = os.path.split(os.path.relpath(path, root.path))
                return Place(root, folder, name)
        raise PictureError("it leads out of the folders that the pictures lie in")

    def _whole(self, where: Whereabouts) -> bytes:
        """The path that is meant, not yet cleared of links and dots."""
        path = where.path
        if where.root is not None:
            return os.path.join(self._moved[where.root], os.path.relpath(path, where.root))
        if not os.path.isabs(path):
            return self._relative(path)
        if self._given is None or covers(self._given, path):
            return path
        return os.path.join(self._given, path.removeprefix(self._strip).lstrip(b"/"))

    def _relative(self, path: bytes) -> bytes:
        if URL.match(path):
            return os.path.join(self._base, path.replace(b"://", b":/", 1))
        whole = os.path.join(self._base, path)
        if NUMBERED.fullmatch(path) and not os.path.exists(whole):
            folders = (self._base, os.path.join(self._base, path[:SHARD_DIGITS]))
            named = (os.path.join(folder, path + end) for folder in folders for end in SUFFIXES)
            return next(filter(os.path.exists, named), whole)
        return whole

    def _look(self, whereabouts: Iterable[Whereabouts]) -> list[bytes]:
        """The folders that hold all pictures; what is stripped of paths from elsewhere is found on the way."""
        roots, common, some = dict[bytes, None](), None, list[bytes]()
        has_relative = False
        for where in whereabouts:
            if where.root is not None:
                roots[where.root] = None
            elif not os.path.isabs(where.path):
                has_relative = True
            elif self._given is None and any(covers(root, where.path) for root in self.known):
                continue
            elif self._given is None or not covers(self._given, where.path):
                common = _common(common, os.path.dirname(os.path.normpath(where.path)))
                if len(some) < TRIED:
                    some.append(where.path)
        self._moved = {root: self._root_here(root, len(roots)) for root in roots}
        folders = dict.fromkeys(map(os.path.realpath, self._moved.values()))
        for folder in folders:
            _check_depth(folder, least=1)
        if self._given is not None:
            self._strip = _stripped(common, some, self._given) if common else b""
            return [self._given]
        if common is not None:
            _check_depth(common, LEAST_DEEP)
            folders[os.path.realpath(common)] = None
        if has_relative:
            folders[self._base] = None
        known = [root for root in self.known if not any(covers(f, root) for f in folders)]
        return [*folders, *known]

    def _root_here(self, root: bytes, of: int) -> bytes:
        """Where a root of the library that was exported is here."""
        if self._given is None:
            return root
        inner = os.path.join(self._given, os.path.basename(root))
        return inner if of > 1 and os.path.isdir(inner) else self._given


def _common(folder: bytes | None, other: bytes) -> bytes:
    return other if folder in (None, other) else os.path.commonpath([folder or b"", other])


def _check_depth(folder: bytes, least: int) -> None:
    if len([part for part in folder.split(b"/") if part]) < least:
        raise UsageError(
            f"what the pictures' folders have in common is {os.fsdecode(folder)}, and a library of all that is too "
            f"much; say where they lie with --root DIR"
        )


def _stripped(common: bytes, some: Sequence[bytes], root: bytes) -> bytes:
    """What is left away of paths so that most of them lead to a file below the root."""

    def found(prefix: bytes) -> int:
        rest = (path.removeprefix(prefix).lstrip(b"/") for path in some)
        return sum(os.path.exists(os.path.join(root, path)) for path in rest)

    return max(_prefixes(common), key=found)


def _prefixes(folder: bytes) -> Iterator[bytes]:
    """A folder and those above it, the longest first, which wins where it finds as many."""
    while True:
        yield folder
        if folder in (b"/", b""):
            return
        folder = os.path.dirname(folder)
