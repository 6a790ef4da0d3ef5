"""What a user's files say of pictures: labels, captions, categories; and which pictures they say it of."""

import csv
import io
import json
import os
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from itertools import zip_longest
from pathlib import Path, PurePath
from typing import Any

from indexer.errors import UsageError

__all__ = [
    "CAPTION_FILES",
    "match_names",
    "read_captions",
    "read_categories",
    "read_labels",
]

Pairs = list[tuple[str, str]]
"""File names as they were written, each with what is said of it."""

CAPTION_FILES = (".tsv", ".csv", ".jsonl")
NAME = ("filename", "file_name", "file", "path")
LABEL = ("label", "class")
CAPTION = ("caption", "text")
TABLES = (".tsv", ".csv")


def read_labels(path: Path) -> Pairs:
    """File names and labels of a table, or of JSON that maps a name to a label or a label to names."""
    if path.suffix.lower() in TABLES:
        return _table(path, LABEL)
    if path.suffix.lower() != ".json":
        raise UsageError(f"{path} holds no labels that can be read; give .tsv, .csv or .json")
    pairs: Pairs = []
    for key, value in _object(path, "names to labels, or labels to lists of names").items():
        if isinstance(value, str):
            pairs.append((key, value))
        elif _are_strings(value):
            pairs.extend((name, key) for name in value)
        else:
            raise UsageError(f"{path}: {key!r} has neither a label nor a list of file names")
    return _some(pairs, path)


def read_captions(path: Path) -> Pairs:
    """File names and captions of a table or of JSON lines; a picture may come more than once."""
    if path.suffix.lower() in TABLES:
        return _table(path, CAPTION)
    if path.suffix.lower() not in CAPTION_FILES:
        raise UsageError(f"{path} holds no captions that can be read; give .tsv, .csv or .jsonl")
    pairs: Pairs = []
    for number, line in enumerate(_text(path).split("\n"), start=1):
        if line.strip():
            row = _json(line, f"{path}, line {number}")
            name, said = _field(row, NAME, path), _field(row, CAPTION, path)
            captions = [said] if isinstance(said, str) else said
            if not isinstance(name, str) or not _are_strings(captions):
                raise UsageError(f"{path}, line {number}: file name and captions must be strings")
            pairs.extend((name, caption) for caption in captions)
    return _some(pairs, path)


def read_categories(path: Path) -> dict[str, list[str]]:
    """Queries, each with the names of all files that answer it."""
    found = _object(path, "queries to lists of file names")
    for query, names in found.items():
        if not query.strip() or not _are_strings(names):
            raise UsageError(f'{path}: {query!r} has no list of file names; write ["a.jpg", …]')
    if not found:
        raise UsageError(f"{path} is empty; it maps queries to lists of file names")
    return found


def match_names(
    files: Iterable[tuple[PurePath, int]],
    pairs: Iterable[tuple[str, str]],
    notify: Callable[[str], object],
) -> list[tuple[int, str]]:
    """The number of the file that each name means, with what is said of it.

    `files` may give one number to several paths, such as copies. A name is a file's, or the end of its path. Names
    that fit no file, or several, are told of and left out. Raises UsageError where all are.
    """
    by_name: dict[str, list[tuple[tuple[str, ...], int]]] = defaultdict(list)
    for path, number in files:
        by_name[path.name].append((path.parts, number))
    found, unknown, ambiguous = [], dict[str, None](), dict[str, None]()
    for name, said in pairs:
        parts = PurePath(os.path.normpath(name)).parts
        ending = by_name.get(parts[-1], []) if parts else []
        numbers = {number for path, number in ending if path[-len(parts) :] == parts}
        if len(numbers) == 1:
            found.append((numbers.pop(), said))
        else:
            (ambiguous if numbers else unknown)[name] = None
    _tell(unknown, "fit no picture here", notify)
    _tell(ambiguous, "fit several pictures; write more of their paths", notify)
    if not found:
        raise UsageError(_unmatched(unknown, ambiguous))
    return found


def _tell(names: Iterable[str], what: str, notify: Callable[[str], object]) -> None:
    names = list(names)
    if names:
        notify(f"{len(names)} file names {what}; the first is {names[0]!r}")


def _unmatched(unknown: Iterable[str], ambiguous: Iterable[str]) -> str:
    name = next(iter([*ambiguous, *unknown]))
    if name in ambiguous:
        return f"no file name fits one picture alone; {name!r} fits several: write more of its path"
    return (
        f"none of the file names fits a picture here, such as {name!r}; "
        "write names, or ends of paths, as `glimpse search -f` prints them"
    )


def _table(path: Path, wanted: Sequence[str]) -> Pairs:
    text = _text(path)
    split = _tab_separated if path.suffix.lower() == ".tsv" else _comma_separated
    try:
        head, *rows = split(text) or [[]]
    except csv.Error as error:
        raise UsageError(f"{path} is no table that can be read: {error}") from error
    cells = [dict(zip_longest(head, row[: len(head)], fillvalue="")) for row in rows if any(row)]
    pairs = [(_field(row, NAME, path), _field(row, wanted, path)) for row in cells]
    return _some([(name, value) for name, value in pairs if name and value], path)


def _comma_separated(text: str) -> list[list[str]]:
    return list(csv.reader(io.StringIO(text, newline=""), strict=True))


def _tab_separated(text: str) -> list[list[str]]:
    """A quote is a letter here, as in: "Hello", she said."""
    return [[_unquoted(cell) for cell in line.split("\t")] for line in text.split("\n")]


def _unquoted(cell: str) -> str:
    """A cell as it was meant: some programs quote all the same, and double the quotes inside."""
    inner = cell[1:-1]
    is_quoted = (
        cell[:1] == cell[-1:] == '"' and len(cell) > 1 and '"' not in inner.replace('""', "")
    )
    return inner.replace('""', '"') if is_quoted else cell


def _field(row: Any, names: Sequence[str], path: Path) -> Any:
    """The value under the first of these names that there is."""
    found = row if isinstance(row, dict) else {}
    for name in names:
        if name in found:
            return found[name]
    there = ", ".join(str(name) for name in found if name is not None) or "none"
    raise UsageError(
        f"{path} has no column {names[0]!r} (it has: {there}); name it so in the first line"
    )


def _some(pairs: Iterable[tuple[str, str]], path: Path) -> Pairs:
    cleaned = [(name, value.strip()) for name, value in pairs if value.strip()]
    if not cleaned:
        raise UsageError(f"{path} is empty; it needs a line for each picture")
    return cleaned


def _object(path: Path, what: str) -> dict[str, Any]:
    found = _json(_text(path), str(path))
    if not isinstance(found, dict):
        raise UsageError(f"{path} is no JSON object; it maps {what}")
    return found


def _json(text: str, where: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise UsageError(f"{where} is no valid JSON: {error}") from error


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise UsageError(f"{path} is not UTF-8 text; save it as UTF-8") from error


def _are_strings(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(each, str) for each in value)
