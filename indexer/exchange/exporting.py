"""The verb `export`: photos with their vectors, in files that another program reads.

All is of one moment of the library. What is in memory is a few thousand photos.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, closing
from pathlib import Path
from typing import NamedTuple, Protocol

from indexer.errors import UsageError
from indexer.exchange import clip_retrieval, fiftyone, manifest, parquet
from indexer.exchange.manifest import Manifest, Origin
from indexer.exchange.options import ExportOptions, ExportReport, Layout
from indexer.progress import OnStep
from storage.exchange import Departing, Departures
from storage.filters import Filter
from storage.lookup import count_matching, count_photos
from storage.records import SpaceRecord
from storage.view import View

__all__ = ["export_vectors"]

AT_ONCE = 5000
"""Photos that are read, and written, together."""

Put = Callable[[Departing], None]


class Writer(Protocol):
    """Writes one layout."""

    def shards(self) -> Sequence[int]:
        """How many photos go into each shard."""

    def shard(self, number: int, of: int, rows: int) -> AbstractContextManager[Put]:
        """One shard of so many, of `rows` photos, to be put into it in turn."""

    def finish(self) -> None:
        """Write what comes after the last shard."""

    def files(self) -> Sequence[Path]:
        """Every file that was written."""


class Kind(NamedTuple):
    """A layout: what writes it, and patterns of the files that are written."""

    writer: Callable[[Path, Origin, ExportOptions, int], Writer]
    names: Sequence[str]


KINDS: dict[Layout, Kind] = {
    "parquet": Kind(parquet.Writer, parquet.NAMES),
    "clip-retrieval": Kind(clip_retrieval.Writer, clip_retrieval.NAMES),
    "fiftyone": Kind(fiftyone.Writer, fiftyone.NAMES),
}


def export_vectors(
    view: View,
    space: SpaceRecord,
    folder: Path,
    where: Filter,
    options: ExportOptions,
    on_step: OnStep,
) -> ExportReport:
    """Write the photos that pass the filter, with their vectors, to a folder. Raises UsageError, GlimpseError."""
    total = count_photos(view, where, [space.id])
    if not total:
        raise UsageError(f"no photo passes the filter and has a vector in space {space.name}")
    kind, origin = KINDS[options.layout], Origin.of(space)
    manifest.begin(folder, kind.names)
    writer = kind.writer(folder, origin, options, total)
    sizes, done = writer.shards(), 0
    with closing(Departures(view, space, where)) as rows:
        for number, size in enumerate(sizes):
            with writer.shard(number, len(sizes), size) as put:
                for count in _pieces(size):
                    put(rows.take(count))
                    done += count
                    on_step("exporting", done, total)
    writer.finish()
    files = {path.relative_to(folder).as_posix(): path.stat().st_size for path in writer.files()}
    places = not options.no_places
    manifest.finish(folder, Manifest(options.layout, origin, total, places, files))
    missing = count_matching(view, where) - total
    return ExportReport(folder, space.name, total, len(files), sum(files.values()), places, missing)


def _pieces(count: int) -> Iterator[int]:
    for start in range(0, count, AT_ONCE):
        yield min(AT_ONCE, count - start)
