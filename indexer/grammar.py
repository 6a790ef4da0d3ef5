"""How a query is written: operators, weights, quotes, paths, addresses, photos and regions."""

import os
import re
from collections.abc import Iterator, Sequence

__all__ = [
    "PATH_PREFIXES",
    "PHOTO",
    "QUOTED",
    "REGION",
    "URL_PREFIXES",
    "WEIGHT",
    "operands",
    "reads_as_words",
]

PHOTO = re.compile(r"photo:(\d{1,18})")
WEIGHT = re.compile(r"\s*(\d+(?:\.\d*)?|\.\d+):(.*)", re.DOTALL)
QUOTED = re.compile(r'\s*"([^"]*)"\s*', re.DOTALL)
REGION = re.compile(r"(.+)@" + ",".join([r"(\d?\.?\d+)"] * 4), re.DOTALL)
"""`./pool.jpg@0.1,0.2,0.5,0.4`: what it is a part of; left, top, width and height as fractions."""
OPERATOR = re.compile(r"(?:^|\s)([+-])(?=\s|$)")
OPERATORS = ("+", "-")
PATH_PREFIXES = ("./", "../", "/", "~/")
URL_PREFIXES = ("http://", "https://")


def operands(parts: Sequence[str]) -> Iterator[tuple[int, str]]:
    """The operands of an expression, each with its sign, 1 or -1.

    Parts are what a shell hands over: words side by side belong together.
    """
    sign, words = 1, list[str]()
    for token in [*(token for part in parts for token in _tokens(part)), "+"]:
        operator = token in OPERATORS
        if not operator and not _stands_alone(token):
            words.append(token)
            continue
        if words:
            yield sign, " ".join(words)
            sign, words = 1, []
        if operator:
            sign = -1 if token == "-" else 1
        else:
            yield sign, token
            sign = 1


def reads_as_words(text: str) -> bool:
    """Whether an expression that is this text alone means just these words."""
    if text in OPERATORS or list(_tokens(text)) != [text]:
        return False
    return not _stands_alone(text) and not WEIGHT.fullmatch(text)


def _stands_alone(token: str) -> bool:
    """Whether a token is a term by itself, unlike a word, which joins the words beside it."""
    match = WEIGHT.fullmatch(token)
    bare = match[2].strip() if match else token
    part = REGION.fullmatch(bare)
    return bare.startswith((*PATH_PREFIXES, *URL_PREFIXES)) or bool(
        PHOTO.fullmatch(part[1] if part else bare)
    )


def _tokens(part: str) -> Iterator[str]:
    """Cut one argument at its operators; quotes, and a path that is there, are left whole."""
    if part.startswith(PATH_PREFIXES) and os.path.exists(os.path.expanduser(part)):
        yield part
        return
    guarded = re.sub(r'"[^"]*"', lambda m: "\0" * len(m[0]), part)
    start = 0
    for match in OPERATOR.finditer(guarded):
        yield from _nonempty(part[start : match.start()])
        yield match[1]
        start = match.end()
    yield from _nonempty(part[start:])


def _nonempty(text: str) -> Iterator[str]:
    if text.strip():
        yield text.strip()
