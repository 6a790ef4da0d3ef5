"""What Ctrl-C and being told to end do to the command, wherever it is at the moment."""

import logging
import os
import signal
import sys
import threading
from collections.abc import Callable
from types import FrameType

import typer

from indexer.cli.console import INTERRUPTED, STOPPED

__all__ = ["abort", "end", "is_news", "leave", "on_interruption"]

AGAIN_S = 0.05
"""After which an interruption comes again that met what cannot raise; that has ended by then, most likely."""


def on_interruption(handler: Callable[[int, FrameType | None], object]) -> None:
    """What Ctrl-C and being told to end do from now on; what it raises is told by us alone."""
    sys.unraisablehook = _later
    signal.signal(signal.SIGTERM, handler)
    if (
        signal.getsignal(signal.SIGINT) is not signal.SIG_IGN
    ):  # as for what a shell starts in the background
        signal.signal(signal.SIGINT, handler)


def leave(*_: object) -> None:
    """End the command where nothing is begun yet: what is raised into an import may be caught there, or wrapped."""
    os.write(2, f"glimpse: {STOPPED}\n".encode())
    os._exit(INTERRUPTED)


def abort(*_: object) -> None:
    """End the command once its verb is done: typer would catch KeyboardInterrupt, and say nothing of it."""
    raise typer.Abort


def end() -> None:
    """From now on the command ends, however often it is told to."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def is_news(record: logging.LogRecord) -> bool:
    """Whether this is no library's log of an interruption that it passes on."""
    return not (record.exc_info and isinstance(record.exc_info[1], KeyboardInterrupt))


def _later(dropped: "sys.UnraisableHookArgs") -> None:
    """Python prints what a destructor raises, and drops it: of an interruption, that would be the end."""
    if isinstance(dropped.exc_value, KeyboardInterrupt | typer.Abort):
        again = threading.Timer(AGAIN_S, os.kill, (os.getpid(), signal.SIGTERM))
        again.daemon = True
        again.start()
    else:
        sys.__unraisablehook__(dropped)
