"""Snapshots held against their records and against the catalog, byte by byte; changes nothing.

A sound file whose rows are not the catalog's tells of the catalog: the file still is what was once read from it.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from storage import embedded
from storage.disk import reason_of
from storage.errors import StorageError
from storage.records import VECTOR_DTYPE, SnapshotRecord, SpaceRecord
from storage.rows import Ids
from storage.segments import Segment
from storage.snapshot_files import SUFFIX, read_unrecorded, read_whole
from storage.snapshots import SNAPSHOTS, published, why_unusable
from storage.view import View

__all__ = ["Fault", "ahead", "disagreements", "faults", "unrecorded"]

NAME = re.compile(rf"(\d+)-(\d+)-([0-9a-f]{{16}}){re.escape(SUFFIX)}")
EXAMPLES = 3


class Fault(NamedTuple):
    """A recorded snapshot that is not what was recorded."""

    record: SnapshotRecord
    what: str
    is_large: bool
    """Whether it is the first of its space's, on which the other counts."""


def faults(view: View, folder: Path, space: SpaceRecord) -> list[Fault]:
    """The snapshots of a space, in the library's folder, that are missing, damaged or not its own."""
    found = []
    for number, record in enumerate(published(view, space)):
        try:
            _open(folder, record, space)
        except (OSError, StorageError) as error:
            found.append(Fault(record, reason_of(error), is_large=not number))
    return found


def unrecorded(view: View, folder: Path) -> list[Path]:
    """What lies among the snapshots and no space's record names; also what is being written just now."""
    named = {record.file for space in view.spaces() for record in published(view, space)}
    snapshots = folder / SNAPSHOTS
    paths = sorted(snapshots.iterdir()) if snapshots.is_dir() else []
    return [path for path in paths if path.name not in named]


def disagreements(view: View, folder: Path, space: SpaceRecord) -> Iterator[str]:
    """In what the catalog is not as the space's sound snapshots say that it was, in words."""
    segments, seq = _sound_segments(view, folder, space)
    if not segments:
        return
    later = embedded.ids(view, space, after=seq)
    none = np.empty(0, np.int64)
    living, other, new = [none], [none], [none]
    for part in embedded.parts(view, space, after=0):
        living.append(part.ids)
        written = ~np.isin(part.ids, later, assume_unique=True)
        same, known = _compare(part, segments, space.dim)
        other.append(part.ids[written & known & ~same])
        new.append(part.ids[written & ~known])
    held = np.concatenate([segment.living_ids for segment in segments])
    yield from _told(np.concatenate(other), "differ from what was written")
    yield from _told(np.concatenate(new), "are of a change in which they were not written")
    yield from _told(np.setdiff1d(held, np.concatenate(living)), "are gone without a record")


def ahead(view: View, folder: Path) -> Iterator[Path]:
    """Snapshots of this library that were written after all that its catalog knows of."""
    seq, spaces = view.change_seq(), {space.id: space for space in view.spaces()}
    for path in unrecorded(view, folder):
        named = NAME.fullmatch(path.name)
        space = spaces.get(int(named[1])) if named else None
        if named and space and int(named[2]) > seq and _is_ours(view, path, space, named[3]):
            yield path


def _is_ours(view: View, path: Path, space: SpaceRecord, start: str) -> bool:
    """Whether an unrecorded file is whole and has a vector as this catalog has it: another library's has not."""
    try:
        found = read_unrecorded(path, space.dim, start)
    except (OSError, StorageError):
        return False
    segments = [Segment(found.ids, found.rows)]
    return any(
        _compare(part, segments, space.dim)[0].any()
        for part in embedded.parts(view, space, after=0)
    )


def _sound_segments(view: View, folder: Path, space: SpaceRecord) -> tuple[list[Segment], int]:
    """As `snapshots.load` opens them, without what came later; and up to which change."""
    segments, seq = list[Segment](), 0
    for record in published(view, space):
        try:
            opened = _open(folder, record, space)
        except (OSError, StorageError):
            break
        segments = [segment.without(opened.ids) for segment in segments]
        segments.append(opened.without(embedded.removed(view, space, after=record.max_seq)))
        seq = record.max_seq
    return segments, seq


def _open(folder: Path, record: SnapshotRecord, space: SpaceRecord) -> Segment:
    path = folder / SNAPSHOTS / record.file
    reason = why_unusable(path, record, space)
    if reason is None and path.exists() and not path.is_file():
        reason = "no file"
    if reason is None and record.dim != space.dim:
        reason = f"of {record.dim} dimensions, not {space.dim}"
    if reason:
        raise StorageError(reason)
    found = read_whole(path, record.dim, record.count, record.sha256)
    return Segment(found.ids, found.rows)


def _compare(
    part: embedded.Part, segments: list[Segment], dim: int
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Of each row of a part of the catalog: whether a segment has the same bytes, and whether one has it at all."""
    same, known = np.zeros((2, len(part.ids)), np.bool_)
    stored = np.frombuffer(part.vectors, VECTOR_DTYPE).reshape(-1, dim).view(np.uint16)
    for segment in segments:
        rows = segment.find(part.ids)
        there = rows >= 0
        known |= there
        same[there] |= (segment.rows.halves(rows[there]).view(np.uint16) == stored[there]).all(
            axis=1
        )
    return same, known


def _told(ids: Ids, what: str) -> Iterator[str]:
    if len(ids):
        some = ", ".join(map(str, ids[:EXAMPLES].tolist()))
        yield f"vectors {what}: {len(ids)} (content {some}{', …' if len(ids) > EXAMPLES else ''})"
