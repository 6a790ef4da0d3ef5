"""Where a library's vectors are searched: what every such place can do, and FAISS snapshots as the usual one.

Whichever published last is what the catalog has recorded; to the others their records are then unusable, and they
begin anew from the catalog.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from storage import snapshots
from storage.catalog import Catalog
from storage.making import IN_MEMORY, Maker
from storage.records import SpaceRecord
from storage.rows import Vectors
from storage.snapshots import NO_WORDS
from storage.vectors import VectorIndex
from storage.view import View

__all__ = ["SnapshotStore", "VectorStore"]


class VectorStore(Protocol):
    """Keeps the vectors of each space in a form that is searched fast, and can be made again from the catalog."""

    def reach(self) -> None:
        """Make sure that it can be written to. Raises StorageError within seconds."""

    def load(self, view: View, space: SpaceRecord) -> VectorIndex:
        """The space's vectors as of this view."""

    def refresh(self, view: View, space: SpaceRecord, index: VectorIndex) -> VectorIndex:
        """The same brought up to this view; the index itself when nothing came."""

    def needs_publishing(self, view: View, space: SpaceRecord) -> bool:
        """Whether what is kept is not what was recorded, or lacks so much that publishing is worth it."""

    def publish(
        self,
        catalog: Catalog,
        space: SpaceRecord,
        *,
        everything: bool = False,
        words: Callable[[], Vectors] = lambda: NO_WORDS,
    ) -> None:
        """Bring what is kept up to date, or make all of it anew, so that no trace of what left is in it.

        The writer alone does this. `words` gives vectors (n, dim) of texts that may be asked, for tuning.
        """

    def remove_orphans(self, catalog: Catalog) -> None:
        """Delete what no record names; the writer alone does this."""


@dataclass(frozen=True)
class SnapshotStore:
    """FAISS files in the library's folder."""

    folder: Path
    maker: Maker = IN_MEMORY
    """Makes cells, in memory or on disk; those that are there are read wherever they lie."""

    def reach(self) -> None:
        """As `VectorStore`: a folder is always there."""

    def load(self, view: View, space: SpaceRecord) -> VectorIndex:
        """As `VectorStore`."""
        return snapshots.load(view, self.folder, space)

    def refresh(self, view: View, space: SpaceRecord, index: VectorIndex) -> VectorIndex:
        """As `VectorStore`."""
        return snapshots.refresh(view, self.folder, space, index)

    def needs_publishing(self, view: View, space: SpaceRecord) -> bool:
        """As `VectorStore`."""
        return snapshots.needs_publishing(view, space, self.maker)

    def publish(
        self,
        catalog: Catalog,
        space: SpaceRecord,
        *,
        everything: bool = False,
        words: Callable[[], Vectors] = lambda: NO_WORDS,
    ) -> None:
        """As `VectorStore`."""
        snapshots.publish(catalog, space, everything=everything, words=words, maker=self.maker)

    def remove_orphans(self, catalog: Catalog) -> None:
        """As `VectorStore`."""
        snapshots.remove_orphans(catalog)
