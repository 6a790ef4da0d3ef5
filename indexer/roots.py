"""Which folders a library covers, and what becomes of photos whose file is not where it was."""

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from indexer.discovery import Rules, Walk
from indexer.errors import UsageError
from indexer.pipeline import BuildReport
from indexer.planning import RootPlan
from indexer.urls import folder_of, is_url
from storage.catalog import Catalog
from storage.records import RootRecord, State
from storage.view import View

__all__ = [
    "Confirm",
    "adopt",
    "check_paths",
    "covers",
    "find",
    "known",
    "notice_vanished",
    "settle",
    "several",
    "tally",
    "would_cover",
]

Confirm = Callable[[str], bool]
"""Asks the user a question that is answered with yes or no."""


def check_paths(paths: Sequence[str | Path], roots: Sequence[RootRecord]) -> list[bytes]:
    """The folders that were named, absolute and with links resolved.

    Raises UsageError for one that is not there, unless the library knows it, and for a file. URLs are not asked.
    """
    known = {root.path for root in roots}
    checked = []
    for path in paths:
        if not os.fspath(path):
            raise UsageError("an empty name is no folder; name a folder with pictures, such as .")
        if is_url(path):
            absolute = folder_of(os.fspath(path))
            if is_url(absolute):
                checked.append(absolute)
                continue
        else:
            absolute = os.fsencode(os.path.realpath(os.path.expanduser(path)))
        if os.path.isfile(absolute):
            raise UsageError(f"{path} is a file; name the folder that it lies in")
        if not os.path.isdir(absolute) and absolute not in known:
            raise UsageError(f"{path} is not there; name a folder with pictures")
        checked.append(absolute)
    return checked


def several(paths: str | Path | Sequence[str | Path]) -> Sequence[str | Path]:
    """One folder, which in Python would be read as a list of letters, or many."""
    return [paths] if isinstance(paths, str | Path) else paths


def adopt(catalog: Catalog, folders: Sequence[bytes]) -> list[RootRecord]:
    """The roots that cover these folders, recording those that are new.

    A folder inside a root belongs to that root; a root inside a new one becomes part of it, so that no file is known
    by two paths.
    """
    for folder in folders:
        with catalog.view() as view:
            roots = view.roots()
        if not any(covers(root.path, folder) for root in roots):
            _add(catalog, folder, roots)
    with catalog.view() as view:
        roots = view.roots()
    return [root for root in roots if any(covers(root.path, folder) for folder in folders)]


def find(view: View, root: str | Path) -> RootRecord:
    """A root by its path or URL. Raises UsageError where the library has none such."""
    path = (
        folder_of(os.fspath(root))
        if is_url(root)
        else os.fsencode(os.path.realpath(os.path.expanduser(root)))
    )
    for known in view.roots():
        if known.path == path:
            return known
    raise UsageError(f"{root} is no root of this library; `glimpse status` lists them")


def known(catalog: Catalog, folders: Sequence[bytes]) -> list[RootRecord]:
    """Those of these roots that still are some; whoever forgot one meanwhile does not get it back."""
    with catalog.view() as view:
        return [root for root in view.roots() if root.path in folders]


def _add(catalog: Catalog, folder: bytes, roots: Sequence[RootRecord]) -> None:
    with catalog.batch() as batch:
        new = batch.add_root(folder)
        for inner in roots:
            if covers(folder, inner.path):
                batch.absorb_root(inner.id, new, os.path.relpath(inner.path, folder))


def would_cover(folders: Sequence[bytes], roots: Sequence[RootRecord]) -> list[RootRecord]:
    """The roots that `adopt` would give, nothing recorded; a new one has the id 0."""
    found: dict[bytes, RootRecord] = {}
    for folder in folders:
        new = RootRecord(0, folder, None)
        root = next((root for root in roots if covers(root.path, folder)), new)
        found[root.path] = root
    return list(found.values())


def covers(outer: bytes, inner: bytes) -> bool:
    """Whether a folder is another one or contains it."""
    return inner == outer or inner.startswith(os.path.join(outer, b""))


def tally(plan: RootPlan, report: BuildReport) -> None:
    """Count what a plan found besides the files to read."""
    report.unchanged += plan.unchanged
    report.failed += plan.failed
    for folder, why in plan.unreadable.items():
        report.unreadable[os.path.join(plan.root.path, folder)] = why
    if plan.offline_reason:
        report.offline_roots[plan.root.path] = plan.offline_reason


def settle(
    catalog: Catalog, plans: Sequence[RootPlan], confirm: Confirm, report: BuildReport
) -> None:
    """Record what is offline, excluded, back, or gone; asks before more than half of a root would go."""
    for plan in plans:
        name = os.fsdecode(plan.root.path)
        goes = list(plan.gone)
        states = {state: list(ids) for state, ids in plan.states.items()}
        if 2 * len(goes) > plan.known and not confirm(
            f"{len(goes)} of the {plan.known} photos known under {name} are gone. Forget them?"
        ):
            report.kept += len(goes)
            states.setdefault(State.OFFLINE, []).extend(goes)
            goes = []
        report.removed += len(goes)
        for state, ids in states.items():
            report.states[state] = report.states.get(state, 0) + len(ids)
        if goes or states or plan.offline_reason != plan.root.offline_reason:
            _record(catalog, plan, states, goes)


def notice_vanished(catalog: Catalog, built: Sequence[RootRecord], report: BuildReport) -> None:
    """Record which other roots are not there any more; a folder that was renamed would else be shown twice.

    One that is back waits for a build of its own, and URLs are not asked.
    """
    done = {root.id for root in built}
    with catalog.view() as view:
        others = [root for root in view.roots() if root.id not in done and not is_url(root.path)]
        shown = [root for root in others if root.offline_reason is None and view.folders(root.id)]
    for root in shown:
        if reason := Walk(root.path, Rules()).why_offline(was_empty=False):
            report.offline_roots[root.path] = reason
            with catalog.batch() as batch:
                batch.set_root_offline(root.id, reason)


def _record(
    catalog: Catalog, plan: RootPlan, states: Mapping[State, Sequence[int]], goes: Sequence[int]
) -> None:
    with catalog.batch() as batch:
        batch.set_root_offline(plan.root.id, plan.offline_reason)
        for state, ids in states.items():
            batch.set_states(ids, state)
        batch.remove_files(goes)
