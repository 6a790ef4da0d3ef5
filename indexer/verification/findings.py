"""What a check finds, gathered so that a hundred thousand missing files are one line and little memory."""

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

__all__ = ["Damage", "Finding", "Ledger", "Part", "VerifyReport"]

Part = Literal["snapshots", "collections", "models", "maps", "thumbnails", "hashes", "backups"]

EXAMPLES = 20
"""Names that are kept of each finding."""


@dataclass(frozen=True, slots=True)
class Finding:
    """What is wrong with some derived files, and what was done about it."""

    part: Part
    what: str
    done: str
    """After a check that repairs nothing: what would be done."""
    repaired: bool
    """Whether nothing is left to do; never after a check that repairs nothing."""
    count: int
    examples: tuple[str, ...]
    """Some of them, by their paths in the library's folder."""


@dataclass(frozen=True, slots=True)
class Damage:
    """What is wrong with the catalog, which nothing repairs; and the way back."""

    findings: tuple[str, ...]
    backup: Path | None
    """The newest copy of the catalog that is sound itself."""
    passed_over: dict[str, str]
    """Newer copies, and what is wrong with each."""
    commands: tuple[str, ...]
    """That put the copy in the catalog's place, for a shell; the damaged files are kept."""


@dataclass(frozen=True, slots=True)
class VerifyReport:
    """What was checked, found and done."""

    checked: dict[str, int]
    """How many of each kind were looked at; a catalog that is damaged is looked at alone."""
    findings: tuple[Finding, ...] = ()
    damage: Damage | None = None
    notes: tuple[str, ...] = ()
    """What could not be checked."""
    seconds: float = 0.0

    @property
    def is_sound(self) -> bool:
        """Whether nothing was wrong."""
        return self.damage is None and not self.findings

    @property
    def is_repaired(self) -> bool:
        """Whether nothing is wrong now."""
        return self.damage is None and all(finding.repaired for finding in self.findings)


@dataclass(slots=True)
class _Gathered:
    count: int = 0
    examples: list[str] = field(default_factory=list)


class Ledger:
    """Findings as they come; those that are alike are counted together."""

    def __init__(self, folder: Path, *, repairing: bool) -> None:
        self.repairing = repairing
        self.checked: dict[str, int] = {}
        self._folder = folder
        self._found: dict[tuple[Part, str, str, bool], _Gathered] = {}

    def count(self, kind: str, many: int = 1) -> None:
        """Tell that something was looked at."""
        self.checked[kind] = self.checked.get(kind, 0) + many

    def note(
        self, part: Part, path: Path | str, what: str, done: str, *, repaired: bool = True
    ) -> None:
        """Tell of something wrong; `done` is a participle, such as "deleted"."""
        key = (part, what, done if self.repairing else f"to be {done}", repaired and self.repairing)
        gathered = self._found.setdefault(key, _Gathered())
        gathered.count += 1
        if len(gathered.examples) < EXAMPLES:
            gathered.examples.append(self._name(path))

    def findings(self) -> list[Finding]:
        """All of them, in the order in which each was first met."""
        return [
            Finding(*key, each.count, tuple(each.examples)) for key, each in self._found.items()
        ]

    def _name(self, path: Path | str) -> str:
        name = os.path.relpath(path, self._folder) if isinstance(path, Path) else path
        return os.fsencode(name).decode(errors="backslashreplace")
