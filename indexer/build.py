"""The verb `build`: from folders that a user names to photos that can be found.

    check -> plan every root -> read and embed (pipeline) -> settle what is missing -> publish a snapshot -> tag

Nothing is made or changed before the checks have passed.
"""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from indexer import roots as covering
from indexer.build_options import BuildOptions
from indexer.catalogs import open_catalog
from indexer.config import Config
from indexer.embedders.base import Notify
from indexer.engines import pipeline, workers_of
from indexer.errors import StorageError, UsageError
from indexer.forgetting import remove_traces
from indexer.pictures.thumbnails import THUMBNAILS, Thumbnails
from indexer.pipeline import BuildReport, Pipeline, Progress
from indexer.planning import Pendings, RootPlan, plan_root, rules_of, walk_of
from indexer.search.background import asked_words
from indexer.spaces import DEFAULT, Spaces, absolute_name
from indexer.tagging.run import tag_new
from indexer.urls import folder_of, is_url, local_only
from indexer.vector_stores import vector_store
from storage.catalog import Catalog
from storage.counting import count_failures
from storage.records import RootRecord, SpaceRecord
from storage.vectors import Vectors

if TYPE_CHECKING:
    from indexer.distributed.pipeline import DistributedPipeline

__all__ = ["BuildListener", "build"]

DAY_S = 86_400


@dataclass(frozen=True, slots=True)
class BuildListener:
    """Whom to tell while a build runs."""

    on_progress: Callable[[Progress], object] = lambda progress: None
    notify: Notify = lambda line: None
    confirm: covering.Confirm = lambda question: False
    """Asked before more than half of a root is forgotten; by default such photos are kept."""


def build(
    folder: Path,
    config: Config,
    spaces: Spaces,
    paths: Sequence[str | Path],
    options: BuildOptions,
    listener: BuildListener,
    *,
    adopting: bool = True,
) -> BuildReport:
    """Bring the library in `folder`, made if missing, up to date with these roots, or with all it has.

    Folders that are named become roots, unless it is not `adopting`: then those that are none are left alone.
    Raises UsageError, ModelError and its kinds, or StorageError; what was committed before stays.
    """
    return _Run(folder, config, spaces, options, listener).run(paths, adopting and bool(paths))


