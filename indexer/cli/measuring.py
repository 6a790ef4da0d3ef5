"""Measuring how well a library answers."""

import json
from pathlib import Path
from typing import Annotated

import typer

from indexer import EvaluationOptions
from indexer.cli import console
from indexer.cli.bar import Bar
from indexer.cli.command import Common, JsonObject
from indexer.evaluation.page import write_page
from indexer.evaluation.table import tables
from indexer.standalone import check_writable

__all__ = ["eval"]

DEFAULTS = EvaluationOptions()


def eval(
    common: Common,
    labels: Annotated[
        str | None,
        typer.Option(metavar="folders|parents|FILE", help="What each photo shows."),
    ] = None,
    captions: Annotated[
        Path | None, typer.Option(metavar="FILE", help="File names and captions: .tsv .csv .jsonl")
    ] = None,
    categories: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Queries and the files that answer: .json")
    ] = None,
    folder: Annotated[Path | None, typer.Option(metavar="DIR", help="Only below it.")] = None,
    against: Annotated[str | None, typer.Option(metavar="SPACE", help="Compare with it.")] = None,
    template: Annotated[
        list[str] | None,
        typer.Option(metavar="TEXT", help="For zero shot, such as 'a photo of a {}'; repeat it."),
    ] = None,
    queries: Annotated[int, typer.Option(help="Of one kind at most; drawn.")] = DEFAULTS.queries,
    seed: Annotated[int, typer.Option(help="Of everything that is drawn.")] = DEFAULTS.seed,
    no_speed: Annotated[bool, typer.Option("--no-speed", help="Measure quality alone.")] = False,
    as_json: JsonObject = False,
    report: Annotated[
        Path | None, typer.Option(metavar="FILE.html", help="Also write a page.")
    ] = None,
) -> None:
    """Measure how well and how quickly your own photos are found."""
    options = EvaluationOptions(
        labels=labels,
        captions=captions,
        categories=categories,
        folder=folder,
        against=against,
        templates=tuple(template or DEFAULTS.templates),
        queries=queries,
        seed=seed,
        speed=not no_speed,
    )
    if report is not None:
        check_writable(report)
    with common.open() as library, Bar("reading").shown() as bar:
        found = library.evaluate(options, space=common.space, on_step=bar.update, notify=bar.note)
        if report is not None:
            bar.update("writing the page", 0)
            write_page(report, found, library.thumbnail)
    if as_json:
        print(json.dumps(found.as_json()))
    else:
        console.show(tables(found))
