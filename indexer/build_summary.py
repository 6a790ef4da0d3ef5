"""What a build did, in words, for the command and the page."""

import os
from collections.abc import Iterator

from indexer.pipeline import BuildReport
from storage.records import State

__all__ = ["out_of_reach", "summary"]


def summary(report: BuildReport) -> str:
    """How many photos became what, and how long it took, in one line."""
    counts = {
        "embedded": report.embedded,
        "unchanged": report.unchanged,
        "known already": report.known,
        "moved": report.moved,
        "removed": report.removed,
        "back": report.states.get(State.PRESENT, 0),
        "excluded": report.states.get(State.EXCLUDED, 0),
        "offline": report.states.get(State.OFFLINE, 0) - report.kept,
        "skipped": report.failed,
    }
    told = ", ".join(f"{n} {what}" for what, n in counts.items() if n) or "nothing to do"
    return f"{told} in {report.seconds:.1f} s"


def out_of_reach(report: BuildReport) -> Iterator[str]:
    """What is kept although it is not there, a line for each reason."""
    for root, reason in report.offline_roots.items():
        yield f"{os.fsdecode(root)} {reason}: its photos are kept, as offline"
    for folder, reason in report.unreadable.items():
        yield f"{os.fsdecode(folder)} cannot be listed ({reason}): what was known there is kept"
    if report.kept:
        yield f"{report.kept} photos are gone, over half of their root: kept as offline"
