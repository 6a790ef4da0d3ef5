"""The photos that are measured on, and how what users say of files finds them.

Exact copies count once: a photo whose copy is among the answers would be found by any model.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from indexer.annotations import match_names
from indexer.embedders.base import Notify
from indexer.errors import UsageError
from indexer.evaluation.ranking import Ids, Vectors
from indexer.evaluation.results import PARENTS
from indexer.results import Photo
from storage.filters import Filter

if TYPE_CHECKING:
    from indexer.library import Library

__all__ = ["Gallery", "Labels", "folder_labels", "label_rows", "read_gallery"]


@dataclass(frozen=True)
class Gallery:
    """Photos that have a vector in every space that is measured."""

    photos: Sequence[Photo]
    """One of each content (n,), in order of ids."""
    vectors: Mapping[str, Vectors]
    """By space: float32 (n, dim), L2-normalised."""
    files: Sequence[tuple[Path, int]]
    """Every file, copies too, and its row."""

    def __len__(self) -> int:
        return len(self.photos)


@dataclass(frozen=True)
class Labels:
    """The photos of a gallery that have a label."""

    names: tuple[str, ...]
    rows: Ids
    """Of the gallery (m,), ascending."""
    codes: Ids
    """Into `names` (m,)."""

    def repeated(self) -> Ids:
        """The members whose label another one has too."""
        return np.flatnonzero(np.bincount(self.codes)[self.codes] > 1)


def read_gallery(library: "Library", spaces: Sequence[str], folder: Path | None) -> Gallery:
    """The present photos, below a folder if one is named. Raises UsageError where there are none."""
    held = {space: library.vectors(space) for space in spaces}
    common = set.intersection(*(set(ids.tolist()) for ids, _ in held.values()))
    where = Filter(folder=str(folder.resolve())) if folder else Filter()
    photos = [photo for photo in library.photos(where) if photo.id in common]
    if not photos:
        below = f" below {folder}" if folder else ""
        raise UsageError(
            f"no photo{below} has a vector in {' and '.join(spaces)}; add some with: glimpse build"
        )
    kept: dict[str | None, Photo] = {}
    for photo in photos:
        kept.setdefault(photo.sha256, photo)
    row = {sha256: number for number, sha256 in enumerate(kept)}
    chosen = np.array([photo.id for photo in kept.values()], np.int64)
    vectors = {space: rows[np.searchsorted(ids, chosen)] for space, (ids, rows) in held.items()}
    files = [(photo.path, row[photo.sha256]) for photo in photos]
    return Gallery(list(kept.values()), vectors, files)


def folder_labels(gallery: Gallery, roots: Iterable[Path], which: str, notify: Notify) -> Labels:
    """A label for each photo: the folder directly below its root, or the one that it lies in."""
    prefixes = [root.parts for root in roots]
    pairs = []
    for path, row in gallery.files:
        if which == PARENTS:
            pairs.append((row, path.parent.name))
            continue
        root = next(prefix for prefix in prefixes if path.parts[: len(prefix)] == prefix)
        if len(path.parts) > len(root) + 1:
            pairs.append((row, path.parts[len(root)]))
    return _labels(pairs, len(gallery), notify)


def label_rows(gallery: Gallery, pairs: Iterable[tuple[str, str]], notify: Notify) -> Labels:
    """The labels that a file gives, by file name."""
    return _labels(match_names(gallery.files, pairs, notify), len(gallery), notify)


def _labels(pairs: Iterable[tuple[int, str]], count: int, notify: Notify) -> Labels:
    given: dict[int, set[str]] = defaultdict(set)
    for row, label in pairs:
        given[row].add(label)
    torn = [row for row, labels in given.items() if len(labels) > 1]
    if torn:
        notify(
            f"{len(torn)} photos have several labels (copies count as one photo) and are left out"
        )
    single = sorted((row, min(labels)) for row, labels in given.items() if len(labels) == 1)
    if count > len(given):
        notify(f"{count - len(given)} photos have no label and are left out where labels decide")
    names = tuple(sorted({label for _, label in single}))
    if len(names) < 2:
        has = (
            f"all {len(single)} labelled photos have the label {names[0]!r}"
            if names
            else "no photo has a label"
        )
        raise UsageError(
            f"{has}; it takes two labels to tell apart (--labels folders, parents, or a file)"
        )
    code = {name: number for number, name in enumerate(names)}
    labels = Labels(
        names,
        np.array([row for row, _ in single], np.int64),
        np.array([code[label] for _, label in single], np.int64),
    )
    if not len(labels.repeated()):
        raise UsageError(
            f"each of the {len(names)} labels has one photo alone; some must have two (try --labels parents)"
        )
    return labels
