"""Processes that begin at one moment: what the machine gives where nothing is shared but the machine."""

import json
import subprocess
import sys
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from typing import Any

__all__ = ["begin_together", "side_by_side"]


def side_by_side(command: Sequence[str], count: int) -> list[Any]:
    """What `count` processes of this command told, each of which called `begin_together`."""
    with ExitStack() as stack:
        started = [
            stack.enter_context(
                subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
            )
            for _ in range(count)
        ]
        for process in started:
            assert process.stdout
            process.stdout.readline()  # it is ready
        for process in started:
            assert process.stdin
            process.stdin.close()
        return [json.load(process.stdout) for process in started if process.stdout]


def begin_together(measure: Callable[[], Any]) -> Any:
    """What `measure` gives, once every other process is ready too."""
    print("ready", flush=True)
    sys.stdin.read()  # until it is closed
    return measure()
