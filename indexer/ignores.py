"""What to leave out, in gitignore syntax: ignore files in folders, and globs from the command line.

Patterns are parsed by pathspec and asked as git asks them, entry by entry from the root down: an
entry is left out by the last line that matches *it*, the deepest file first, and what lies in a
folder that is left out is never asked about. (pathspec's own specs also let a line match through
a parent, which differs once a line begins with "!".)
"""

import logging
import os
import re
import stat
import warnings
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from pathspec import GitIgnoreSpec

from indexer.errors import UsageError

__all__ = ["IGNORE_FILE", "EntryTest", "Ignores"]

logger = logging.getLogger(__name__)

IGNORE_FILE = b".glimpseignore"
"""Names what to leave out of its folder and of the folders below."""

EntryTest = Callable[[bytes, bool], bool]
"""Whether an entry of one folder is left out: its name, and whether it is a folder itself."""


@dataclass(frozen=True, slots=True)
class _Pattern:
    """One line of gitignore syntax."""

    regex: re.Pattern[str]
    """Searched in the path of an entry, which ends in "/" for a folder."""
    ignores: bool
    """False for a line that begins with "!"."""


class Ignores:
    """The ignore files found so far, and `exclude`, which outranks them.

    Raises UsageError for a line of `exclude` that is not gitignore syntax.
    """

    def __init__(self, exclude: Iterable[str]) -> None:
        self._exclude: list[_Pattern] = []
        for line in exclude:
            try:
                self._exclude[:0] = _parse(line)
            except ValueError as error:
                raise UsageError(f"exclude: {error}") from error
        self._files: dict[bytes, list[_Pattern]] = {}

    def read(self, descriptor: int, folder: bytes) -> None:
        """Take the ignore file of an open folder into account.

        Raises OSError when there is one and it cannot be read: nothing in the folder should be
        indexed then, for the file may name it as private.
        """
        try:
            # Not blocking: a FIFO of this name must not hold up the walk.
            file = os.open(IGNORE_FILE, os.O_RDONLY | os.O_NONBLOCK, dir_fd=descriptor)
        except FileNotFoundError:
            return
        try:
            if stat.S_ISREG(os.fstat(file).st_mode):
                with open(file, "rb", closefd=False) as stream:
                    self._files[folder] = _parse_file(stream.read(), folder)
        finally:
            os.close(file)

    def of(self, folder: bytes) -> EntryTest:
        """The test for the entries of one folder, as far as its files have been read."""
        scopes = self._scopes(folder)

        def ignores(name: bytes, is_folder: bool) -> bool:
            own = _decode(name) + "/" * is_folder
            for above, patterns in scopes:
                path = above + own
                for pattern in patterns:
                    if pattern.regex.search(path):
                        return pattern.ignores
            return False

        return ignores if scopes else _ignores_nothing

    def _scopes(self, folder: bytes) -> list[tuple[str, list[_Pattern]]]:
        """The patterns in force in a folder, and the path from where they stand down to it."""
        path = _decode(folder) + "/" if folder else ""
        scopes = [(path, self._exclude)] if self._exclude else []
        return scopes + [
            (path.removeprefix(_decode(base) + "/"), self._files[base])
            for base in _upwards(folder)
            if base in self._files
        ]


def _parse_file(content: bytes, folder: bytes) -> list[_Pattern]:
    patterns: list[_Pattern] = []
    for line in _decode(content.removeprefix(b"\xef\xbb\xbf")).split("\n"):
        try:
            patterns[:0] = _parse(line.removesuffix("\r"))
        except ValueError as error:
            logger.warning("%s of %r: %s", os.fsdecode(IGNORE_FILE), os.fsdecode(folder), error)
    return patterns


def _parse(line: str) -> list[_Pattern]:
    """One pattern, or none for a comment or an empty line; ValueError when it is not understood."""
    line = line.rstrip(" ") if not line.endswith("\\ ") else line
    # pathspec lets "a/**" match the folder a too; in git it matches only what is in it.
    exact = re.sub(r"(?<=/)\*\*(/?)$", r"**/*\1", line)
    try:
        with warnings.catch_warnings():
            # Python warns of [[:alpha:]] and the like, which it would take for something else.
            warnings.simplefilter("error", FutureWarning)
            return [
                _Pattern(
                    regex=_of_entry(pattern.regex.pattern),
                    ignores=bool(pattern.include),
                )
                for pattern in GitIgnoreSpec.from_lines([exact]).patterns
                if pattern.regex is not None
            ]
    except (ValueError, re.error, FutureWarning) as error:
        raise ValueError(f"{line!r} is not a pattern that can be matched ({error})") from error


def _of_entry(regex: str) -> re.Pattern[str]:
    """The regex that pathspec wrote, made to match as git does."""
    # A class such as [!a] never matches a slash.
    regex = re.sub(r"\[\^(?!/\])", "(?!/)[^", regex)
    # The entry itself must match, not a folder above it: so a match reaches to the end.
    return re.compile(rf"(?:{regex})\Z", re.DOTALL)


def _upwards(folder: bytes) -> Iterable[bytes]:
    """A folder and those above it, up to the root b""."""
    while folder:
        yield folder
        folder = folder.rpartition(b"/")[0]
    yield folder


def _ignores_nothing(name: bytes, is_folder: bool) -> bool:
    return False


def _decode(path: bytes) -> str:
    """The same for names and patterns, whatever the locale: equal bytes stay equal."""
    return path.decode("utf-8", "surrogateescape")
