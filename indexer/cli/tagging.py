"""Tagging photos by words."""

import difflib
import json
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from indexer import Filter, Library
from indexer.cli import console, tables
from indexer.cli.bar import Bar
from indexer.cli.command import Common, JsonObject

__all__ = ["tag", "unknown_tags"]


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


def unknown_tags(library: Library, where: Filter) -> Iterator[str]:
    """A line for each tag that is asked for and that no photo has."""
    asked = (*where.tag, *where.without_tag)
    known = library.all_tags() if asked else {}
    by_lower = {label.casefold(): label for label in known}
    for label in asked:
        if label not in known:
            near = difflib.get_close_matches(label.casefold(), by_lower, n=1)
            remedy = f"did you mean {by_lower[near[0]]!r}?" if near else "see: glimpse tag --list"
            yield f"no photo has the tag {label!r}; {remedy}"
