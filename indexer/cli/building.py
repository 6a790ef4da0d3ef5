"""Making a library, and the models that it can be made with."""

import json
from dataclasses import asdict, replace
from typing import Annotated

import typer

from indexer import BuildOptions, Progress, all_names, known_models
from indexer.cli import answers, console, tables
from indexer.cli.bar import Bar
from indexer.cli.command import SOME_SKIPPED, Common, JsonList, JsonObject

__all__ = ["build", "models"]


def build(
    common: Common,
    options: BuildOptions,
    paths: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="PATH…",
            help="Folders, or URLs with --engine ray; none stands for all that the library has.",
        ),
    ] = None,
    yes: Annotated[
        bool, typer.Option("--yes", help="Forget files that are gone, unasked.")
    ] = False,
    as_json: JsonObject = False,
) -> int:
    """Find pictures in folders, embed and store them; only what is new or changed."""
    options = replace(options, space=common.space)
    with common.open(create=True, to_build=True) as library, Bar("looking").shown() as bar:

        def show(progress: Progress) -> None:
            bar.update(progress.stage, progress.done, progress.total or None, progress.seconds)

        report = library.build(
            paths or (),
            options,
            on_progress=show,
            notify=bar.note,
            confirm=lambda question: yes or bar.ask(question),
        )
    if as_json:
        print(json.dumps(answers.build_answer(report)))
    elif options.dry_run:
        print(f"{report.pending} files to read, {report.unchanged} unchanged")
    else:
        for line in tables.build_lines(report):
            console.note(line)
    return SOME_SKIPPED if report.failed and not options.dry_run else 0


def models(
    common: Common,
    every: Annotated[bool, typer.Option("--all", help="Every name that is known.")] = False,
    as_json: JsonList = False,
) -> None:
    """List the models that can be used, with size and licence, and which are on disk."""
    if every:
        names = all_names()
        console.write_lines(
            [json.dumps(names).encode()] if as_json else (n.encode() for n in names)
        )
        return
    known = known_models()
    with common.open(create=True) as library:
        runs = library.runs()
    if as_json:
        print(json.dumps([*map(asdict, known), *({"name": run} for run in runs)]))
        return
    console.show([tables.models_table(known)])
    if runs:
        console.note(f"trained here: {', '.join(runs)}")
    console.note(
        "besides: ssl:CHECKPOINT, timm:NAME@FILE, open_clip:ARCH@FILE, open_clip:local-dir:FOLDER; "
        "--all lists every name"
    )
