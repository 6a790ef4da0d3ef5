"""Showing what a library holds more than once; deletes nothing."""

import json
import os
from collections.abc import Iterator, Sequence
from typing import Annotated

import typer

from indexer import DuplicateGroup, Filter
from indexer.amounts import readable_size
from indexer.cli import answers, console
from indexer.cli.bar import Bar
from indexer.cli.command import Common, JsonObject, from_here

__all__ = ["dedupe"]


def dedupe(
    common: Common,
    where: Filter,
    exact: Annotated[bool, typer.Option("--exact", help="Only files of the same bytes.")] = False,
    as_json: JsonObject = False,
    null: Annotated[
        bool,
        typer.Option(
            "-0", help="Print all but the first of each group, ended by NUL, for xargs -0."
        ),
    ] = False,
) -> None:
    """Show photos that you have more than once, in groups, the one worth keeping first; deletes nothing."""
    where = from_here(where)
    with common.open() as library, Bar("looking").shown() as bar:
        groups = library.duplicates(
            near=not exact,
            where=where,
            space=common.space,
            on_step=bar.update,
            notify=console.note,
        )
    if as_json:
        print(json.dumps(answers.duplicate_groups(groups)))
    elif null:
        spare = (photo for group in groups for photo in group.photos[1:])
        console.write_lines((os.fsencode(photo.path) for photo in spare), b"\0")
    else:
        console.write_lines(_lines(groups))
        console.note(_summary(groups))


def _lines(groups: Sequence[DuplicateGroup]) -> Iterator[bytes]:
    """Path and reason of each photo, a blank line between groups."""
    for number, group in enumerate(groups):
        if number:
            yield b""
        for photo, reason in zip(group.photos, group.reasons, strict=True):
            yield os.fsencode(photo.path) + b"\t" + reason.encode()


def _summary(groups: Sequence[DuplicateGroup]) -> str:
    if not groups:
        return "no duplicates"
    spare = sum(len(group.photos) - 1 for group in groups)
    exact = sum(group.kind == "exact" for group in groups)
    freed = readable_size(sum(group.spare_bytes for group in groups))
    return (
        f"{len(groups)} groups ({exact} of the same bytes): "
        f"{spare} photos could go, which would free {freed}; nothing was deleted"
    )
