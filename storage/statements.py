"""Statements that are run for every file or question, composed once: that takes longer than to run them."""

from sqlalchemy import bindparam, insert, select, update
from sqlalchemy.dialects.sqlite import insert as upsert

from storage.tables import contents, embeddings, meta, photos

__all__ = ["ADD_CONTENT", "CONTENT_AT", "CONTENT_ID", "META", "PUT_FILE", "REVIVE", "VECTOR_OF"]

_KEY = ("root_id", "folder", "name")
_KEPT = ("id", *_KEY)

META = select(meta.c.value).where(meta.c.key == bindparam("key"))
CONTENT_ID = select(contents.c.id).where(contents.c.sha256 == bindparam("sha256"))
ADD_CONTENT = insert(contents).returning(contents.c.id)
VECTOR_OF = select(embeddings.c.content_id).where(
    embeddings.c.content_id == bindparam("content_id"),
    embeddings.c.space_id == bindparam("space_id"),
    embeddings.c.vector.is_not(None),
)
CONTENT_AT = select(photos.c.content_id).where(
    *(photos.c[name] == bindparam(name) for name in _KEY)
)
_FILE = upsert(photos)
PUT_FILE = _FILE.on_conflict_do_update(
    index_elements=_KEY,
    set_={
        column.name: _FILE.excluded[column.name] for column in photos.c if column.name not in _KEPT
    },
)
REVIVE = (
    update(contents)
    .where(contents.c.id == bindparam("content_id"), contents.c.orphaned_at.is_not(None))
    .values(orphaned_at=None)
)
