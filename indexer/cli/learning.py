"""Learning from the user's own pictures."""

import json
import os
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from indexer import TrainOptions
from indexer.cli import console, tables
from indexer.cli.bar import Bar
from indexer.cli.command import SOME_SKIPPED, Common, JsonObject

if TYPE_CHECKING:
    from indexer.train.loop import Step

__all__ = ["train"]

LINE_EVERY_S = 60.0


def train(
    common: Common,
    method: Annotated[str, typer.Argument(metavar="METHOD", help="simclr, moco, byol or clip.")],
    paths: Annotated[list[Path], typer.Argument(metavar="PATH…", help="Folders of pictures.")],
    options: TrainOptions,
    as_json: JsonObject = False,
) -> int:
    """Learn from your own pictures; the result is a model, run:NAME, to build with."""
    with common.open(create=True) as library, Bar("loading").shown() as bar:
        try:
            report = library.train(
                method,
                paths,
                options,
                space=common.space,
                on_step=bar.update,
                on_train=_Shown(method, bar),
                notify=bar.note,
            )
        except KeyboardInterrupt:
            console.note("glimpse: stopped; the same command with --resume goes on")
            return console.INTERRUPTED
    if os.environ.get("RANK", "0") != "0":
        return 0  # one of several processes that torchrun started; the leading one speaks
    if as_json:
        print(json.dumps(asdict(report), default=str))
    else:
        console.show([tables.training(report)])
        if not report.adopted:
            console.note(f"search with it after: glimpse build --model {report.model}")
    return SOME_SKIPPED if report.failed else 0


class _Shown:
    """Training on the bar; where there is no terminal, a line a minute."""

    def __init__(self, method: str, bar: Bar) -> None:
        self._method = method
        self._bar = bar
        self._due = 0.0

    def __call__(self, step: "Step") -> None:
        watched = {"loss": step.loss, **step.figures}
        what = ", ".join(f"{name} {value:.3f}" for name, value in watched.items())
        total = round(step.pictures / step.share) if step.share else None
        self._bar.update(f"{self._method}: {what}", step.pictures, total, step.seconds)
        if not self._bar.is_shown and step.seconds >= self._due:
            self._due = step.seconds + LINE_EVERY_S
            rate = step.pictures / step.seconds
            left = step.seconds / step.share - step.seconds if step.share else 0.0
            console.note(
                f"{self._method}: step {step.number}, {what}, {rate:.0f} pictures/s, {left / 60:.0f} min left"
            )
