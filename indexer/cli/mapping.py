"""The map of a library."""

import json
from pathlib import Path
from typing import Annotated

import typer

from indexer import Filter, PhotoMap
from indexer.atlas.page import write_page
from indexer.cli import answers, console
from indexer.cli.bar import Bar
from indexer.cli.command import Common, JsonObject, from_here
from indexer.standalone import check_writable

__all__ = ["map"]


def map(
    common: Common,
    where: Filter,
    label: Annotated[
        list[str] | None,
        typer.Option(metavar="TEXT", help="A name for clusters of untagged photos; repeat it."),
    ] = None,
    as_json: JsonObject = False,
    out: Annotated[Path | None, typer.Option(metavar="FILE.html", help="Write the map.")] = None,
) -> None:
    """Lay the photos out by likeness, and name the groups that they form."""
    if out is not None:
        check_writable(out)
    where = from_here(where)
    with common.open() as library, Bar("reading").shown() as bar:
        found = library.map(
            common.space, where=where, labels=label, on_step=bar.update, notify=bar.note
        )
        photos = library.photos(where) if as_json or out is not None else []
        if out is not None:
            bar.update("writing the page", 0)
            write_page(out, found, photos, library.thumbnail)
    if as_json:
        print(json.dumps(answers.map_answer(found, photos)))
    else:
        console.write_lines(line.encode(errors="backslashreplace") for line in _lines(found))


def _lines(found: PhotoMap) -> list[str]:
    """A line for each cluster: how many photos, and its name."""
    rows = [(cluster.count, cluster.name) for cluster in found.clusters]
    alone = int((found.cluster < 0).sum())
    rows += [(alone, "(in no cluster)")] if alone else []
    return [f"{count}\t{name}" for count, name in rows]
