"""Keeping a library: building it, and looking after what it holds."""

import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from indexer.build_options import BuildOptions
from indexer.embedders.base import Notify
from indexer.library.opened import Opened
from indexer.progress import OnStep, silently
from indexer.results import Photo, RootStatus, SpaceStatus, Status
from indexer.spaces import DEFAULT, choose_space
from indexer.urls import is_url
from storage import lookup
from storage.catalog import Catalog
from storage.records import RootRecord

if TYPE_CHECKING:
    from indexer.pipeline import BuildReport, Progress
    from indexer.roots import Confirm
    from indexer.verification import VerifyReport

__all__ = ["Keeping"]

DEFAULTS = BuildOptions()


class Keeping(Opened):
    """What brings a library up to date and tells its state."""

    def build(
        self,
        paths: str | Path | Sequence[str | Path] = (),
        options: BuildOptions = DEFAULTS,
        *,
        on_progress: Callable[["Progress"], object] = silently,
        notify: Notify = silently,
        confirm: "Confirm" = lambda question: False,
    ) -> "BuildReport":
        """Bring these folders, or all that the library has, up to date.

        `on_progress` is told after each committed batch, `notify` gets a line when something takes
        long, `confirm` is asked before more than half of a root is forgotten (by default such photos are kept,
        as offline). Raises UsageError, ModelError, LibraryLockedError or StorageError; what was committed stays.
        """
        # Deferred for start-up time, here and below: no search needs it.
        from indexer.build import BuildListener, build
        from indexer.roots import several

        listener = BuildListener(on_progress, notify, confirm)
        folders = several(paths)
        return build(self.folder, self._config, self._spaces, folders, options, listener)

    def watch(
        self,
        paths: str | Path | Sequence[str | Path] = (),
        options: BuildOptions = DEFAULTS,
        *,
        debounce_s: float = 1.6,
        stop: threading.Event | None = None,
        on_build: Callable[["BuildReport"], object] = silently,
        on_progress: Callable[["Progress"], object] = silently,
        notify: Notify = silently,
    ) -> None:
        """Build, and build again whenever files change in these folders, or in all that the library has.

        Returns once `stop` is set. A build begins when nothing has changed for `debounce_s`; `on_build` gets its
        report. Raises what the first build raises; what goes wrong later is a line to `notify`, and tried again.
        """
        from indexer.build import BuildListener, build
        from indexer.planning import rules_of
        from indexer.roots import several
        from indexer.watching import Surroundings, Watcher

        def update(roots: Sequence[str | Path]) -> "BuildReport":
            listener = BuildListener(on_progress, notify)
            return build(
                self.folder,
                self._config,
                self._spaces,
                roots,
                options,
                listener,
                adopting=bool(paths),
            )

        rules = rules_of(self.folder, self._config.build, options.exclude, options.include_hidden)
        around = Surroundings(update, self._roots, self._known_folders, rules)
        Watcher(
            around, several(paths), debounce_s, stop or threading.Event(), on_build, notify
        ).run()

    def _roots(self) -> list[RootRecord]:
        if not Catalog.exists(self.folder, self._config.library.catalog):
            return []
        with self._catalog().view() as view:
            return [root for root in view.roots() if not is_url(root.path)]

    def _known_folders(self, root: RootRecord) -> set[bytes]:
        with self._catalog().view() as view:
            return view.folders(root.id)

    def errors(self) -> list[Photo]:
        """Every file that was skipped, with its reason."""
        with self._catalog().view() as view:
            return [Photo.from_record(record) for record in lookup.failures(view)]

    def status(self) -> Status:
        """Roots and spaces."""
        from indexer.status import library_status

        with self._catalog().view() as view:
            return self._counts.get(
                view.point(),
                "status",
                lambda: library_status(view, self.folder, self._catalog().name),
            )

    def root(self, root: str | Path) -> RootStatus:
        """A root by its path or URL. Raises UsageError where the library has none such."""
        from indexer.status import root_status

        with self._catalog().view() as view:
            return root_status(view, root)

    def space(self, name: str | None = None) -> SpaceStatus:
        """A space by its name, or the default one. Raises UsageError."""
        from indexer.status import space_status

        with self._catalog().view() as view:
            return space_status(view, choose_space(view, name))

    def sizes(self) -> dict[str, int]:
        """Bytes on disk by part; looks at every file of the library."""
        from indexer.status import sizes

        return sizes(self._catalog(), self._config)

    def verify(
        self,
        *,
        dry_run: bool = False,
        on_step: OnStep = silently,
        notify: Notify = silently,
    ) -> "VerifyReport":
        """Check the catalog, and what was made from it, which is repaired where it is damaged, unless `dry_run`.

        A damaged catalog is not written to: the report names the newest copy that is sound, and how to put it back.
        Photos are not read, unless to make their thumbnails again; `build` with `verify` compares their hashes.
        Raises LibraryNotFoundError, LibraryLockedError where another process writes and this would too,
        LibraryVersionError, or StorageError for a catalog that cannot be read.
        """
        from indexer.verification.findings import VerifyReport
        from indexer.verification.run import find_damage, verify

        Catalog.require(self.folder, self._config.library.catalog)
        damage = find_damage(self.folder, self._config.library, on_step)
        if damage:
            return VerifyReport({}, damage=damage)
        catalog = self._catalog()
        return verify(
            catalog,
            self._store,
            self._config,
            self._spaces,
            dry_run=dry_run,
            on_step=on_step,
            notify=notify,
        )

    def use(self, space: str) -> None:
        """Make a space the default, in which queries are asked. Raises UsageError."""
        with self._catalog().writer(), self._catalog().batch() as batch:
            batch.set_meta(DEFAULT, choose_space(batch, space).name)

    def remove(self, root: str | Path, *, notify: Notify = silently) -> int:
        """Forget a root: its photos, and the vectors that no other photo needs; how many photos.

        The files themselves stay where they are. `notify` gets a line where somebody reads so long that traces
        are left in the library's own files until the next build. Raises UsageError.
        """
        from indexer.forgetting import forget_root
        from indexer.search.background import asked_words

        return forget_root(
            self._catalog(),
            self._store,
            root,
            self._thumbnails(),
            lambda space: asked_words(self._spaces, space, silently),
            notify,
        )
