"""A library that is open: its catalog, its vectors in memory, its models."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

from indexer.catalogs import open_catalog
from indexer.config import Config
from indexer.errors import QueryError
from indexer.indexes import Indexes
from indexer.kept import Kept
from indexer.library.turns import Turns
from indexer.pictures.fetched import Fetched
from indexer.pictures.viewer import Viewer
from indexer.search.background import Backgrounds
from indexer.spaces import Spaces, choose_space
from indexer.vector_stores import vector_store
from storage import lookup
from storage.catalog import Catalog
from storage.records import PhotoRecord, SpaceRecord
from storage.vectors import VectorIndex
from storage.view import View

if TYPE_CHECKING:
    from indexer.pictures.thumbnails import Thumbnails

__all__ = ["Opened"]

COUNTS = 64
"""Counts that are kept."""
ORDERS = 8
"""Lists of all photos in order, of 8 bytes a photo."""
FILTERED = 16
"""Filters of which is kept what they let pass: some megabytes each, of a million photos."""


class Opened:
    """What every part of a library stands on."""

    def __init__(self, folder: Path, config: Config, catalog: Catalog | None) -> None:
        """Use `Library.open`."""
        self.folder = folder
        self._config = config
        self._opened = catalog
        self._spaces = Spaces(folder, config.runtime)
        self._store = vector_store(folder, config)
        self._indexes = Indexes(self._store)
        self._backgrounds = Backgrounds()
        self._fetched = Fetched()
        self._filtered = Kept(FILTERED)
        self._counts, self._orders = Kept(COUNTS), Kept(ORDERS)
        self._turns = Turns()
        build = config.build
        self._viewer = Viewer(build.limits(), build.decode_timeout_s, os.cpu_count() or 1)

    @classmethod
    def open(
        cls,
        folder: str | Path | None = None,
        *,
        create: bool = False,
        deferred: bool = False,
        config: Config | None = None,
    ) -> Self:
        """Open the library in `folder`, else in the one that the configuration names.

        With `create` a library that is missing is made by the first `build`. With `deferred` the catalog is opened
        when it is first needed, so that `verify` can look at one that cannot be opened. Raises
        LibraryNotFoundError, LibraryVersionError, CatalogDamagedError or StorageError.
        """
        config = config or Config.load()
        path = Path(os.path.expanduser(folder)) if folder is not None else config.library.folder()
        settings = config.library
        if deferred or (create and not Catalog.exists(path, settings.catalog)):
            return cls(path, config, None)
        return cls(path, config, open_catalog(path, settings))

    def close(self) -> None:
        """Let go of the catalog, and end what was started."""
        self._viewer.close()
        if self._opened is not None:
            self._opened.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    @contextmanager
    def _reading(self, space: str | None) -> Iterator[tuple[View, SpaceRecord, VectorIndex]]:
        """One moment of the library: a view, a space, and its vectors as of that view."""
        with self._catalog().view() as view:
            record = choose_space(view, space)
            yield view, record, self._indexes.at(view, record)

    def _record(self, photo_id: int) -> PhotoRecord:
        with self._catalog().view() as view:
            record = lookup.get_photo(view, photo_id)
        if record is None:
            raise QueryError(f"no photo {photo_id} in this library")
        return record

    def _thumbnails(self) -> "Thumbnails":
        # Deferred for start-up time: a search for words decodes nothing.
        from indexer.pictures.thumbnails import THUMBNAILS, Thumbnails

        return Thumbnails(self.folder / THUMBNAILS)

    def _thumbnail(self, photo: PhotoRecord, edge: int) -> bytes:
        return self._thumbnails().get(photo, edge, self._viewer, self._knows)

    def _knows(self, sha256: bytes) -> bool:
        with self._catalog().view() as view:
            return view.content_id(sha256) is not None

    def _catalog(self) -> Catalog:
        """The catalog; a library that was to be made may have been made by now."""
        if self._opened is None:
            self._opened = open_catalog(self.folder, self._config.library)
        return self._opened
