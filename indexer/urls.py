"""Photos that lie elsewhere: a root, and a photo's path, may be a URL. Nothing here fetches anything."""

import os
import re
from collections.abc import Sequence
from pathlib import Path

__all__ = ["LOCAL", "Address", "as_path", "folder_of", "is_url", "local_only"]

URL = re.compile(rb"[a-z][a-z0-9+.-]*://", re.IGNORECASE)
LOCAL = b"file://"


class Address(type(Path())):  # type: ignore[misc]  # the system's own kind of path
    """A URL where a path is expected: its name, its folder and its suffix are a path's, as text it is the URL.

    A path by itself makes one slash of two.
    """

    def __str__(self) -> str:
        scheme, _, rest = super().__str__().partition(":")
        return f"{scheme}://{rest.removeprefix('/')}"

    def __fspath__(self) -> str:
        return str(self)

    def as_uri(self) -> str:
        """The URL."""
        return str(self)


def is_url(path: bytes | str | os.PathLike[str]) -> bool:
    """Whether a path is a URL."""
    return URL.match(os.fsencode(path)) is not None


def as_path(path: bytes) -> Path:
    """A path of the catalog's as a path of Python's."""
    text = os.fsdecode(path)
    return Address(text) if is_url(path) else Path(text)


def folder_of(url: str) -> bytes:
    """A URL as a root's path: the folder for one of a file, else the URL without slashes at its end."""
    path = os.fsencode(url)
    if path.lower().startswith(LOCAL):
        return os.path.realpath(b"/" + path[len(LOCAL) :].lstrip(b"/"))
    scheme, _, rest = path.partition(b"://")
    return scheme.lower() + b"://" + rest.rstrip(b"/")


def local_only(paths: Sequence[bytes]) -> list[bytes]:
    """Those that are folders of this machine."""
    return [path for path in paths if not is_url(path)]
