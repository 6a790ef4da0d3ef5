"""Compare a root with what the catalog knows of it: what to read, and what became of the rest.

Nothing is read but folders, and nothing written.
"""

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from indexer.config import BuildConfig
from indexer.discovery import Candidate, Rules, Walk
from indexer.urls import is_url
from storage.records import KnownFile, RootRecord, Signature, State
from storage.view import View

__all__ = [
    "Pending",
    "Pendings",
    "RootPlan",
    "is_racy",
    "plan_root",
    "rules_of",
    "same_bytes",
    "walk_of",
]

RACY_NS = 2_000_000_000
"""A file changed so shortly before it was read may have changed again with the same time stamps: the clocks of
file systems tick in steps of up to two seconds (FAT)."""


class Stamped(Protocol):
    """What tells a file from what it was before."""

    @property
    def size(self) -> int: ...
    @property
    def mtime_ns(self) -> int: ...
    @property
    def ctime_ns(self) -> int: ...


@dataclass(frozen=True, slots=True)
class Pending:
    """A file to read: new, changed, or without an answer in the space."""

    root: RootRecord
    folder: bytes
    name: bytes
    signature: Signature
    is_new: bool

    @property
    def path(self) -> bytes:
        """The whole path."""
        return os.path.join(self.root.path, self.folder, self.name)


class Pendings(Protocol):
    """Files to read, in the order in which they were found; a list, or what does not keep them in memory."""

    def append(self, item: Pending) -> None:
        """Add one."""

    def __len__(self) -> int: ...
    def __iter__(self) -> Iterator[Pending]: ...


@dataclass(slots=True)
class RootPlan:
    """What is to be done about one root; photos stand by their ids."""

    root: RootRecord
    known: int = 0
    unchanged: int = 0
    failed: int = 0
    """Files that failed before and are as they were."""
    pending: Pendings = field(default_factory=list[Pending])
    states: dict[State, list[int]] = field(default_factory=dict)
    """Photos whose state changes, by the new one."""
    gone: dict[int, int | None] = field(default_factory=dict)
    """Photos whose file is not there any more, with their content."""
    offline_reason: str | None = None
    """Why the whole root cannot be reached."""
    unreadable: dict[bytes, str] = field(default_factory=dict)
    """Folders that could not be listed, with the reason; what is known below them is kept."""


def plan_root(
    view: View,
    root: RootRecord,
    rules: Rules,
    space_id: int | None,
    hash_all: bool = False,
    on_folder: Callable[[int], None] = lambda files: None,
    pending: Callable[[RootRecord], Pendings] = lambda root: [],
) -> RootPlan:
    """Walk a root and compare; an unreachable root is a plan with `offline_reason`, an unreachable URL an error.

    With `hash_all` every file is read again, also those that failed, whatever its time stamps say.
    `on_folder` is told the number of files in each folder as it is done.
    """
    plan = RootPlan(root, pending=pending(root))
    return _Comparison(view, plan, rules, space_id, hash_all, on_folder).plan()


def rules_of(
    library: Path, build: BuildConfig, exclude: Sequence[str], include_hidden: bool
) -> Rules:
    """What is left out: as configured, as asked for besides, and the library's own folder."""
    return Rules(
        exclude=(*build.exclude, *exclude),
        include_hidden=include_hidden or build.include_hidden,
        leave_out=(os.fsencode(library.resolve()),),
    )


def walk_of(path: bytes, rules: Rules) -> Walk:
    """What finds the candidates below a folder, or a URL."""
    if not is_url(path):
        return Walk(path, rules)
    from indexer.distributed.remote import (
        RemoteWalk,
    )  # deferred: imports fsspec, which folders do without

    return RemoteWalk(path, rules)


class _Comparison:
    def __init__(
        self,
        view: View,
        plan: RootPlan,
        rules: Rules,
        space_id: int | None,
        hash_all: bool,
        on_folder: Callable[[int], None],
    ) -> None:
        self._view = view
        self._root = root = plan.root
        self._space_id = space_id
        self._hash_all = hash_all
        self._on_folder = on_folder
        self._walk = walk_of(root.path, rules)
        self._plan = plan
        self._devices: set[int] = set()
        self._renumbered: dict[int, int] = {}
        self._missing: list[tuple[bytes, KnownFile]] = []

    def plan(self) -> RootPlan:
        unvisited = self._view.folders(self._root.id)
        reason = self._walk.why_offline(was_empty=not unvisited)
        if reason is not None:
            self._plan.offline_reason = reason
            return self._plan
        self._devices.add(self._walk.device())
        for folder, candidates in self._walk.folders():
            unvisited.discard(folder)
            self._compare_folder(folder, candidates)
        for folder in sorted(unvisited):
            self._compare_folder(folder, [])
        self._plan.unreadable = dict(self._walk.unreadable)
        self._judge_missing()
        return self._plan

    def _compare_folder(self, folder: bytes, candidates: Sequence[Candidate]) -> None:
        known = self._view.known_files(self._root.id, folder, self._space_id)
        self._plan.known += len(known)
        self._devices.update({candidate.device for candidate in candidates})
        above = len(os.path.join(folder, b""))
        for candidate in candidates:
            name = candidate.path[above:]
            self._compare_file(folder, name, candidate, known.pop(name, None))
        self._on_folder(len(candidates))
        self._missing += ((os.path.join(folder, name), file) for name, file in known.items())

    def _compare_file(
        self, folder: bytes, name: bytes, now: Candidate, known: KnownFile | None
    ) -> None:
        same = known is not None and same_bytes(known, now)
        if same and known is not None and known.device != now.device:
            self._renumbered[known.device] = now.device
        if known is None or not same or self._hash_all or is_racy(known.ctime_ns, known.read_at_ns):
            self._read(folder, name, now, is_new=known is None)
        elif known.state is State.FAILED:
            self._plan.failed += 1
        elif not known.embedded:
            self._read(folder, name, now, is_new=False)
        else:
            self._plan.unchanged += 1
            if known.state is not State.PRESENT:
                self._mark(State.PRESENT, known)

    def _read(self, folder: bytes, name: bytes, now: Candidate, *, is_new: bool) -> None:
        signature = Signature(now.size, now.mtime_ns, now.ctime_ns, now.device)
        self._plan.pending.append(Pending(self._root, folder, name, signature, is_new))

    def _mark(self, state: State, known: KnownFile) -> None:
        self._plan.states.setdefault(state, []).append(known.id)

    def _judge_missing(self) -> None:
        """Tell the files that are gone from those that are only out of sight."""
        for path, known in self._missing:
            device = known.device
            if self._walk.missed(path):
                continue
            if self._left_out(path):
                self._mark(State.EXCLUDED, known)
            elif self._renumbered.get(device, device) not in self._devices:
                self._mark(State.OFFLINE, known)  # its drive, mounted below the root, is not there
            else:
                self._plan.gone[known.id] = known.content_id

    def _left_out(self, path: bytes) -> bool:
        by_rule = path in self._walk.skipped or self._walk.excludes(path)
        return by_rule and self._walk.holds(path)


def same_bytes(known: Stamped, now: Stamped) -> bool:
    """Whether the file can be taken as unchanged; a device may be renumbered at any boot."""
    return (known.size, known.mtime_ns, known.ctime_ns) == (now.size, now.mtime_ns, now.ctime_ns)


def is_racy(ctime_ns: int, read_at_ns: int) -> bool:
    """Whether the file may have changed after it was read, and look the same."""
    return ctime_ns >= read_at_ns - RACY_NS
