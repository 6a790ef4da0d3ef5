"""Lists of labels: one a line, with the phrases that describe each."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from indexer.errors import UsageError

__all__ = ["Label", "check_label", "default_labels", "parse_labels", "read_lines"]

MAX_LENGTH = 100
DEFAULT = Path(__file__).with_name("labels.txt")


@dataclass(frozen=True, slots=True)
class Label:
    """A tag that may be given, and what it is looked for by."""

    name: str
    phrases: tuple[str, ...]


def check_label(text: str) -> str:
    """A label without blanks around it. Raises UsageError for what makes no tag."""
    label = text.strip()
    if not label:
        raise UsageError("a tag without a letter; write a word or a few")
    if len(label) > MAX_LENGTH:
        raise UsageError(f"a tag of {len(label)} characters; the limit is {MAX_LENGTH}")
    if not label.isprintable():
        raise UsageError(f"the tag {label!r} has control characters in it; leave them out")
    return label


def parse_labels(lines: Iterable[str]) -> tuple[Label, ...]:
    """Labels of lines such as `dog` or `selfie = selfie, person with a camera`; `#` begins a remark.

    A label that comes twice has the phrases of both lines. Raises UsageError for a label that makes no tag, and
    for a list without any.
    """
    found: dict[str, list[str]] = {}
    for line in lines:
        name, _, said = line.partition("=")
        if name.strip() and not name.strip().startswith("#"):
            label = check_label(name)
            phrases = [check_label(phrase) for phrase in said.split(",") if phrase.strip()]
            found.setdefault(label, []).extend(phrases or [label])
    if not found:
        raise UsageError("the list of labels is empty; write one label a line")
    return tuple(Label(name, tuple(dict.fromkeys(said))) for name, said in found.items())


@cache
def default_labels() -> tuple[Label, ...]:
    """The labels that Glimpse comes with."""
    return parse_labels(read_lines(DEFAULT))


def read_lines(source: str | Path | Sequence[str]) -> tuple[str, ...]:
    """The lines of a file in UTF-8, or lines as they are. Raises UsageError."""
    if not isinstance(source, str | Path):
        return tuple(source)
    try:
        return tuple(Path(source).read_text(encoding="utf-8-sig").splitlines())
    except OSError as error:
        raise UsageError(f"{source} cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise UsageError(f"{source} is not UTF-8 text; save it as UTF-8") from error
