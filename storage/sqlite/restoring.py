"""What to do about a damaged catalog: the newest backup that is sound itself, and the commands that put it back."""

import os
import shlex
from dataclasses import dataclass
from pathlib import Path

from storage.checks import OnStep
from storage.errors import GlimpseError
from storage.sqlite.backups import backups
from storage.sqlite.integrity import damage

__all__ = ["Remedy", "find_remedy", "why_unsound"]


@dataclass(frozen=True, slots=True)
class Remedy:
    """The way back from a damaged catalog."""

    backup: Path | None = None
    """The newest copy that is sound."""
    passed_over: tuple[tuple[Path, str], ...] = ()
    """Newer copies, and what is wrong with each."""
    commands: tuple[str, ...] = ()
    """For a shell, in order; the damaged files are kept."""


def find_remedy(catalog: Path, derived: tuple[str, ...], on_step: OnStep) -> Remedy:
    """Look through the copies beside a catalog, the newest first.

    `derived` are the names of folders whose files know what the copy does not; they are to be made again.
    """
    passed_over = list[tuple[Path, str]]()
    for copy in reversed(backups(catalog)):
        reason = why_unsound(copy, on_step)
        if reason is None:
            return Remedy(copy, tuple(passed_over), tuple(_commands(catalog, copy, derived)))
        passed_over.append((copy, reason))
    return Remedy(None, tuple(passed_over))


def why_unsound(copy: Path, on_step: OnStep) -> str | None:
    """What is wrong with a copy of a catalog; None where nothing is."""
    try:
        return next(iter(damage(copy, on_step, is_copy=True)), None)
    except GlimpseError as error:
        return str(error)


def _commands(catalog: Path, copy: Path, derived: tuple[str, ...]) -> list[str]:
    aside = _free(catalog.with_name(f"{catalog.name}.damaged"))
    commands: list[tuple[str, ...]] = [
        ("mv", str(path), f"{aside}{ending}")
        for ending in ("", "-wal", "-shm")
        if os.path.lexists(path := Path(f"{catalog}{ending}"))
    ]
    old = [str(path) for name in derived if os.path.lexists(path := catalog.parent / name)]
    commands.append(("cp", str(copy), str(catalog)))
    if old:
        commands.append(("rm", "-r", *old))
    commands += [
        ("glimpse", verb, "--library", str(catalog.parent)) for verb in ("verify", "build")
    ]
    return [shlex.join(command) for command in commands]


def _free(path: Path) -> Path:
    """A name that nothing has yet."""
    tried, number = path, 2
    while os.path.lexists(tried):
        tried, number = path.with_name(f"{path.name}-{number}"), number + 1
    return tried
