"""Walk a folder of the user's: which files are pictures to index, and what was not seen.

Nothing is opened but folders and ignore files. Links are never followed.
"""

import errno
import logging
import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

from indexer.ignores import IGNORE_FILE, EntryTest, Ignores
from indexer.pictures.decoding import EXTENSIONS, RAW_EXTENSIONS
from storage.homes import CATALOG, MARK

__all__ = ["Candidate", "Rules", "Walk", "is_picture"]

logger = logging.getLogger(__name__)

_LIBRARY_MARKS = (os.fsencode(CATALOG), os.fsencode(MARK))
_PICTURES = EXTENSIONS | RAW_EXTENSIONS
_DEVELOPED = frozenset({b".jpg", b".jpeg", b".jpe", b".heic", b".heif", b".hif"})
# What systems, cameras and network drives strew among photos: bins, thumbnails, resource forks.
_NEVER = re.compile(
    rb"\._.*|@eadir|\.git|#recycle|\$recycle\.bin|\.trash.*|lost\+found|__macosx"
    rb"|system volume information",
    re.IGNORECASE | re.DOTALL,
)
_OPEN_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
_REPLACED = frozenset({errno.ENOENT, errno.ENOTDIR, errno.ELOOP})


class Candidate(NamedTuple):
    """A regular file with a picture's suffix; a tuple, which is made in no time for each of a million files."""

    path: bytes
    """Relative to the root, parts separated by "/"; any bytes but NUL, of any length."""
    size: int
    mtime_ns: int
    ctime_ns: int
    device: int
    """The file system it lies on (`st_dev`)."""


@dataclass(frozen=True, slots=True)
class Rules:
    """What to leave out besides what is always left out."""

    exclude: tuple[str, ...] = ()
    """Globs in gitignore syntax, from the root; they outrank every ignore file."""
    include_hidden: bool = False
    leave_out: tuple[bytes, ...] = ()
    """Absolute paths; one that is not strictly inside the root has no effect."""


class Walk:
    """The candidates below a root, in a stable order: the files of a folder, then its folders.

    To be iterated once; what was not seen is known when that is over. Its first step raises
    FileNotFoundError, NotADirectoryError or PermissionError when the root cannot be opened;
    anything wrong below it is logged, and the walk goes on. Memory is bounded by the largest
    folder and by what is skipped.

    `root` is absolute; when it is a link, that link is followed.
    Raises UsageError for a glob in `rules` that is not gitignore syntax.
    """

    def __init__(self, root: bytes, rules: Rules) -> None:
        self.unreadable: dict[bytes, str] = {}
        """Why a folder could not be listed; relative to the root, which is itself b""."""
        self.skipped: dict[bytes, str] = {}
        """Why what the rules let in is no candidate: "a link", "RAW beside its JPEG", …"""
        self._root = root
        self._include_hidden = rules.include_hidden
        self._ignores = Ignores(rules.exclude)
        self._left_out = _inside(root, rules.leave_out)
        self._asked: set[bytes] = set()

    def __iter__(self) -> Iterator[Candidate]:
        for _, candidates in self.folders():
            yield from candidates

    def folders(self) -> Iterator[tuple[bytes, list[Candidate]]]:
        """The same by folder, relative to the root; those without any are left out."""
        # Held open throughout: a drive that is pulled out then gives EIO, not an empty folder.
        root = os.open(self._root, _OPEN_FOLDER)
        try:
            waiting = [b""]
            while waiting:
                folder = waiting.pop()
                try:
                    descriptor = _open_below(root, folder)
                except OSError as error:
                    if error.errno in _REPLACED:
                        logger.info("%r is gone since it was found", os.fsdecode(folder))
                    else:
                        self._cannot_list(folder, error)
                    continue
                try:
                    candidates = self._walk_folder(descriptor, folder, waiting)
                finally:
                    os.close(descriptor)
                if candidates:
                    yield folder, candidates
        finally:
            os.close(root)

    def excludes(self, path: bytes) -> bool:
        """Whether the rules leave this file out, or a folder above it; it need not exist."""
        folder = b""
        *folders, file = path.split(b"/")
        for name in folders:
            if self._rules_of(folder)(name, True):
                return True
            folder = _join(folder, name)
        return self._rules_of(folder)(file, False)

    def would_reach(self, path: bytes, *, is_folder: bool) -> bool:
        """Whether a walk that began now would come to this entry; it need not exist.

        Reads the ignore files on the way, each once. Where one cannot be read the answer is yes: a walk tells why.
        """
        folder = b""
        *folders, last = path.split(b"/")
        for name in (*folders, last):
            self._ask_folder(folder)
            if folder in self._left_out:
                return False
            if self._rules_of(folder)(name, is_folder or name is not last):
                return False
            folder = _join(folder, name)
        return True

    def _ask_folder(self, folder: bytes) -> None:
        """Learn what a folder says of itself, without walking it."""
        if folder in self._asked:
            return
        self._asked.add(folder)
        try:
            root = os.open(self._root, _OPEN_FOLDER)
            try:
                descriptor = _open_below(root, folder)
            finally:
                os.close(root)
        except OSError:
            return
        try:
            if folder and any(_holds(descriptor, mark) for mark in _LIBRARY_MARKS):
                self._left_out.add(folder)
            self._ignores.read(descriptor, folder)
        except OSError as error:
            logger.info("%r: its ignore file cannot be read: %s", os.fsdecode(folder), error)
        finally:
            os.close(descriptor)

    def why_offline(self, *, was_empty: bool) -> str | None:
        """Why the root cannot be reached; None where it can. One that was not empty and is now is not mounted."""
        try:
            with os.scandir(self._root) as entries:
                is_empty = next(entries, None) is None
        except NotADirectoryError:
            return "is not a folder any more"
        except FileNotFoundError:
            return "is not there"
        except OSError as error:
            return f"cannot be read ({error.strerror})"
        lost = is_empty and not was_empty
        return "is empty, as a drive that is not mounted would be" if lost else None

    def device(self) -> int:
        """The file system that the root lies on."""
        return os.stat(self._root).st_dev

    def holds(self, path: bytes) -> bool:
        """Whether there is anything at a path below the root."""
        return os.path.lexists(os.path.join(self._root, path))

    def missed(self, path: bytes) -> bool:
        """Whether this file lies in a folder that could not be listed, so that it may be there."""
        folder = path
        while folder:
            folder = folder.rpartition(b"/")[0]
            if folder in self.unreadable:
                return True
        return False

    def _walk_folder(self, descriptor: int, folder: bytes, waiting: list[bytes]) -> list[Candidate]:
        candidates: list[Candidate] = []
        try:
            pictures, folders = self._list(descriptor, folder)
        except OSError as error:
            self._cannot_list(folder, error)
            return candidates
        waiting += reversed(folders)
        twins = _raw_twins(pictures)
        for name, entry in pictures.items():
            path = _join(folder, name)
            if name in twins:
                self._skip(path, "RAW beside its JPEG")
                continue
            try:
                status = entry.stat(follow_symlinks=False)
            except FileNotFoundError:
                continue
            except OSError as error:
                self._cannot_list(folder, error)
                break
            candidates.append(
                Candidate(
                    path, status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_dev
                )
            )
        return candidates

    def _list(
        self, descriptor: int, folder: bytes
    ) -> tuple[dict[bytes, os.DirEntry[str]], list[bytes]]:
        """The pictures of one folder by name, and the folders in it to walk; both sorted."""
        pictures: dict[bytes, os.DirEntry[str]] = {}
        folders: list[bytes] = []
        with os.scandir(descriptor) as entries:
            found = {os.fsencode(entry.name): entry for entry in entries}
        if folder and not found.keys().isdisjoint(_LIBRARY_MARKS):
            self._left_out.add(folder)
            self._skip(folder, "a Glimpse library")
            return pictures, folders
        if IGNORE_FILE in found:
            self._ignores.read(descriptor, folder)
        leaves_out = self._rules_of(folder)
        for name in sorted(found):
            entry = found[name]
            is_folder = entry.is_dir(follow_symlinks=False)
            is_link = entry.is_symlink()
            if not (is_folder or is_link or is_picture(name)) or leaves_out(name, is_folder):
                continue
            if is_link:
                self._skip(_join(folder, name), "a link")
            elif is_folder:
                folders.append(_join(folder, name))
            elif entry.is_file(follow_symlinks=False):
                pictures[name] = entry
            else:
                self._skip(_join(folder, name), "not a regular file")
        return pictures, folders

    def _rules_of(self, folder: bytes) -> EntryTest:
        ignores = self._ignores.of(folder)

        def leaves_out(name: bytes, is_folder: bool) -> bool:
            hidden = name.startswith(b".") and not self._include_hidden
            if hidden or _NEVER.fullmatch(name):
                return True
            if self._left_out and _join(folder, name) in self._left_out:
                return True
            return ignores(name, is_folder)

        return leaves_out

    def _cannot_list(self, folder: bytes, error: OSError) -> None:
        self.unreadable[folder] = error.strerror or str(error)
        logger.info("%r cannot be listed: %s", os.fsdecode(folder), error.strerror)

    def _skip(self, path: bytes, reason: str) -> None:
        self.skipped[path] = reason
        logger.info("%r skipped: %s", os.fsdecode(path), reason)


