"""Tagging photos by words."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from indexer.cli import console, tables
from indexer.cli.bar import Bar
from indexer.cli.command import Common, JsonObject

__all__ = ["tag"]


def tag(
    common: Common,
    labels: Annotated[
        Path | None, typer.Option(metavar="FILE", help="One label a line, or `label = phrase, …`.")
    ] = None,
    template: Annotated[
        list[str] | None,
        typer.Option(metavar="TEXT", help="Such as 'a photo of a {}'; repeat it."),
    ] = None,
    threshold: Annotated[float | None, typer.Option(help="How sure a tag must be, 0 to 1.")] = None,
    only_list: Annotated[bool, typer.Option("--list", help="Only show what is there.")] = False,
    clear: Annotated[
        bool, typer.Option("--clear", help="Take away all but those by hand.")
    ] = False,
    as_json: JsonObject = False,
) -> None:
    """Tag all photos by a list of words, as the last time where nothing is said; `build` tags new ones."""
    found: dict[str, int] = {}
    with common.open() as library:
        if clear:
            library.clear_tags()
        elif not only_list:
            with Bar("labels").shown() as bar:
                report = library.tag(
                    labels,
                    templates=template or None,
                    threshold=threshold,
                    space=common.space,
                    on_step=bar.update,
                    notify=bar.note,
                )
            found = asdict(report)
        counts = library.all_tags()
    if as_json:
        print(json.dumps({**found, "counts": counts}))
        return
    if counts:
        console.show([tables.tags_table(counts)])
    if found:
        console.note("{tags} tags on {photos} photos, of {labels} labels".format(**found))
    elif not counts:
        console.note("no photo has a tag; give some with: glimpse tag")
