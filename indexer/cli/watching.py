"""Keeping a library current."""

import time
from contextlib import ExitStack
from dataclasses import asdict, replace
from pathlib import Path
from typing import Annotated

import typer

from indexer import BuildOptions, BuildReport, Progress
from indexer.build_options import WatchOptions
from indexer.cli import console, tables
from indexer.cli.bar import Bar
from indexer.cli.command import Common

__all__ = ["watch"]


def watch(
    common: Common,
    options: WatchOptions,
    paths: Annotated[
        list[Path] | None,
        typer.Argument(metavar="PATH…", help="Folders; none stands for all that the library has."),
    ] = None,
    debounce: Annotated[
        float, typer.Option(metavar="SECONDS", help="Build once it has been quiet for so long.")
    ] = 1.6,
) -> int:
    """Build, and go on building as files change, until it is stopped."""
    every = BuildOptions(**asdict(replace(options, space=common.space)))
    shown = _Shown()
    try:
        with common.open(create=True, to_build=True) as library, shown.bars:
            library.watch(
                paths or (),
                every,
                debounce_s=debounce,
                on_build=shown.report,
                on_progress=shown.progress,
                notify=shown.note,
            )
    except KeyboardInterrupt:
        console.note("glimpse: no longer watching; what was finished is kept")
    return 0  # to be stopped is how it ends


class _Shown:
    """A bar while a build runs, and a line with the time when it is done."""

    def __init__(self) -> None:
        self.bars = ExitStack()
        self._bar: Bar | None = None
        self._is_first = True

    def progress(self, progress: Progress) -> None:
        if self._bar is None:
            if progress.stage == "looking" and not self._is_first:
                return  # it may be a look at what nobody changed, which goes untold
            self._bar = self.bars.enter_context(Bar("looking").shown())
        self._bar.update(progress.stage, progress.done, progress.total or None, progress.seconds)

    def report(self, report: BuildReport) -> None:
        self.note(tables.watch_line(report))

    def note(self, line: str) -> None:
        self.bars.close()
        self._bar, self._is_first = None, False
        console.note(f"{time.strftime('%H:%M:%S')}  {line}")
