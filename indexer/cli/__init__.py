"""The command: reads arguments, asks a `Library`, prints.

Results go to standard output, progress and warnings to standard error; an error is one line.
"""

from indexer.cli import (
    building,
    dedupe,
    keeping,
    learning,
    mapping,
    measuring,
    searching,
    tagging,
    ui,
    watching,
)
from indexer.cli.command import app, main, verb

__all__ = ["app", "main"]

VERBS = (
    building.build,
    watching.watch,
    searching.search,
    ui.ui,
    dedupe.dedupe,
    mapping.map,
    tagging.tag,
    learning.train,
    measuring.eval,
    building.models,
    keeping.status,
    keeping.errors,
    keeping.remove,
)
"""In the order in which help lists them."""

for function in VERBS:
    app.command()(verb(function))
