"""Vectors to other programs, and from them."""

import json
import os
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from indexer import ExportOptions, Filter, ImportOptions, ImportReport
from indexer.amounts import readable_size
from indexer.cli import console
from indexer.cli.bar import Bar
from indexer.cli.command import SOME_SKIPPED, Common, JsonObject, from_here

__all__ = ["export", "import_"]


def export(
    common: Common,
    target: Annotated[Path, typer.Argument(metavar="FOLDER", help="A new folder.")],
    options: ExportOptions,
    where: Filter,
    as_json: JsonObject = False,
) -> None:
    """Write photos with their vectors to files that other programs read; all, or those that pass the filters."""
    with common.open() as library, Bar("reading").shown() as bar:
        report = library.export_vectors(
            target, options, where=from_here(where), space=common.space, on_step=bar.update
        )
    if as_json:
        print(json.dumps(asdict(report), default=str))
        return
    size = readable_size(report.size)
    console.note(f"{report.photos} photos of space {report.space} in {report.files} files, {size}")
    if not report.places:
        console.note("where they were taken is left out")


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
    if report.offline:
        console.note(
            f"{report.offline} of them are not here, and are kept as offline; to find them too: --include-offline"
        )
    for line in report.listed:
        console.note(_printable(line))
    counts = ", ".join(f"{count} {reason}" for reason, count in report.skipped.most_common())
    if counts:
        console.note(f"{report.skipped.total()} rows were left out: {counts}")


def _printable(line: str) -> str:
    """Names are others' words: what is not to be printed is escaped."""
    text = os.fsencode(line).decode("utf-8", "backslashreplace")
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
