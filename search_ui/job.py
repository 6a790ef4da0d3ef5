"""The one long task that the page has running: started, watched and stopped by any visitor."""

import json
import subprocess
import sys
import threading
from dataclasses import dataclass, replace
from typing import Any, Literal

from indexer.errors import UsageError
from search_ui import opened

__all__ = ["Job", "Told", "current", "latest", "start"]

PYTHON = [sys.executable, "-m", "search_ui.worker"]


@dataclass(frozen=True, slots=True)
class Told:
    """What the task has said of itself so far."""

    what: str = "Starting"
    """What it does now."""
    steps: int = 0
    of: int = 0
    """0 while nobody knows."""
    seconds: float = 0.0
    note: str = ""
    """The last thing that was good to know."""
    question: str | None = None
    """What it waits for an answer to."""
    ended: Literal["done", "failed", "stopped"] | None = None
    lines: tuple[str, ...] = ()
    """How it ended."""
    found: Any = None
    """What it was to find out."""


class Job:
    """A task in a process of its own; it goes on whoever looks, and ends with the server."""

    def __init__(self, title: str, task: dict[str, Any]) -> None:
        """`title` says for readers what is done; `task` is for `search_ui.worker`."""
        self.title = title
        self.task = task
        self.told = Told()
        self.is_stopping = False
        self._process = subprocess.Popen(
            [*PYTHON, *opened.arguments()],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            encoding="utf-8",
        )
        self._say(json.dumps(task))
        threading.Thread(target=self._listen, daemon=True).start()

    @property
    def is_running(self) -> bool:
        """Whether it has not ended yet."""
        return self.told.ended is None

    def stop(self) -> None:
        """Ask it to end; what it has finished is kept."""
        self.is_stopping = True
        self.told = replace(self.told, question=None)
        if self._process.stdin is not None:
            self._process.stdin.close()

    def answer(self, yes: bool) -> None:
        """Answer its question, whoever was first."""
        if self.told.question is not None:
            self.told = replace(self.told, question=None)
            self._say("yes" if yes else "no")

    def _say(self, line: str) -> None:
        if self._process.stdin is not None and not self._process.stdin.closed:
            self._process.stdin.write(f"{line}\n")
            self._process.stdin.flush()

    def _listen(self) -> None:
        for line in self._process.stdout or ():
            self.told = _heard(self.told, json.loads(line))
        code = self._process.wait()
        for end in (self._process.stdin, self._process.stdout):
            if end is not None:
                end.close()
        if self.is_running:
            why = f"it ended without a word (code {code}); the terminal may tell more"
            self.told = replace(self.told, ended="failed", question=None, lines=(why,))


def _heard(told: Told, message: dict[str, Any]) -> Told:
    match message:
        case {"done": lines}:
            return replace(told, ended="done", question=None, lines=tuple(lines))
        case {"failed": line}:
            return replace(told, ended="failed", question=None, lines=(line,))
        case {"stopped": _}:
            kept = "stopped; what was finished is kept, and the next build goes on from there"
            return replace(told, ended="stopped", question=None, lines=(kept,))
    return replace(told, **message)


_current: Job | None = None
_latest: dict[str, Job] = {}
_starting = threading.Lock()


def current() -> Job | None:
    """The task that runs, or the last one that ran since the server was started."""
    return _current


def latest(kind: str) -> Job | None:
    """The last task of a kind, such as "build", running or not."""
    return _latest.get(kind)


def start(title: str, task: dict[str, Any]) -> Job:
    """Begin a task. Raises UsageError while another one runs."""
    global _current
    with _starting:
        if _current is not None and _current.is_running:
            raise UsageError(f"{_current.title} is under way; wait for it, or stop it")
        _current = Job(title, task)
        _latest[next(iter(task))] = _current
        return _current
