"""The tables of docs/reliability.md: what is promised, and which tests show it."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

__all__ = ["PAGE", "Promise", "read_promises"]

TESTS = Path(__file__).parent
PAGE = TESTS.parent / "docs" / "reliability.md"
HEADING = re.compile(r"## (\w+): ")
ROW = re.compile(r"\| (?P<text>.+) \| (?P<tests>`.+) \| ?(?P<result>.*?) ?\|")


@dataclass(frozen=True, slots=True)
class Promise:
    """A row of a table."""

    group: str
    text: str
    tests: tuple[tuple[str, str], ...]
    """File and function of each test, such as ("tests/test_build.py", "test_a_second_build_embeds_nothing")."""


def read_promises() -> Iterator[Promise]:
    """All rows, in their order."""
    group = ""
    for line in PAGE.read_text(encoding="utf-8").splitlines():
        if heading := HEADING.match(line):
            group = heading[1]
        elif row := ROW.fullmatch(line):
            yield Promise(group, row["text"], tuple(map(_test, row["tests"].split("; "))))


def _test(told: str) -> tuple[str, str]:
    stem, sentence = re.fullmatch(r"`([\w/]+)` (.+)", told).groups()  # type: ignore[union-attr]
    at_the_top = TESTS / f"{stem}.py"
    (file,) = [at_the_top] if at_the_top.exists() else TESTS.rglob(f"{stem}.py")
    return file.relative_to(TESTS.parent).as_posix(), f"test_{sentence.replace(' ', '_')}"
