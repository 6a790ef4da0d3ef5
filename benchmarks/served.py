"""The page of a library, served by the command that users type."""

import os
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Served", "serving"]


@dataclass(frozen=True, slots=True)
class Served:
    """Where a page is, and the process that serves it."""

    url: str
    pid: int


@contextmanager
def serving(command: list[str], log: Path = Path(os.devnull)) -> Iterator[Served]:
    """Serve at a free port, from the first answer on to the end of the block; what goes wrong stands in the log."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with log.open("wb") as errors:
        process = subprocess.Popen(
            [*command, "--port", str(port), "--no-browser"],
            stderr=errors,
            start_new_session=True,  # what ends it ends a tracer too
        )
    url = f"http://127.0.0.1:{port}"
    try:
        while not _answers(url):
            assert process.poll() is None, "the page did not start"
            time.sleep(0.1)
        yield Served(url, process.pid)
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait(30)


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(f"{url}/_stcore/health"):
            return True
    except (urllib.error.URLError, ConnectionError):
        return False
