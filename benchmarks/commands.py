"""The command as a shell runs it: how long it takes, and what it asks of the system."""

import os
import re
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

__all__ = ["glimpse", "seconds", "stats_of_files"]

STATS = re.compile(r'\b(?:stat|lstat|fstatat|newfstatat|statx)\(.*?"([^"]*)"')


def glimpse(verb: str, *arguments: str | Path) -> list[str]:
    """The command line of a verb."""
    return [sys.executable, "-m", "indexer", verb, *map(str, arguments)]


def seconds(command: Sequence[str], **options: object) -> float:
    """How long a command takes, from its start to its end. Raises CalledProcessError."""
    began = time.perf_counter()
    subprocess.run(command, check=True, capture_output=True, **options)  # type: ignore[call-overload]
    return time.perf_counter() - began


def stats_of_files(command: Sequence[str], suffix: str = ".jpg") -> Counter[str]:
    """How often a command asks for the status of each file of this suffix, by its name; needs strace."""
    with tempfile.NamedTemporaryFile("r", errors="replace") as trace:
        tracer = ["strace", "-f", "--seccomp-bpf", "-qq", "-s", "4096", "-e", "trace=%%stat"]
        subprocess.run([*tracer, "-o", trace.name, *command], check=True, capture_output=True)
        asked = (found[1] for line in trace if (found := STATS.search(line)))
        return Counter(os.path.basename(path) for path in asked if path.endswith(suffix))
