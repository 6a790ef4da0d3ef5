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


def eval(
    common: Common,
    options: EvaluationOptions,
    as_json: JsonObject = False,
    report: Annotated[
        Path | None, typer.Option(metavar="FILE.html", help="Also write a page.")
    ] = None,
) -> None:
    """Measure how well and how quickly your own photos are found."""
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
