"""Filters as SQL over `photos` joined with `contents`; values are bound, never spliced in."""

import math
from collections.abc import Callable, Iterator, Sequence

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    and_,
    cast,
    exists,
    false,
    func,
    or_,
    select,
    true,
)

from storage.dialects import among, calls_python, path_contains, unindexed
from storage.filters import Circle, Filter
from storage.records import RootRecord, State
from storage.tables import contents, photos, tags
from storage.view import View

__all__ = ["PRESENT", "conditions", "has_tag"]

ROWS = 10_000
"""Rows that are fetched together."""
EARTH_RADIUS_KM = 6371.0088  # the mean radius of the International Union of Geodesy and Geophysics
Condition = ColumnElement[bool]
PRESENT: Condition = unindexed(photos.c.state).in_([State.PRESENT])
"""All that must hold where nobody filters."""


def conditions(view: View, where: Filter) -> list[Condition]:
    """What must hold for a photo to pass the filter."""
    shown = unindexed(photos.c.state).in_([State.PRESENT, State.OFFLINE])
    roots = view.roots() if where.folder or where.path else []
    found = [
        shown if where.include_offline else PRESENT,
        *_of_file(view.dialect, where, roots),
        *_of_picture(where),
    ]
    if not where.path:
        return found
    if calls_python(view.dialect):
        return [*found, or_(false(), *(_named(where.path, root) for root in roots))]
    return [among(view.dialect, photos.c.id, _ids_named(view, where.path, roots, found))]


def has_tag(label: str) -> Condition:
    """Whether a photo has a tag, by whoever gave it."""
    return exists().where(
        tags.c.content_id == photos.c.content_id, tags.c.label == label, tags.c.confidence > 0
    )


def _of_file(dialect: str, where: Filter, roots: Sequence[RootRecord]) -> Iterator[Condition]:
    least, most = where.bytes_between()
    if least is not None:
        yield photos.c.size >= least
    if most is not None:
        yield photos.c.size <= most
    if where.only is not None:
        yield among(dialect, photos.c.id, where.only)
    if where.folder:
        folder = where.folder.rstrip("/").encode("utf-8", "surrogateescape")
        yield or_(false(), *(_under(folder, root) for root in roots))


def _of_picture(where: Filter) -> Iterator[Condition]:
    if where.after:
        yield contents.c.taken_at >= where.after
    if where.before:
        yield contents.c.taken_at < where.before
    if where.camera:
        yield contents.c.camera.icontains(where.camera, autoescape=True)
    if where.lens:
        yield contents.c.lens.icontains(where.lens, autoescape=True)
    if circle := where.circle():
        yield _within(circle)
    if where.format:
        name = where.format.lower().removeprefix(".")
        yield func.lower(contents.c.format) == FORMATS.get(name, name)
    if where.orientation:
        yield SHAPES[where.orientation]()
    if where.min_megapixels is not None:
        pixels = cast(contents.c.width, BigInteger) * contents.c.height
        yield pixels >= where.min_megapixels * 1e6
    if where.min_rating is not None:
        yield contents.c.rating >= where.min_rating
    yield from (has_tag(label) for label in where.tag)
    yield from (~has_tag(label) for label in where.without_tag)


FORMATS = {
    **dict.fromkeys(("jpg", "jpe", "jfif"), "jpeg"),
    **dict.fromkeys(("heic", "hif"), "heif"),
    **dict.fromkeys(("jp2", "j2k", "jpx"), "jpeg2000"),
    "tif": "tiff",
}
"""Names as files have them, of formats that Pillow calls otherwise."""

SHAPES: dict[str, Callable[[], Condition]] = {
    "landscape": lambda: contents.c.width > contents.c.height,
    "portrait": lambda: contents.c.width < contents.c.height,
    "square": lambda: and_(contents.c.width == contents.c.height, contents.c.width > 0),
}


def _under(folder: bytes, root: RootRecord) -> Condition:
    """Whether a photo lies in the folder, which may contain the root or be part of it."""
    in_root = photos.c.root_id == root.id
    root_path = root.path.rstrip(b"/") + b"/"
    if root_path.startswith(folder + b"/"):
        return in_root
    if not folder.startswith(root_path):
        return false()
    inner = folder.removeprefix(root_path)
    below = func.substr(photos.c.folder, 1, len(inner) + 1) == inner + b"/"
    return and_(in_root, or_(photos.c.folder == inner, below))


def _named(text: str, root: RootRecord) -> Condition:
    return and_(
        photos.c.root_id == root.id,
        func.path_contains(text, root.path, photos.c.folder, photos.c.name),
    )


def _ids_named(
    view: View, text: str, roots: Sequence[RootRecord], others: Sequence[Condition]
) -> list[int]:
    """The photos that hold to the other conditions and have this text in their path."""
    paths = {root.id: root.path for root in roots}
    source = photos.outerjoin(contents, contents.c.id == photos.c.content_id)
    rows = view.connection.execute(
        select(*photos.c["id", "root_id", "folder", "name"]).select_from(source).where(*others),
        execution_options={"yield_per": ROWS},
    )
    return [id for id, root, *parts in rows if path_contains(text, paths[root], *parts)]


def _within(circle: Circle) -> Condition:
    """The haversine of the angle between two places, which is exact for those close together too.

    A box of latitudes goes first: it is cheap, and leaves little to compute.
    """
    angle = circle.km / EARTH_RADIUS_KM
    if angle >= math.pi:
        return contents.c.latitude.is_not(None) & contents.c.longitude.is_not(None) & true()
    north = math.degrees(angle) + 1e-9
    latitude, longitude = contents.c.latitude, contents.c.longitude
    half = math.pi / 360
    haversine = _squared_sine((latitude - circle.latitude) * half) + (
        func.cos(latitude * (2 * half)) * math.cos(math.radians(circle.latitude))
    ) * _squared_sine((longitude - circle.longitude) * half)
    return and_(
        latitude.between(circle.latitude - north, circle.latitude + north),
        longitude.is_not(None),
        haversine <= math.sin(angle / 2) ** 2,
    )


def _squared_sine(angle: ColumnElement[float]) -> ColumnElement[float]:
    return func.sin(angle) * func.sin(angle)
