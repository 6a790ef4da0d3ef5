"""How the command speaks: paths as bytes on standard output, all else in words on standard error."""

import os
import sys
from collections.abc import Iterable
from typing import TYPE_CHECKING

from indexer.printable import printable

if TYPE_CHECKING:
    from rich.table import Table

__all__ = ["INTERRUPTED", "STOPPED", "confirm", "note", "show", "write_lines"]

WIDE = 1000
INTERRUPTED = 130
STOPPED = "stopped; what was finished is kept, and the next run goes on"


def note(line: str) -> None:
    """Tell the user something besides the results; on a terminal no name in it is a command."""
    if sys.stderr.isatty():
        line = "\n".join(map(printable, line.split("\n")))
    print(line, file=sys.stderr, flush=True)


def confirm(question: str) -> bool:
    """Ask on the terminal; where nobody can answer, the answer is no."""
    if not sys.stdin.isatty():
        return False
    sys.stderr.write(f"{question} [y/N] ")
    sys.stderr.flush()
    return sys.stdin.readline().strip().lower() in ("y", "yes")


def write_lines(lines: Iterable[bytes], end: bytes = b"\n") -> None:
    """Write to standard output as bytes, since a path need not be text.

    Not so on a terminal, which a name could command: there all but the tabs between fields is spelled out.
    """
    is_read = end == b"\n" and sys.stdout.isatty()
    for line in lines:
        sys.stdout.buffer.write((_readable(line) if is_read else line) + end)
    sys.stdout.buffer.flush()


def _readable(line: bytes) -> bytes:
    return b"\t".join(printable(os.fsdecode(field)).encode() for field in line.split(b"\t"))


def show(tables: Iterable["Table"]) -> None:
    """Print tables to standard output, as wide as they need where that is no terminal."""
    # Deferred for start-up time: a search prints lines.
    from rich.console import Console as RichConsole

    out = RichConsole()
    if not out.is_terminal:
        out.width = WIDE
    for table in tables:
        out.print(table, soft_wrap=not out.is_terminal)
