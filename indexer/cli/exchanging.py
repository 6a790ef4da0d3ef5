"""Vectors to other programs, and from them."""

import json
from dataclasses import asdict, replace
from pathlib import Path
from typing import Annotated

import typer

from indexer import ExportOptions, Filter, ImportOptions, ImportReport, Library
from indexer.amounts import readable_size
from indexer.cli import console
from indexer.cli.bar import Bar
from indexer.cli.command import SOME_SKIPPED, Common, JsonObject, from_here
from indexer.errors import UsageError
from indexer.printable import printable

__all__ = ["export", "import_"]


def export(
    common: Common,
    target: Annotated[Path, typer.Argument(metavar="FOLDER", help="A new folder.")],
    options: ExportOptions,
    where: Filter,
    query: Annotated[
        str | None, typer.Option(help="Only what is relevant to it, as `search` takes it.")
    ] = None,
    top: Annotated[
        int | None, typer.Option("-t", "--top", help="With --query: the best so many.")
    ] = None,
    as_json: JsonObject = False,
) -> None:
    """Write photos with their vectors to files that other programs read; all, or those that pass the filters."""
    where = from_here(where)
    if query is None and top is not None:
        raise UsageError(f"-t {top} needs --query; leave it away, or say what to look for")
    with common.open() as library, Bar("reading").shown() as bar:
        if query is not None:
            where = _answers(library, query, top, where, common.space, bar)
        report = library.export_vectors(
            target, options, where=where, space=common.space, on_step=bar.update
        )
    if as_json:
        print(json.dumps(asdict(report), default=str))
        return
    size = readable_size(report.size)
    console.note(f"{report.photos} photos of space {report.space} in {report.files} files, {size}")
    if report.without_vector:
        console.note(f"{report.without_vector} photos have no vector in it, and are left out")
    if not report.places:
        console.note("where they were taken is left out")


def _answers(
    library: Library, query: str, top: int | None, where: Filter, space: str | None, bar: Bar
) -> Filter:
    """The filter that leaves what answers the query."""
    answer = library.search(
        query,
        max(library.count(where), 1) if top is None else top,
        where=where,
        space=space,
        relevant=top is None,
        include_self=True,
        notify=bar.note,
    )
    for notice in answer.notices:
        bar.note(notice)
    return replace(where, only=tuple(hit.photo_id for hit in answer))


def import_(
    common: Common,
    source: Annotated[Path, typer.Argument(metavar="FOLDER", help="Where the files lie.")],
    options: ImportOptions,
    as_json: JsonObject = False,
) -> int:
    """Take in vectors that were made elsewhere: our Parquet, clip-retrieval's files, a FiftyOne dataset."""
    with common.open(create=True) as library, Bar("looking").shown() as bar:
        report = library.import_vectors(
            source, options, space=common.space, on_step=bar.update, notify=bar.note
        )
    if as_json:
        print(json.dumps(asdict(report)))
    else:
        _tell(report)
    return SOME_SKIPPED if report.skipped else 0


def _tell(report: ImportReport) -> None:
    console.note(
        f"{report.photos} photos, {report.embedded} vectors new to space {report.space}, "
        f"in {report.seconds:.1f} s"
    )
    if report.roots:
        roots = ", ".join(map(printable, report.roots))
        console.note(f"folders that `glimpse build` looks into from now on: {roots}")
    if report.offline:
        console.note(
            f"{report.offline} of them are not here, and are kept as offline; to find them too: --include-offline"
        )
    for line in report.listed:
        console.note(printable(line))
    counts = ", ".join(f"{count} {reason}" for reason, count in report.skipped.items())
    if counts:
        console.note(f"{sum(report.skipped.values())} rows were left out: {counts}")
