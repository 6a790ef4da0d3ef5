"""Tags of all photos at once, as what sums them up needs them."""

from sqlalchemy import select

from storage.catalog import View
from storage.tables import tags

__all__ = ["all_tags"]


def all_tags(view: View) -> list[tuple[int, str, float]]:
    """Every tag that stands: content, label, confidence within 0..1."""
    query = select(tags.c.content_id, tags.c.label, tags.c.confidence).where(tags.c.confidence > 0)
    return [
        (content, label, confidence)
        for content, label, confidence in view.connection.execute(query)
    ]
