"""What Ctrl-C and being told to end do to the command, wherever it is at the moment."""

import signal
from collections.abc import Callable
from types import FrameType

import typer

__all__ = ["abort", "on_interruption"]


def on_interruption(handler: Callable[[int, FrameType | None], object]) -> None:
    """What Ctrl-C and being told to end do from now on."""
    signal.signal(signal.SIGTERM, handler)
    if (
        signal.getsignal(signal.SIGINT) is not signal.SIG_IGN
    ):  # as for what a shell starts in the background
        signal.signal(signal.SIGINT, handler)


def abort(*_: object) -> None:
    """End the command where no verb runs: typer would catch KeyboardInterrupt, and say nothing of it."""
    raise typer.Abort
