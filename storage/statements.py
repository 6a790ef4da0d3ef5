"""Statements that are run for every file or question, composed once: that takes longer than to run them."""

from functools import cache

from sqlalchemy import Insert, bindparam, select, update

from storage import points
from storage.dialects import upsert
from storage.tables import contents, meta, photos

__all__ = [
    "CHANGE_SEQ",
    "CONTENT_ID",
    "META",
    "POINT",
    "REVIVE",
    "put_file",
]

_KEY = ("root_id", "folder", "name")
_KEPT = ("id", *_KEY)

META = select(meta.c.value).where(meta.c.key == bindparam("key"))
POINT = select(meta.c.key, meta.c.value).where(meta.c.key.in_((points.CHANGE_SEQ, points.NAMES)))
CHANGE_SEQ = META.with_for_update()  # which SQLite, where a writer has the whole file, leaves out
CONTENT_ID = select(contents.c.id).where(contents.c.sha256 == bindparam("sha256"))
REVIVE = (
    update(contents)
    .where(contents.c.id == bindparam("content_id"), contents.c.orphaned_at.is_not(None))
    .values(orphaned_at=None)
)


@cache
def put_file(dialect: str) -> Insert:
    """Record a file, or replace what is known of it."""
    file = upsert(dialect, photos)
    new = {
        column.name: file.excluded[column.name] for column in photos.c if column.name not in _KEPT
    }
    return file.on_conflict_do_update(index_elements=_KEY, set_=new)
