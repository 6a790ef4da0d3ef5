"""Tags of photos, by a model and by hand, and what the photos of a library have in common."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from indexer.embedders.base import Notify
from indexer.errors import QueryError
from indexer.library.opened import Opened
from indexer.progress import OnStep, silently
from storage import facets, tagging
from storage.facets import Facets
from storage.filters import Filter
from storage.tagging import Tag

if TYPE_CHECKING:
    from indexer.tagging import TagReport

__all__ = ["Tagging"]

EVERYTHING = Filter()


class Tagging(Opened):
    """`tag`, tags by hand, and counts for filters."""

    def tag(
        self,
        labels: str | Path | Sequence[str] | None = None,
        *,
        templates: Sequence[str] | None = None,
        threshold: float | None = None,
        space: str | None = None,
        on_step: OnStep = silently,
        notify: Notify = silently,
    ) -> "TagReport":
        """Tag all photos by a list of labels, instead of what a model gave before; `build` tags those that come.

        `labels` is a file or its lines, one label a line, such as `dog` or `selfie = selfie, person with a camera`.
        A photo gets each label whose confidence reaches `threshold`, 0 to 1. What is left out is as it was the time
        before, at first Glimpse's own list. What was done by hand stays. Raises UsageError, NoTextError for a
        space that reads no words, ModelError, or LibraryLockedError.
        """
        # Deferred for start-up time, here and below: no search needs it.
        from indexer.tagging import run
        from indexer.tagging.labels import read_lines

        catalog = self._catalog()
        with catalog.view() as view:
            recipe = run.remembered(view) or run.Recipe()
        if labels is not None:
            recipe = replace(recipe, labels=read_lines(labels))
        if templates is not None:
            recipe = replace(recipe, templates=tuple(templates))
        if threshold is not None:
            recipe = replace(recipe, threshold=threshold)
        if space is not None:
            recipe = replace(recipe, space=space)
        return run.tag(catalog, self._spaces, recipe, on_step, notify)

    def clear_tags(self) -> None:
        """Take away every tag that a model gave, and forget the list; what was done by hand stays."""
        from indexer.tagging import run

        run.clear(self._catalog())

    def tags_of(self, photo_id: int) -> list[Tag]:
        """The tags of a photo, surest first. Raises QueryError for an unknown one."""
        return self.tags_of_photos([self._record(photo_id).id]).get(photo_id, [])

    def tags_of_photos(self, photo_ids: Sequence[int]) -> dict[int, list[Tag]]:
        """The tags of several photos; those without any are left out."""
        with self._catalog().view() as view:
            return tagging.tags_of(view, photo_ids)

    def all_tags(self) -> dict[str, int]:
        """How many photos have each tag, most frequent first."""
        with self._catalog().view() as view:
            counts = self._counts.get(
                view.point(), "tags", lambda: facets.count_tags(view, EVERYTHING)
            )
        return dict(counts)

    def add_tag(self, photo_ids: Sequence[int], label: str) -> None:
        """Tag photos, and copies of them, by hand; 1 to 100 printable characters.

        Raises UsageError, and QueryError for an unknown photo or one that could not be read.
        """
        self._by_hand(photo_ids, label, shown=True)

    def remove_tag(self, photo_ids: Sequence[int], label: str) -> None:
        """Take a tag from photos, and from copies of them, by hand: no model gives it to them again.

        Raises as `add_tag` does.
        """
        self._by_hand(photo_ids, label, shown=False)

    def facets(self, where: Filter = EVERYTHING) -> Facets:
        """How many of the photos that pass the filter each camera took, each folder holds, and so on."""
        with self._catalog().view() as view:
            return self._counts.get(
                view.point(), ("facets", where), lambda: facets.facets(view, where)
            )

    def _by_hand(self, photo_ids: Sequence[int], label: str, *, shown: bool) -> None:
        from indexer.tagging.labels import check_label

        label = check_label(label)
        # One short transaction needs no lock on the library: a build may be running.
        with self._catalog().batch() as batch:
            known = tagging.contents_of(batch, photo_ids)
            for id in photo_ids:
                if known.get(int(id)) is None:
                    raise QueryError(f"no photo {id} in this library, or it could not be read")
            contents = {content for content in known.values() if content is not None}
            tagging.set_by_hand(batch, sorted(contents), label, shown)
