"""Vectors to other programs, and from them."""

from dataclasses import replace
from pathlib import Path

from indexer.embedders.base import Notify
from indexer.exchange import ExportOptions, ExportReport, ImportOptions, ImportReport
from indexer.library.opened import Opened
from indexer.progress import OnStep, silently
from indexer.spaces import choose_space
from storage.filters import Filter

__all__ = ["Exchanging"]

EVERYTHING = Filter()
EXPORT, IMPORT = ExportOptions(), ImportOptions()


class Exchanging(Opened):
    """`export` and `import`."""

    def export_vectors(
        self,
        folder: str | Path,
        options: ExportOptions = EXPORT,
        *,
        where: Filter = EVERYTHING,
        space: str | None = None,
        on_step: OnStep = silently,
    ) -> ExportReport:
        """Write the photos that pass the filter, each with its vector in the space, to a folder.

        Places are left out where the options or the configuration (`[ui] places`) say so. A manifest is written last:
        without it, the export is not whole. Raises UsageError, and GlimpseError where the folder cannot be written.
        """
        # Deferred for start-up time, here and below: no search needs it.
        from indexer.exchange.exporting import export_vectors

        if not self._config.ui.places:
            options = replace(options, no_places=True)
        with self._catalog().view() as view:
            record = choose_space(view, space)
            return export_vectors(view, record, Path(folder), where, options, on_step)

    def import_vectors(
        self,
        folder: str | Path,
        options: ImportOptions = IMPORT,
        *,
        space: str | None = None,
        on_step: OnStep = silently,
        notify: Notify = silently,
    ) -> ImportReport:
        """Take in vectors that were made elsewhere, with the photos that they are of; nothing is embedded.

        The folder holds an export of Glimpse's, clip-retrieval's `img_emb` and `metadata`, or a FiftyOne dataset.
        Photos whose file is not here are kept as offline. What was committed stays, and the next import goes on.
        Raises UsageError, ModelError, GlimpseError for files that cannot be read, or LibraryLockedError.
        """
        from indexer.exchange.importing import Importing

        importing = Importing(
            self.folder, self._config, self._spaces, options, space, on_step, notify
        )
        return importing.run(Path(folder))