class _Run:
    def __init__(
        self,
        folder: Path,
        config: Config,
        spaces: Spaces,
        options: BuildOptions,
        listener: BuildListener,
    ) -> None:
        self._folder = folder
        self._config = config
        self._spaces = spaces
        self._options = replace(options, model=options.model and absolute_name(options.model))
        self._listener = listener
        self._rules = rules_of(folder, config.build, options.exclude, options.include_hidden)
        self._thumbnails = Thumbnails(folder / THUMBNAILS)
        self._store = vector_store(folder, config, workers_of(options))

    def run(self, paths: Sequence[str | Path], adopting: bool) -> BuildReport:
        if self._is_distributed:
            from indexer.distributed.reach import check  # deferred: Ray is an extra

            check(self._options.ray_address)
        elif remote := [path for path in paths if is_url(path) and is_url(folder_of(str(path)))]:
            raise UsageError(
                f"{remote[0]} is no folder; what lies at URLs is built with --engine ray"
            )
        if not self._options.dry_run:
            self._store.reach()
        if not Catalog.exists(self._folder, self._config.library.catalog):
            return self._first(paths)
        with open_catalog(self._folder, self._config.library) as catalog:
            with catalog.view() as view:
                roots = view.roots()
            folders = covering.check_paths(paths, roots) if paths else self._all(roots)
            self._require_pictures(folders, roots)
            return (
                self._dry_run(catalog, folders)
                if self._options.dry_run
                else self._update(catalog, folders, adopting)
            )

    def _all(self, roots: Sequence[RootRecord]) -> list[bytes]:
        """Every root, but those that this engine does not read."""
        folders = [root.path for root in roots]
        if self._is_distributed:
            return folders
        here = local_only(folders)
        if left_out := ", ".join(os.fsdecode(path) for path in folders if is_url(path)):
            line = f"{left_out}: URLs are built with --engine ray"
            if not here:
                raise UsageError(line)
            self._listener.notify(line)
        return here

    @property
    def _is_distributed(self) -> bool:
        return self._options.engine == "ray"

    def _first(self, paths: Sequence[str | Path]) -> BuildReport:
        """Make the library, once it is sure that there are pictures and a model for it."""
        folders = covering.check_paths(paths, [])
        self._require_pictures(folders, [])
        if self._options.dry_run:
            return BuildReport(pending=sum(1 for f in folders for _ in walk_of(f, self._rules)))
        name = self._options.model or self._config.build.model
        model = self._spaces.load(name, self._listener.notify)
        with open_catalog(self._folder, self._config.library, create=True) as catalog:
            with catalog.writer():
                self._spaces.export(model, self._listener.notify)
                with catalog.batch() as batch:
                    self._spaces.add(batch, model, self._options.space)
            del model
            return self._update(catalog, folders, adopting=True)

    def _require_pictures(self, folders: Sequence[bytes], roots: Sequence[RootRecord]) -> None:
        if not folders:
            raise UsageError("no folder was named; try: glimpse build ~/Pictures")
        known = [root.path for root in roots]
        new = [f for f in folders if not any(covering.covers(root, f) for root in known)]
        if new and not any(True for f in new for _ in walk_of(f, self._rules)):
            names = ", ".join(os.fsdecode(f) for f in new)
            raise UsageError(
                f"no pictures in {names}; name a folder that holds JPEG, PNG, HEIC or other pictures"
            )

    def _dry_run(self, catalog: Catalog, folders: Sequence[bytes]) -> BuildReport:
        with catalog.view() as view:
            space = self._spaces.find(view, self._options.model, self._options.space)
            roots = view.roots()
        plans = self._plan(catalog, covering.would_cover(folders, roots), space)
        report = BuildReport(pending=sum(len(plan.pending) for plan in plans))
        for plan in plans:
            covering.tally(plan, report)
        return report

    def _update(self, catalog: Catalog, folders: Sequence[bytes], adopting: bool) -> BuildReport:
        with catalog.writer():
            remove_traces(
                catalog, self._store, self._thumbnails, self._words_of, self._listener.notify
            )
            space = self._choose_space(catalog)
            roots = (covering.adopt if adopting else covering.known)(catalog, folders)
            embedding = self._pipeline(catalog, space)
            embedding.take_leftovers()
            plans = self._plan(catalog, roots, space, embedding.pending)
            embedding.run(plans)
            for plan in plans:
                covering.tally(plan, embedding.report)
            covering.settle(catalog, plans, self._listener.confirm, embedding.report)
            if not self._config.library.catalog:  # what others share may be there for them
                covering.notice_vanished(catalog, roots, embedding.report)
            self._finish(catalog)
            tag_new(catalog, self._spaces, self._listener.notify)
            self._back_up(catalog)
            with catalog.view() as view:
                embedding.report.failed = count_failures(
                    view, [root.id for root in roots], space.id
                )
        return embedding.report

    def _choose_space(self, catalog: Catalog) -> SpaceRecord:
        options = self._options
        with catalog.view() as view:
            space = self._spaces.find(view, options.model, options.space)
        if space is None:
            name = options.model or self._config.build.model
            model = self._spaces.load(name, self._listener.notify)
            self._spaces.export(model, self._listener.notify)
            with catalog.batch() as batch:
                space = self._spaces.add(batch, model, options.space)
        elif options.model not in (None, space.model):
            raise UsageError(
                f"space {space.name} was built with {space.model}, not {options.model}; "
                f"give the new one another name with --space"
            )
        else:
            space = self._spaces.see(catalog, space, self._listener.notify)
            self._spaces.check_source(space, self._listener.notify)
        if options.adopt:
            with catalog.batch() as batch:
                batch.set_meta(DEFAULT, space.name)
        return space

    def _plan(
        self,
        catalog: Catalog,
        roots: Sequence[RootRecord],
        space: SpaceRecord | None,
        pending: Callable[[RootRecord], Pendings] = lambda root: [],
    ) -> list[RootPlan]:
        found = 0

        def on_folder(files: int) -> None:
            nonlocal found
            found += files
            self._listener.on_progress(Progress("looking", found))

        read_all = self._options.verify or self._options.rebuild
        with catalog.view() as view:
            space_id = space.id if space else None
            return [
                plan_root(view, root, self._rules, space_id, read_all, on_folder, pending)
                for root in roots
            ]

    def _pipeline(self, catalog: Catalog, space: SpaceRecord) -> "Pipeline | DistributedPipeline":
        return pipeline(
            self._folder,
            self._config,
            self._spaces,
            catalog,
            space,
            self._options,
            self._thumbnails if self._config.build.thumbnails else None,
            self._listener.on_progress,
            self._listener.notify,
        )

    def _back_up(self, catalog: Catalog) -> None:
        """A copy that cannot be made is no reason for a build to fail, and is told."""
        config = self._config.library
        if not catalog.needs_backup(config.backup_days):
            return
        try:
            catalog.back_up(config.backups)
        except StorageError as error:
            self._listener.notify(str(error))

    def _finish(self, catalog: Catalog) -> None:
        keep_s = self._config.library.keep_removed_days * DAY_S
        with catalog.view() as view:
            is_due = bool(view.orphans(keep_s))
        if is_due:
            with catalog.batch() as batch:
                hashes = batch.purge_orphans(keep_s)
            self._thumbnails.forget(hashes)
        with catalog.view() as view:
            stale = [space for space in view.spaces() if self._store.needs_publishing(view, space)]
        for space in stale:
            self._store.publish(catalog, space, words=partial(self._words_of, space))
        self._store.remove_orphans(catalog)
        self._thumbnails.tidy()

    def _words_of(self, space: SpaceRecord) -> Vectors:
        return asked_words(self._spaces, space, self._listener.notify)
