"""Which files are still as the library knows them: of any other nobody may say that it is a copy, or has one."""

import os
from collections.abc import Iterable

from indexer.urls import is_url
from storage.records import PhotoRecord, State

__all__ = ["unchanged"]


def unchanged(photos: Iterable[PhotoRecord]) -> tuple[list[PhotoRecord], int]:
    """Those whose files have the size and the date that are known, each file once; how many have not.

    A file with two names, by a hard link or a folder that is mounted twice, is no copy of itself. What lies at a
    URL is not looked at.
    """
    found, files, changed = list[PhotoRecord](), set[tuple[int, int]](), 0
    for photo in photos:
        if is_url(photo.path):
            found.append(photo)
            continue
        now = _stat(photo)
        if now is None:
            changed += photo.state == State.PRESENT
        elif (now.st_dev, now.st_ino) not in files:
            files.add((now.st_dev, now.st_ino))
            found.append(photo)
    return found, changed


def _stat(photo: PhotoRecord) -> os.stat_result | None:
    try:
        now = os.stat(photo.path)
    except OSError:
        return None
    return now if (now.st_size, now.st_mtime_ns) == (photo.size, photo.mtime_ns) else None
