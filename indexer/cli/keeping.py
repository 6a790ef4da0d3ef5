"""Looking after a library."""

import json
import os
from typing import Annotated

import typer

from indexer.cli import answers, console, tables
from indexer.cli.command import Common, JsonList, JsonObject

__all__ = ["errors", "remove", "status"]


def status(
    common: Common,
    as_json: JsonObject = False,
) -> None:
    """Show roots, photos by state, spaces, and sizes on disk."""
    with common.open() as library:
        found, sizes = library.status(), library.sizes()
    if as_json:
        print(json.dumps(answers.status_answer(found, sizes), default=str))
        return
    console.show(tables.status_tables(found, sizes))


def errors(
    common: Common,
    as_json: JsonList = False,
    null: Annotated[
        bool, typer.Option("-0", help="Print paths alone, ended by NUL, for xargs -0.")
    ] = False,
) -> None:
    """List every file that was skipped, with the reason."""
    with common.open() as library:
        failed = library.errors()
    if as_json:
        print(json.dumps(answers.failures(failed)))
        return
    if null:
        console.write_lines((os.fsencode(photo.path) for photo in failed), b"\0")
        return
    console.write_lines(
        os.fsencode(photo.path) + b"\t" + (photo.reason or "").encode() for photo in failed
    )
    if failed:
        console.note("to try them again: glimpse build --verify")


def remove(
    common: Common,
    root: Annotated[str, typer.Argument(help="A root, as `glimpse status` shows it.")],
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> int:
    """Forget a root with its photos; the files themselves stay where they are."""
    with common.open() as library:
        if not yes:
            photos = sum(library.root(root).counts.values())
            if not console.confirm(f"Forget {root} and what is known of its {photos:,} photos?"):
                console.note(f"glimpse: {root} was kept; confirm with --yes")
                return 1
        console.note(f"{library.remove(root, notify=console.note)} photos forgotten")
    return 0
