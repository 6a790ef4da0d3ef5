"""What a user may say about an export and an import: each option once, for the command and for Python alike."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, get_args

from indexer.errors import UsageError
from indexer.options import option

__all__ = ["ExportOptions", "ExportReport", "ImportOptions", "ImportReport", "Layout"]

Layout = Literal["parquet", "clip-retrieval", "fiftyone"]
LISTED = 20


@dataclass(frozen=True, slots=True)
class ExportOptions:
    """How to export. Raises UsageError for a value that makes no sense."""

    layout: Layout = option("parquet", "parquet; or what another program reads.")
    no_places: bool = option(False, "Leave out where photos were taken.")
    float32: bool = option(False, "Vectors in single precision, unit length; else as kept, half.")
    shard_rows: int = option(100_000, "Photos in a file at most.")

    def __post_init__(self) -> None:
        if self.layout not in get_args(Layout):
            raise UsageError(f"layout {self.layout!r}: it is {', '.join(get_args(Layout))}")
        if self.shard_rows < 1:
            raise UsageError(f"shard-rows {self.shard_rows}: the least is 1")


@dataclass(frozen=True, slots=True)
class ExportReport:
    """What was written."""

    folder: Path
    space: str
    photos: int
    files: int
    size: int
    """Bytes."""
    places: bool
    """Whether it tells where photos were taken."""
    without_vector: int = 0
    """Photos that pass the filter and are not in it, since the space has no vector of them."""


@dataclass(frozen=True, slots=True)
class ImportOptions:
    """What to know of vectors from elsewhere."""

    model: str | None = option(None, "The model that made the vectors; see `glimpse models`.")
    root: Path | None = option(None, "The folder in which the pictures lie here.")
    vectors: str | None = option(None, "FiftyOne: the field that holds the vectors.")


@dataclass(slots=True)
class ImportReport:
    """What an import did."""

    space: str
    photos: int = 0
    """Rows that are photos of the library now."""
    embedded: int = 0
    """Vectors that the space did not have."""
    known: int = 0
    """Photos whose bytes had a vector in the space already."""
    offline: int = 0
    """Photos whose file is not here."""
    roots: list[str] = field(default_factory=list)
    """Folders that the library did not have."""
    skipped: dict[str, int] = field(default_factory=dict)
    """Rows that are left out, by reason."""
    listed: list[str] = field(default_factory=list)
    """The first of them: where it stands, its path, the reason."""
    seconds: float = 0.0

    def skip(self, row: str, reason: str) -> None:
        """Count a row that is left out."""
        self.skipped[reason] = self.skipped.get(reason, 0) + 1
        if len(self.listed) < LISTED:
            self.listed.append(f"{row}: {reason}")
