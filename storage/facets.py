"""Counts of photos by what they have in common, for those who narrow a search down."""

import os
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import Any

from sqlalchemy import (
    ColumnElement,
    FromClause,
    Row,
    Select,
    case,
    func,
    select,
)

from storage.conditions import conditions
from storage.filters import ORIENTATIONS, Filter
from storage.lookup import photo_contents
from storage.records import UNSEEN, RootRecord
from storage.tables import contents, photos, tags
from storage.view import View

__all__ = ["Facets", "count_tags", "facets"]

FOLDERS = 50
PHOTOS = photos.outerjoin(contents, contents.c.id == photos.c.content_id)

Counts = dict[str, int]


@dataclass(frozen=True, slots=True)
class Facets:
    """How many photos have each value, most frequent first; photos without a value count nowhere."""

    camera: Counts = field(default_factory=dict)
    lens: Counts = field(default_factory=dict)
    format: Counts = field(default_factory=dict)
    orientation: Counts = field(default_factory=dict)
    year: Counts = field(default_factory=dict)
    rating: Counts = field(default_factory=dict)
    tag: Counts = field(default_factory=dict)
    folder: Counts = field(default_factory=dict)
    """Whole paths. Where there are many, those far down count with the folder above them."""


LANDSCAPE, PORTRAIT, SQUARE = ORIENTATIONS
VALUES: dict[str, ColumnElement[Any]] = {
    "camera": contents.c.camera,
    "lens": contents.c.lens,
    "format": func.nullif(contents.c.format, UNSEEN),
    "orientation": case(
        (contents.c.width > contents.c.height, LANDSCAPE),
        (contents.c.width < contents.c.height, PORTRAIT),
        (contents.c.width > 0, SQUARE),
    ),
    "year": func.substr(contents.c.taken_at, 1, 4),
    "rating": contents.c.rating,
}


def facets(view: View, where: Filter) -> Facets:
    """The counts over the photos that pass the filter."""
    if where.path:  # worked out by Python, photo by photo: once is enough
        where = replace(where, path=None, only=tuple(photo_contents(view, where)[:, 0].tolist()))
    # One statement for all values: what photos have in common is few rows, which are then added up.
    rows = _grouped(view, where, *VALUES.values())
    counts = {name: _counts((row[i], row[-1]) for row in rows) for i, name in enumerate(VALUES)}
    folders = _folders(_grouped(view, where, photos.c.folder, photos.c.root_id), view.roots())
    return Facets(tag=count_tags(view, where), folder=folders, **counts)


def count_tags(view: View, where: Filter) -> Counts:
    """How many of the photos that pass the filter have each tag."""
    given = tags.alias()  # a filter may ask for tags too
    source = PHOTOS.join(given, given.c.content_id == photos.c.content_id)
    query = _query(view, where, source, given.c.label).where(given.c.confidence > 0)
    return _counts(row for row in view.connection.execute(query))


def _grouped(
    view: View, where: Filter, *values: ColumnElement[Any]
) -> Sequence[Row[tuple[Any, ...]]]:
    return view.connection.execute(_query(view, where, PHOTOS, *values)).all()


def _query(
    view: View, where: Filter, source: FromClause, *values: ColumnElement[Any]
) -> Select[Any]:
    query = select(*values, func.count()).select_from(source).group_by(*values)
    return query.where(*conditions(view, where))


def _counts(rows: Iterable[Sequence[Any]]) -> Counts:
    counts = Counter[str]()
    for value, n in rows:
        if value is not None:
            counts[str(value)] += n
    return _most_frequent(counts.items())


def _folders(rows: Sequence[Sequence[Any]], roots: Sequence[RootRecord]) -> Counts:
    """Photos by folder; as many levels as give few enough, and of those the ones with most photos."""
    paths = {root.id: root.path.rstrip(b"/") for root in roots}
    found = [(paths[row[1]], row[0].split(b"/") if row[0] else [], row[2]) for row in rows]
    deepest = max((len(parts) for _, parts, _ in found), default=0)
    for depth in range(deepest, -1, -1):
        counts = Counter[str]()
        for root, parts, n in found:
            counts[os.fsdecode(b"/".join([root, *parts[:depth]]) or b"/")] += n
        if len(counts) <= FOLDERS or depth <= 1:
            break
    return dict(islice(_most_frequent(counts.items()).items(), FOLDERS))


def _most_frequent(counts: Iterable[tuple[str, int]]) -> Counts:
    return dict(sorted(counts, key=lambda each: (-each[1], each[0])))
