"""Keep a library current: build the roots in which something changed, once it has come to rest.

    the system tells of changes -> those that a build would see -> quiet for a while -> build their roots

A build walks the whole of a root and reads only what is new or changed. What no one tells of (another machine's
changes on a network drive, a limit of the system) is found by looking through every root now and then.
"""

import os
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from indexer.discovery import Rules, Walk, is_picture
from indexer.embedders.base import Notify
from indexer.errors import GlimpseError, LibraryLockedError, UsageError
from indexer.ignores import IGNORE_FILE
from indexer.noticing import MissedError, Noticing, is_text
from indexer.pipeline import BuildReport
from indexer.roots import covers
from storage.records import RootRecord

__all__ = ["Surroundings", "Watcher"]

ROOTS_S = 2.0
"""Between two looks at whether each root is there."""
LOCKED_S = 3.0
FAILED_S = 60.0
PATIENCE_S = 60.0
"""A build that waits for quiet waits no longer than this."""
SWEEP_S = 3600.0
UNTOLD_S = 60.0
"""Between two looks through a root whose changes cannot be heard of."""

Stamp = tuple[int, int] | None


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a watcher asks of a library."""

    build: Callable[[Sequence[str | Path]], BuildReport]
    """Bring roots up to date; raises GlimpseError."""
    roots: Callable[[], list[RootRecord]]
    """None while there is no library."""
    folders: Callable[[RootRecord], set[bytes]]
    """The folders of a root in which photos are known, relative to it."""
    rules: Rules


class Watcher:
    """Watches the roots that cover some folders, or all that a library has."""

    def __init__(
        self,
        library: Surroundings,
        paths: Sequence[str | Path],
        debounce_s: float,
        stop: threading.Event,
        on_build: Callable[[BuildReport], object],
        notify: Notify,
    ) -> None:
        if not 0 <= debounce_s < PATIENCE_S:
            raise UsageError(f"{debounce_s:g} s of quiet; it must be from 0 to {PATIENCE_S:g}")
        self._library = library
        self._paths = paths
        self._debounce_s = debounce_s
        self._stop = stop
        self._on_build = on_build
        self._notify = notify
        self._noticing = Noticing(stop, notify)
        self._seen: dict[bytes, Stamp] = {}
        self._due: set[bytes] = set()
        """Roots to build."""
        self._touched: dict[bytes, Stamp] = {}
        """Pictures that changed, as they were when last looked at."""
        self._since = self._last = self._looked = self._swept = 0.0
        self._not_before = 0.0
        self._is_built = self._is_waiting = False

    def run(self) -> None:
        """Build, and again after each change, until `stop` is set. Raises what the first build raises."""
        try:
            self._look_at_roots()
            self._due = set(self._seen)
            self._build(self._paths)
            while not self._stop.is_set():
                self._listen()
                if time.monotonic() - self._looked >= ROOTS_S:
                    self._look_at_roots()
                if self._due and self._is_time():
                    self._build([os.fsdecode(root) for root in sorted(self._due)])
        finally:
            self._noticing.close()

    def _listen(self) -> None:
        try:
            changed = self._noticing.wait()
        except MissedError:
            self._mark(self._seen)
            return
        for root in self._seen:
            inside = sorted(path for path in changed if covers(root, path))
            if not inside:
                continue
            walk = Walk(root, self._library.rules)
            seen = [path for path in inside if self._concerns(walk, root, path)]
            self._touched |= {path: _stamp(path) for path in seen if is_picture(path)}
            self._mark([root] if seen else [])

    def _concerns(self, walk: Walk, root: bytes, path: bytes) -> bool:
        """Whether a build would notice that this path has changed."""
        inside = path[len(root) :].lstrip(b"/")
        name = os.path.basename(path)
        if not inside:
            return True
        if name == IGNORE_FILE:
            return walk.would_reach(inside[: -len(name)] + b"x.jpg", is_folder=False)
        if is_picture(name) and not os.path.isdir(path):
            return walk.would_reach(inside, is_folder=False)
        if os.path.lexists(path) and not os.path.isdir(path):
            return False
        if not walk.would_reach(inside, is_folder=True):
            return False
        return os.path.isdir(path) or self._held_photos(root, inside)

    def _held_photos(self, root: bytes, folder: bytes) -> bool:
        """Whether photos are known below a folder, which is gone."""
        records = [each for each in self._library.roots() if each.path == root]
        known = {each for record in records for each in self._library.folders(record)}
        return any(covers(folder, each) for each in known)

    def _mark(self, roots: Iterable[bytes]) -> None:
        """Something changed in these roots just now."""
        before = len(self._due)
        self._due |= set(roots)
        if self._due:
            self._last = time.monotonic()
            self._since = self._since if before else self._last

    def _is_time(self) -> bool:
        """Whether it has been quiet long enough, and every picture that changed stays as it is."""
        now = time.monotonic()
        if self._is_waiting:
            return now >= self._not_before
        if now - self._since >= PATIENCE_S:
            return True
        if now - self._last < self._debounce_s:
            return False
        fresh = {path: _stamp(path) for path in self._touched}
        if fresh != self._touched:
            self._touched = fresh
            self._last = now
            return False
        return True

    def _build(self, paths: Sequence[str | Path], *, told: bool = True) -> None:
        """Build what is due; what cannot be built now is due again later."""
        due, self._due, self._touched = self._due, set(), {}
        try:
            report = self._library.build(paths)
        except LibraryLockedError as error:
            self._again(due, LOCKED_S, f"{error}; trying again until then")
        except (GlimpseError, OSError) as error:
            if not self._is_built:
                raise
            self._again(due, FAILED_S, f"{error}; trying again in {FAILED_S:g} s")
        else:
            self._is_waiting = False
            self._swept = self._swept if self._is_built else time.monotonic()
            self._is_built = True
            if told or _did_something(report):
                self._on_build(report)

    def _again(self, due: set[bytes], seconds: float, line: str) -> None:
        self._due |= due
        self._not_before = time.monotonic() + seconds
        if not self._is_waiting:
            self._notify(line)
        self._is_waiting = True

    def _look_at_roots(self) -> None:
        """Notice roots that came, went, or became another folder, as a drive does that is mounted there."""
        self._looked = time.monotonic()
        now = {root: _identity(root) for root in self._targets()}
        if now != self._seen:
            self._seen = now
            self._noticing.begin(sorted(now))
            self._due &= set(now)
            self._mark(now)  # all of them: what changed just before is not told again
        if self._is_built and not self._due:
            self._sweep()

    def _sweep(self) -> None:
        untold = [root for root in self._seen if self._noticing.is_deaf or not is_text(root)]
        age = time.monotonic() - self._swept
        if age >= SWEEP_S or (untold and age >= UNTOLD_S):
            self._swept = time.monotonic()
            roots = list(self._seen) if age >= SWEEP_S else untold
            self._build([os.fsdecode(root) for root in roots], told=False)

    def _targets(self) -> list[bytes]:
        roots = [root.path for root in self._library.roots()]
        if not self._paths:
            return roots
        named = [os.fsencode(os.path.realpath(os.path.expanduser(path))) for path in self._paths]
        return sorted(
            {next((root for root in roots if covers(root, each)), each) for each in named}
        )


def _identity(folder: bytes) -> Stamp:
    try:
        status = os.stat(folder)
    except OSError:
        return None
    return status.st_dev, status.st_ino


def _stamp(path: bytes) -> Stamp:
    try:
        status = os.lstat(path)
    except OSError:
        return None
    return status.st_size, status.st_mtime_ns


def _did_something(report: BuildReport) -> bool:
    return bool(report.pending or report.removed or sum(report.states.values()) > report.kept)
