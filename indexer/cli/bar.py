"""A progress bar on standard error; silent where that is no terminal."""

from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console as RichConsole
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TaskProgressColumn,
    TextColumn,
    TimeRemainingColumn,
)

from indexer.cli import console
from indexer.printable import printable

__all__ = ["Bar"]


class Bar:
    """How far a long task has come: what it does now, with rate and time left."""

    def __init__(self, what: str) -> None:
        """`what` comes first, before anything is counted."""
        terminal = RichConsole(stderr=True)
        self._progress = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(),
            TaskProgressColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[rate]}"),
            TimeRemainingColumn(),
            console=terminal,
            transient=True,
            disable=not terminal.is_terminal,
        )
        self._task = self._progress.add_task(what, total=None, rate="")

    @property
    def is_shown(self) -> bool:
        """Whether there is a terminal to show it on."""
        return not self._progress.disable

    @contextmanager
    def shown(self) -> Iterator["Bar"]:
        """Show the bar for a while."""
        with self._progress:
            yield self

    def update(
        self, what: str, done: int, total: int | None = None, seconds: float | None = None
    ) -> None:
        """Show that `done` of `total` are done, in so many seconds."""
        rate = f"{done / seconds:.0f}/s" if seconds else ""
        self._progress.update(self._task, description=what, total=total, completed=done, rate=rate)

    def ask(self, question: str) -> bool:
        """Ask on the terminal, the bar out of the way."""
        self._progress.stop()
        return console.confirm(question)

    def note(self, line: str) -> None:
        """A line above the bar."""
        if self._progress.console.is_terminal:
            self._progress.console.print(printable(line), markup=False, highlight=False)
        else:
            console.note(line)