def is_picture(name: bytes) -> bool:
    """Whether a file of this name is worth opening."""
    return _split(name)[1] in _PICTURES


def _open_below(root: int, folder: bytes) -> int:
    """Open a folder one step at a time.

    So no path is too long for the kernel (4096 bytes on Linux), and a folder that has since been
    replaced by a link is not entered.
    """
    descriptor = os.dup(root)
    for name in folder.split(b"/") if folder else []:
        try:
            below = os.open(name, _OPEN_FOLDER | os.O_NOFOLLOW, dir_fd=descriptor)
        finally:
            os.close(descriptor)
        descriptor = below
    return descriptor


def _holds(descriptor: int, name: bytes) -> bool:
    try:
        os.stat(name, dir_fd=descriptor, follow_symlinks=False)
    except FileNotFoundError:
        return False
    return True


def _inside(root: bytes, paths: Iterable[bytes]) -> set[bytes]:
    """Those paths that lie inside the root, relative to it."""
    top = os.path.join(os.path.realpath(root), b"")
    resolved = (os.path.realpath(path) for path in paths)
    return {path.removeprefix(top) for path in resolved if path.startswith(top)}


def _raw_twins(names: Iterable[bytes]) -> set[bytes]:
    """The RAW files among the pictures of a folder that lie beside their JPEG or HEIC."""
    split = {name: _split(name) for name in names}
    raws = {name: parts for name, parts in split.items() if parts[1] in RAW_EXTENSIONS}
    if not raws:
        return set()
    developed = {stem for stem, suffix in split.values() if suffix in _DEVELOPED}
    # IMG_1.CR2 goes with IMG_1.JPG, and with IMG_1.CR2.jpg as some programs name it.
    return {
        name
        for name, (stem, suffix) in raws.items()
        if not developed.isdisjoint((stem, stem + suffix))
    }


def _join(folder: bytes, name: bytes) -> bytes:
    return folder + b"/" + name if folder else name


def _split(name: bytes) -> tuple[bytes, bytes]:
    """Stem and suffix, in lower case."""
    stem, dot, suffix = name.lower().rpartition(b".")
    return stem, dot + suffix
