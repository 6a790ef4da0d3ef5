"""Putting a library in order: what it holds more than once."""

from collections.abc import Iterable
from typing import TYPE_CHECKING

from indexer.library.opened import Opened
from indexer.progress import OnStep, silently
from storage import lookup, perceptual
from storage.filters import Filter
from storage.records import PhotoRecord

if TYPE_CHECKING:
    from indexer.duplicates import DuplicateGroup
    from indexer.embedders.base import Notify

__all__ = ["Organizing"]

EVERYTHING = Filter()


class Organizing(Opened):
    """What tells of photos in groups."""

    def duplicates(
        self,
        *,
        near: bool = True,
        where: Filter = EVERYTHING,
        space: str | None = None,
        on_step: OnStep = silently,
        notify: "Notify" = silently,
    ) -> list["DuplicateGroup"]:
        """Groups of photos that show the same, each photo in one at most; those that take most room first.

        Photos of the same bytes, and, if `near`, also copies of other bytes: encoded or scaled anew, turned,
        mirrored, cropped or rotated a little. Every copy was compared with the first of its group. Only files that
        are still as the library knows them are told of; `notify` gets a line where others were left out. Nothing
        is deleted. Raises UsageError for an unknown space.
        """
        # Deferred for start-up time: no search needs it.
        from indexer.duplicates.finding import by_content, exact_groups, near_groups
        from indexer.duplicates.pictures import gather

        if not near:
            with self._catalog().view() as view:
                return exact_groups(by_content(_there(lookup.all_photos(view, where), notify)))
        with self._reading(space) as (view, _, index):
            photos = by_content(_there(lookup.all_photos(view, where), notify))
            hashes = perceptual.all_hashes(view)
        pictures = gather(photos, hashes, index, self._thumbnail, self._catalog(), on_step)
        return near_groups(photos, pictures, self._thumbnail, on_step)


def _there(photos: Iterable[PhotoRecord], notify: "Notify") -> list[PhotoRecord]:
    from indexer.duplicates.there import unchanged

    found, changed = unchanged(photos)
    if changed:
        notify(
            f"{changed} files went or changed since they were read, and are left out; `glimpse build` looks again"
        )
    return found
