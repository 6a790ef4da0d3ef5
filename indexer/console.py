"""How the command speaks: paths as bytes on standard output, all else in words on standard error."""

import os
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

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
from rich.table import Table

from indexer import BuildReport, KnownModel, State, Status
from indexer import Progress as BuildProgress

__all__ = [
    "Bar",
    "build_summary",
    "confirm",
    "note",
    "printable",
    "show",
    "size",
    "status_tables",
    "write_lines",
]

WIDE = 1000
UNITS = ("B", "kB", "MB", "GB", "TB")


def note(line: str) -> None:
    """Tell the user something besides the results."""
    print(line, file=sys.stderr, flush=True)


def confirm(question: str) -> bool:
    """Ask on the terminal; where nobody can answer, the answer is no."""
    if not sys.stdin.isatty():
        return False
    sys.stderr.write(f"{question} [y/N] ")
    sys.stderr.flush()
    return sys.stdin.readline().strip().lower() in ("y", "yes")


def write_lines(lines: Iterable[bytes], end: bytes = b"\n") -> None:
    """Write to standard output as bytes, since a path need not be text."""
    for line in lines:
        sys.stdout.buffer.write(line + end)
    sys.stdout.buffer.flush()


class Bar:
    """A progress bar on standard error while a build runs; silent where that is no terminal."""

    def __init__(self) -> None:
        console = RichConsole(stderr=True)
        self._progress = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(),
            TaskProgressColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[rate]}"),
            TimeRemainingColumn(),
            console=console,
            transient=True,
            disable=not console.is_terminal,
        )
        self._task = self._progress.add_task("looking", total=None, rate="")

    @contextmanager
    def shown(self) -> Iterator["Bar"]:
        """Show the bar for a while."""
        with self._progress:
            yield self

    def update(self, progress: BuildProgress) -> None:
        """Show how far the build has come."""
        if progress.stage == "looking":
            self._progress.update(self._task, completed=progress.done)
            return
        rate = f"{progress.done / progress.seconds:.0f}/s" if progress.seconds else ""
        self._progress.update(
            self._task,
            description="embedding",
            total=progress.total,
            completed=progress.done,
            rate=rate,
        )

    def ask(self, question: str) -> bool:
        """Ask on the terminal, the bar out of the way."""
        self._progress.stop()
        return confirm(question)

    def note(self, line: str) -> None:
        """A line above the bar."""
        if self._progress.console.is_terminal:
            self._progress.console.print(line, markup=False, highlight=False)
        else:
            note(line)


def build_summary(report: BuildReport) -> Iterator[str]:
    """What a build did, a line for each thing that happened."""
    counts = {
        "embedded": report.embedded,
        "unchanged": report.unchanged,
        "known already": report.known,
        "moved": report.moved,
        "removed": report.removed,
        "back": report.states.get(State.PRESENT, 0),
        "excluded": report.states.get(State.EXCLUDED, 0),
        "offline": report.states.get(State.OFFLINE, 0) - report.kept,
        "skipped": report.failed,
    }
    told = ", ".join(f"{n} {what}" for what, n in counts.items() if n) or "nothing to do"
    yield f"{told} in {report.seconds:.1f} s"
    for root, reason in report.offline_roots.items():
        yield f"{os.fsdecode(root)} {reason}: its photos are kept, as offline"
    for folder, reason in report.unreadable.items():
        yield f"{os.fsdecode(folder)} cannot be listed ({reason}): what was known there is kept"
    if report.kept:
        yield f"{report.kept} photos are gone, more than half of their root: kept as offline; --yes forgets them"
    if report.failed:
        yield f"{report.failed} files were skipped; see: glimpse errors"


def status_tables(status: Status, sizes: Mapping[str, int]) -> Iterator[Table]:
    """Roots, spaces and sizes."""
    states = list(State)
    roots = Table(
        "root", *states, "", box=None, title=f"library {status.folder}", title_justify="left"
    )
    for root in status.roots:
        counts = [str(root.counts.get(state, 0)) for state in states]
        roots.add_row(printable(root.path), *counts, root.offline_reason or "")
    yield roots
    spaces = Table("space", "model", "dim", "text", "vectors", "index", "recall", "", box=None)
    for space in status.spaces:
        spaces.add_row(
            space.name,
            space.model,
            str(space.dim),
            "yes" if space.reads_text else "no",
            str(space.vectors),
            space.index,
            f"{space.recall:.3f}",
            "default" if space.is_default else "",
        )
    yield spaces
    yield Table(", ".join(f"{part} {size(n)}" for part, n in sizes.items()), box=None)


def models_table(models: Iterable[KnownModel]) -> Table:
    """The models that we recommend."""
    table = Table("model", "dim", "text", "download", "licence", "for", box=None)
    for model in models:
        where = "on disk" if model.on_disk else f"{model.megabytes} MB"
        text = "yes" if model.reads_text else "no"
        table.add_row(model.name, str(model.dim), text, where, model.licence, model.why)
    return table


def show(tables: Iterable[Table]) -> None:
    """Print tables to standard output, as wide as they need where that is no terminal."""
    out = RichConsole()
    if not out.is_terminal:
        out.width = WIDE
    for table in tables:
        out.print(table, soft_wrap=not out.is_terminal)


def printable(path: Path) -> str:
    """A path for reading: control characters and bytes that are not UTF-8 are escaped."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in str(path))


def size(count: float) -> str:
    """Bytes in the unit that reads best."""
    for unit in UNITS:
        if count < 1000 or unit == UNITS[-1]:
            break
        count /= 1000
    return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
