"""A library's catalog, opened as its configuration says."""

from pathlib import Path

from indexer.config import LibraryConfig
from storage.catalog import Catalog

__all__ = ["open_catalog"]


def open_catalog(folder: Path, settings: LibraryConfig, *, create: bool = False) -> Catalog:
    """The catalog of the library in `folder`, made if missing with `create`; raises what `Catalog.open` raises."""
    return Catalog.open(
        folder, settings.catalog, create=create, busy_timeout_s=settings.busy_timeout_s
    )
