"""A filter is data; here it becomes SQL."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, fields

from sqlalchemy import ColumnElement, and_, false, func, or_

from storage.errors import UsageError
from storage.records import RootRecord, State
from storage.tables import contents, photos

__all__ = ["Filter", "conditions"]

DATE = re.compile(r"\d{4}(-\d\d(-\d\d(T\d\d(:\d\d(:\d\d)?)?)?)?)?")


@dataclass(frozen=True, slots=True)
class Filter:
    """Which photos may answer; every field that is set must hold.

    Dates are "2023", "2023-05", "2023-05-01" or "2023-05-01T17:30", compared with the wall clock where the
    picture was taken; a photo without a date never passes a date filter. Raises UsageError for
    anything else.
    """

    after: str | None = None
    """Taken at or after."""
    before: str | None = None
    """Taken before."""
    folder: str | None = None
    """In this folder or below, given as an absolute path."""
    camera: str | None = None
    """Part of the camera's name, in any case."""
    format: str | None = None
    """Such as "JPEG"."""
    min_rating: int | None = None
    include_offline: bool = False
    """Also photos whose root cannot be reached at the moment."""

    def __post_init__(self) -> None:
        for name in ("after", "before"):
            value = getattr(self, name)
            if value is not None and not DATE.fullmatch(value):
                raise UsageError(
                    f"{name} {value!r} is not a date such as 2023, 2023-05 or 2023-05-01"
                )

    def is_empty(self) -> bool:
        """Whether every photo that is present passes."""
        return all(getattr(self, field.name) == field.default for field in fields(self))


def conditions(where: Filter, roots: Sequence[RootRecord]) -> list[ColumnElement[bool]]:
    """The filter over `photos` joined with `contents`; values are bound, never spliced in."""
    states = [State.PRESENT, *([State.OFFLINE] if where.include_offline else [])]
    found: list[ColumnElement[bool]] = [photos.c.state.in_(states)]
    if where.after:
        found.append(contents.c.taken_at >= where.after)
    if where.before:
        found.append(contents.c.taken_at < where.before)
    if where.folder:
        folder = where.folder.rstrip("/").encode("utf-8", "surrogateescape")
        found.append(or_(false(), *(_under(folder, root) for root in roots)))
    if where.camera:
        found.append(contents.c.camera.icontains(where.camera, autoescape=True))
    if where.format:
        found.append(func.lower(contents.c.format) == where.format.lower())
    if where.min_rating is not None:
        found.append(contents.c.rating >= where.min_rating)
    return found


def _under(folder: bytes, root: RootRecord) -> ColumnElement[bool]:
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
