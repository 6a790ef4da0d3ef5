"""Checking a library, and repairing what can be made again."""

import json
from collections.abc import Iterator
from dataclasses import asdict
from typing import Annotated, Any

import typer

from indexer import VerifyReport
from indexer.cli import console
from indexer.cli.bar import Bar
from indexer.cli.command import SOME_SKIPPED, Common, JsonObject
from indexer.verification import Damage, Finding

__all__ = ["verify"]

DAMAGED = 1
SHOWN = 3
"""Examples of each finding."""


def verify(
    common: Common,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only tell what is wrong and what would be done.")
    ] = False,
    as_json: JsonObject = False,
) -> int:
    """Check the catalog, and check and repair all that is made from it: snapshots, models, maps, thumbnails, backups.

    A damaged catalog is never repaired by guessing, and nothing is written then: the newest backup that is sound is
    named, with the commands that put it back.

    Photos are not read, unless to make a thumbnail again. Whether they still are the bytes that were embedded is told
    by: glimpse build --verify

    Exit codes: 0 nothing wrong, or all of it repaired; 1 the catalog is damaged; 3 something is left to repair, as
    always after a --dry-run that found something; 4 no library there.
    """
    with common.open(deferred=True) as library, Bar("looking").shown() as bar:

        def show(what: str, done: int, total: int) -> None:
            bar.update(what, done, total or None)

        report = library.verify(dry_run=dry_run, on_step=show, notify=bar.note)
    if as_json:
        print(json.dumps(_answer(report), default=str))
    else:
        console.write_lines(line.encode(errors="backslashreplace") for line in _lines(report))
        for note in report.notes:
            console.note(note)
    return DAMAGED if report.damage else 0 if report.is_repaired else SOME_SKIPPED


def _answer(report: VerifyReport) -> dict[str, Any]:
    return {"sound": report.is_sound, "repaired": report.is_repaired, **asdict(report)}


def _lines(report: VerifyReport) -> Iterator[str]:
    if report.damage:
        yield from _damage(report.damage)
        return
    for finding in report.findings:
        yield from _finding(finding)
    checked = ", ".join(_counted(kind, count) for kind, count in report.checked.items())
    took = f"looked at {checked} in {report.seconds:.1f} s"
    if report.is_sound:
        yield f"nothing wrong; {took}"
    else:
        yield took


def _counted(kind: str, count: int) -> str:
    return f"{count} {kind.removesuffix('s') if count == 1 else kind}"


def _finding(finding: Finding) -> Iterator[str]:
    yield f"{finding.part}: {finding.count} {finding.what}; {finding.done}"
    yield from (f"  {name}" for name in finding.examples[:SHOWN])
    more = finding.count - SHOWN
    if more > 0:
        yield f"  and {more} more"


def _damage(damage: Damage) -> Iterator[str]:
    yield "the catalog is damaged; nothing was changed, and nothing else was looked at"
    yield from (f"  {finding}" for finding in damage.findings)
    for path, reason in damage.passed_over.items():
        yield f"not a remedy: {path} ({reason})"
    if damage.backup is None:
        yield "there is no sound backup; build a new library with --library, or put back a backup of your own"
        return
    yield (
        f"the newest sound backup is {damage.backup}; to put it back, stop what has the library open, such as the "
        "page and `glimpse watch`, and then:"
    )
    yield from (f"  {command}" for command in damage.commands)
