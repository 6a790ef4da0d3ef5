"""What lies at URLs, through fsspec: a walk like that of a folder, and the bytes of a file."""

import hashlib
import logging
import os
import time
from collections.abc import Iterator
from datetime import datetime
from typing import Any

import fsspec
from fsspec.core import url_to_fs

from indexer.discovery import Candidate, Rules, Walk, is_picture
from indexer.errors import GlimpseError, PictureError, UsageError
from indexer.pictures.limits import Limits

__all__ = ["RemoteWalk", "fetch", "filesystem", "reason_of"]

logger = logging.getLogger(__name__)

IN_ONE_PROCESS = ("memory", "local", "file")
"""Schemes whose files the workers would not see, or which are folders."""
MODIFIED = ("LastModified", "last_modified", "mtime", "updated", "modified", "created")
TAGS = ("ETag", "etag", "md5Hash", "content_md5", "generation")
"""Under which the file systems of fsspec tell when an object was written, and what tells its bytes from others."""
SECOND_NS = 1_000_000_000
ATTEMPTS = 3
PAUSE_S = 0.5
S3 = {"config_kwargs": {"connect_timeout": 5, "read_timeout": 60, "retries": {"max_attempts": 3}}}
"""So that an address where nobody answers costs seconds."""


def filesystem(url: str) -> tuple[Any, str]:
    """The file system of a URL, and the path in it. Raises UsageError, and GlimpseError where it cannot be used."""
    scheme = url.partition("://")[0].lower()
    try:
        fs, path = url_to_fs(url, use_listings_cache=False, **(S3 if scheme == "s3" else {}))
    except ImportError as error:
        raise GlimpseError(f"{url} cannot be read: {reason_of(error)}") from error
    except ValueError as error:
        known = ", ".join(each for each in ("s3", "gs", "az", "https") if each in _schemes())
        raise UsageError(
            f"{url}: {scheme} is no scheme that is known; try {known}, … or a folder"
        ) from error
    except Exception as error:  # each file system has errors of its own
        raise GlimpseError(f"{url} cannot be reached ({reason_of(error)})") from error
    return fs, str(path).rstrip("/")


def _schemes() -> list[str]:
    return list(fsspec.available_protocols())


class RemoteWalk(Walk):
    """The candidates below a URL, folder by folder as the storage lists them; memory is bounded by the largest.

    Its first step raises UsageError for what is not there, GlimpseError for what cannot be listed. `.glimpseignore`
    is not read there.
    """

    def __init__(self, root: bytes, rules: Rules) -> None:
        super().__init__(root, rules)
        self._url = os.fsdecode(root)
        scheme, _, place = self._url.partition("://")
        if scheme in IN_ONE_PROCESS:
            raise UsageError(f"{self._url} is seen by this process alone; name a folder, or s3://…")
        if not place:
            raise UsageError(f"{self._url} names no place; add one, as in {scheme}://bucket/photos")
        self._fs, self._base = filesystem(self._url)

    def folders(self) -> Iterator[tuple[bytes, list[Candidate]]]:
        """As for a folder of this machine."""
        waiting = [b""]
        while waiting:
            folder = waiting.pop()
            try:
                found = self._list_url(folder)
            except Exception as error:  # each file system has errors of its own
                if not folder:
                    raise _cannot_list(self._url, error) from error
                self.unreadable[folder] = reason_of(error)
                continue
            leaves_out = self._rules_of(folder)
            pictures, folders = list[Candidate](), list[bytes]()
            for name, entry in sorted(found.items()):
                is_folder = entry.get("type") == "directory"
                path = folder + b"/" + name if folder else name
                if leaves_out(name, is_folder) or not (is_folder or is_picture(name)):
                    continue
                if is_folder:
                    folders.append(path)
                else:
                    pictures.append(_candidate(path, entry))
            waiting += reversed(folders)
            if pictures:
                yield folder, pictures

    def why_offline(self, *, was_empty: bool) -> str | None:
        """None: what cannot be listed is an error, and nothing changes."""
        return None

    def device(self) -> int:
        """The same for all of them."""
        return 0

    def holds(self, path: bytes) -> bool:
        """Taken to be so: what the rules leave out is not listed."""
        return True

    def _list_url(self, folder: bytes) -> dict[bytes, dict[str, Any]]:
        path = "/".join(filter(None, (self._base, os.fsdecode(folder))))
        entries = self._fs.ls(path, detail=True)
        names = {os.fsencode(e["name"].rstrip("/").rpartition("/")[2]): e for e in entries}
        own = os.fsencode(path.rpartition("/")[2])
        if len(entries) == 1 and own in names and names[own].get("type") == "file":
            raise NotADirectoryError(f"{path} is a file")
        return names


def _candidate(path: bytes, entry: dict[str, Any]) -> Candidate:
    """What is listed of an object. Its clock ticks in seconds: below them stands what tells its bytes apart."""
    moment = next((entry[key] for key in MODIFIED if entry.get(key)), 0)
    tag = next((str(entry[key]) for key in TAGS if entry.get(key)), "")
    mtime_ns = _nanoseconds(moment)
    if tag:
        fraction = int.from_bytes(hashlib.sha256(tag.encode()).digest()[:8]) % SECOND_NS
        mtime_ns = mtime_ns // SECOND_NS * SECOND_NS + fraction
    return Candidate(path, int(entry.get("size") or 0), mtime_ns, ctime_ns=0, device=0)


def _nanoseconds(moment: Any) -> int:
    if isinstance(moment, str):
        try:
            moment = datetime.fromisoformat(moment)
        except ValueError:
            return 0
    seconds = moment.timestamp() if isinstance(moment, datetime) else float(moment)
    return int(seconds * SECOND_NS)


def fetch(url: bytes, limits: Limits) -> bytes:
    """The bytes at a URL. Raises PictureError with the reason; what may pass is tried again."""
    text = os.fsdecode(url)
    for attempt in range(1, ATTEMPTS + 1):
        try:
            fs, path = filesystem(text)
            limits.check_bytes(int(fs.size(path) or 0))
            return bytes(fs.cat_file(path))
        except PictureError:
            raise
        except FileNotFoundError as error:
            raise PictureError("no longer there") from error
        except PermissionError as error:
            raise PictureError("no permission to read it") from error
        except Exception as error:  # each file system has errors of its own
            if attempt == ATTEMPTS:
                scheme = text.partition("://")[0]
                raise PictureError(
                    f"it lies elsewhere ({scheme}), which cannot be reached: {reason_of(error)}"
                ) from error
            time.sleep(PAUSE_S * attempt)
    raise AssertionError("unreachable")


def reason_of(error: BaseException) -> str:
    """What went wrong, in one short line."""
    told = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return " ".join(str(told).split())[:200]


def _cannot_list(url: str, error: Exception) -> GlimpseError:
    if isinstance(error, FileNotFoundError):
        return UsageError(f"{url} is not there; name a bucket and folder that are")
    if isinstance(error, NotADirectoryError):
        return UsageError(f"{url} is a file; name the folder that it lies in")
    if isinstance(error, PermissionError) or "credential" in str(error).lower():
        return GlimpseError(
            f"{url} may not be listed ({reason_of(error)}); its credentials are taken from the environment"
        )
    return GlimpseError(f"{url} cannot be listed ({reason_of(error)})")
