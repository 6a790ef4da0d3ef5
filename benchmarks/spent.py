"""What a command takes of the machine: time, and memory with all its processes."""

import os
import resource
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Spent", "cpu_seconds", "descendants", "memory_kb", "spend"]

EVERY_S = 0.5


@dataclass(frozen=True, slots=True)
class Spent:
    """Of a command from its start to its end, with every process that it started."""

    seconds: float
    cpu_seconds: float
    peak_mb: float
    """The most that was resident at once, pages that processes share counted once (PSS); 0 off Linux."""
    output: str


def spend(
    command: Sequence[str | Path], folder: Path, environment: Mapping[str, str] | None = None
) -> Spent:
    """Run a command in a folder. Raises CalledProcessError with what it said."""
    before, began = cpu_seconds(resource.RUSAGE_CHILDREN), time.perf_counter()
    with subprocess.Popen(
        command,
        cwd=folder,
        env=os.environ | dict(environment or {}),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        watch = _Memory(process.pid)
        watch.start()
        output, _ = process.communicate()
        seconds = time.perf_counter() - began
        watch.join()
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, command, output)
    spent = cpu_seconds(resource.RUSAGE_CHILDREN) - before
    return Spent(seconds, spent, watch.peak_kb / 1000, output)


def cpu_seconds(who: int) -> float:
    """User and system time of this process, or of its children that have ended."""
    usage = resource.getrusage(who)
    return usage.ru_utime + usage.ru_stime


def memory_kb(pid: int) -> int:
    """What a process and all below it hold now, pages that they share counted once; 0 once they have ended."""
    return sum(map(_pss_kb, descendants(pid)))


class _Memory(threading.Thread):
    """Watches a process and all below it until it has ended."""

    def __init__(self, pid: int) -> None:
        super().__init__(daemon=True)
        self._pid = pid
        self.peak_kb = 0

    def run(self) -> None:
        while (kb := memory_kb(self._pid)) > 0:
            self.peak_kb = max(self.peak_kb, kb)
            time.sleep(EVERY_S)


def descendants(pid: int) -> list[int]:
    """A process and all below it."""
    children: dict[int, list[int]] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            parent = int(stat.read_text().rpartition(")")[2].split()[1])
        except OSError:  # it has ended
            continue
        children.setdefault(parent, []).append(int(stat.parent.name))
    found = [pid]
    for each in found:  # grows on the way
        found += children.get(each, [])
    return found


def _pss_kb(pid: int) -> int:
    try:
        text = Path(f"/proc/{pid}/smaps_rollup").read_text()
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in text.splitlines() if line.startswith("Pss:")), 0)
