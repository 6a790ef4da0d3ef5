"""The map of a library."""

from collections.abc import Sequence

from indexer.atlas import AtlasOptions, PhotoMap
from indexer.embedders.base import Notify
from indexer.library.opened import Opened
from indexer.progress import OnStep, silently
from storage import lookup
from storage.filters import Filter
from storage.tagging import all_tags

__all__ = ["Charting"]

EVERYTHING = Filter()
USUAL = AtlasOptions()


class Charting(Opened):
    """`map`."""

    def map(
        self,
        space: str | None = None,
        *,
        where: Filter = EVERYTHING,
        labels: Sequence[str] | None = None,
        options: AtlasOptions = USUAL,
        on_step: OnStep = silently,
        notify: Notify = silently,
    ) -> PhotoMap:
        """The photos that pass the filter, on the map of the whole library.

        The map is kept in the library, and drawn again only when more than a tenth of it has changed. A
        cluster is named by the library's tags; where none tells it apart by `labels`, in a space that reads text, the
        list that comes with Glimpse by default; else by a number.
        Raises UsageError for an unknown space, GlimpseError where a package is missing.
        """
        # Deferred for start-up time: no search needs it.
        from indexer.atlas import naming
        from indexer.atlas.assembling import photo_map, up_to_date
        from indexer.tagging.labels import default_labels, parse_labels
        from indexer.tagging.run import TEMPLATES
        from indexer.tagging.vectors import label_vectors

        # All is read at one moment, and the view let go: drawing may take a minute.
        with self._reading(space) as (view, record, index):
            library_id, spaces, tags = view.library_id(), view.spaces(), all_tags(view)
            pairs = lookup.photo_contents(view, where)
        layout = up_to_date(self.folder, library_id, spaces, record, index, options, on_step)
        candidates = naming.by_tags(layout, tags)
        known = default_labels() if labels is None else parse_labels(labels) if labels else ()
        reads = record.reads_text and self._spaces.is_ready(record)
        if known and reads and not all(candidates):
            vectors = label_vectors(
                known,
                TEMPLATES,
                self._spaces.folder(record),
                lambda: self._spaces.embedder(record, notify),
                on_step,
            )
            words = naming.by_words(layout, index, [label.name for label in known], vectors)
            candidates = [tag or word for tag, word in zip(candidates, words, strict=True)]
        return photo_map(layout, pairs, naming.unique_names(candidates), record.name)
