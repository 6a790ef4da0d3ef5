"""What can be asked: words, pictures and photos of the library, with weights, added and subtracted."""

import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO, Self

from PIL import Image

from indexer.errors import QueryError
from indexer.pictures.fetching import is_url

__all__ = ["ImageSource", "Query", "Term"]

ImageSource = str | Path | bytes | BinaryIO | Image.Image
"""A picture as the API takes it: a path, an http or https URL, bytes, an open file, or a PIL image."""

PHOTO = re.compile(r"photo:(\d{1,18})")
WEIGHT = re.compile(r"\s*(\d+(?:\.\d*)?|\.\d+):(.*)", re.DOTALL)
OPERATOR = re.compile(r"(?:^|\s)([+-])(?=\s|$)")
QUOTED = re.compile(r'\s*"([^"]*)"\s*', re.DOTALL)
PATH_PREFIXES = ("./", "../", "/", "~/")
MAX_TEXT = 10_000


@dataclass(frozen=True, slots=True)
class Text:
    """Words to look for."""

    words: str

    def __str__(self) -> str:
        plain = list(_tokens(self.words)) == [self.words] and not _stands_alone(self.words)
        return self.words if plain and not WEIGHT.fullmatch(self.words) else f'"{self.words}"'


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture from anywhere."""

    source: ImageSource

    def __str__(self) -> str:
        if not isinstance(self.source, str | Path):
            return "(picture)"
        path = str(self.source)
        return path if path.startswith(PATH_PREFIXES) or self.url else f"./{path}"

    @property
    def url(self) -> str | None:
        """Where on the web it lies, if that is where it lies."""
        source = self.source
        return source if isinstance(source, str) and is_url(source) else None


@dataclass(frozen=True, slots=True)
class PhotoOfLibrary:
    """A photo that the library knows."""

    photo_id: int

    def __str__(self) -> str:
        return f"photo:{self.photo_id}"


@dataclass(frozen=True, slots=True)
class Term:
    """One thing to look for; a negative weight asks for less of it."""

    what: Text | Picture | PhotoOfLibrary
    weight: float = 1.0

    def __str__(self) -> str:
        return str(self.what) if abs(self.weight) == 1 else f"{abs(self.weight):g}:{self.what}"


@dataclass(frozen=True, slots=True)
class Query:
    """A weighted sum of terms. Queries add, subtract, and multiply by a number.

    >>> str(2 * Query.text("golden retriever") + Query.image("pool.jpg") - Query.text("fruit"))
    '2:golden retriever + ./pool.jpg - fruit'
    """

    terms: tuple[Term, ...] = ()

    @classmethod
    def text(cls, words: str, weight: float = 1.0) -> Self:
        """Photos that words describe."""
        if not words.strip():
            raise QueryError("the query has no words in it; say what to look for")
        if len(words) > MAX_TEXT:
            raise QueryError(f"a text of {len(words)} characters; the limit is {MAX_TEXT}")
        return cls((Term(Text(words.strip()), weight),))

    @classmethod
    def image(cls, source: ImageSource, weight: float = 1.0) -> Self:
        """Photos that look like a picture."""
        return cls((Term(Picture(source), weight),))

    @classmethod
    def photo(cls, photo_id: int, weight: float = 1.0) -> Self:
        """Photos that look like one of the library."""
        return cls((Term(PhotoOfLibrary(int(photo_id)), weight),))

    @classmethod
    def parse(cls, expression: str | Sequence[str]) -> Self:
        """Read an expression such as `2:golden retriever + ./pool.jpg - fruit`.

        `+` and `-` stand between spaces; `./`, `../`, `/` and `~/` begin the path of a picture, `https://` and
        `http://` its URL; `photo:12` names a photo of the library; `2:` before a term is its weight; "double quotes"
        make anything words. A list is read as a shell hands it over: words side by side belong together.
        Raises QueryError.
        """
        parts = [expression] if isinstance(expression, str) else expression
        signed = [token for part in parts for token in _tokens(part)]
        query, sign, words = cls(), 1, list[str]()
        for token in [*signed, "+"]:
            if token not in ("+", "-") and not _stands_alone(token):
                words.append(token)
                continue
            if words:
                query += sign * cls._operand(" ".join(words))
                sign, words = 1, []
            if token in ("+", "-"):
                sign = -1 if token == "-" else 1
            else:
                query += sign * cls._operand(token)
                sign = 1
        if not query.terms:
            raise QueryError(
                'there is nothing in the query; try: glimpse search "a dog on a beach"'
            )
        return query

    @classmethod
    def _operand(cls, token: str) -> Self:
        weight = 1.0
        if match := WEIGHT.fullmatch(token):
            weight, token = float(match[1]), match[2].strip()
        if quoted := QUOTED.fullmatch(token):
            return cls.text(quoted[1], weight)
        if token.startswith(PATH_PREFIXES):
            return cls.image(Path(token).expanduser(), weight)
        if is_url(token):
            return cls.image(token, weight)
        if match := PHOTO.fullmatch(token):
            return cls.photo(int(match[1]), weight)
        return cls.text(token, weight)

    @property
    def urls(self) -> list[str]:
        """The pictures on the web that it asks with."""
        pictures = [term.what for term in self.terms if isinstance(term.what, Picture)]
        return [picture.url for picture in pictures if picture.url is not None]

    def __add__(self, other: "Query") -> Self:
        return replace(self, terms=self.terms + other.terms)

    def __neg__(self) -> Self:
        return -1 * self

    def __sub__(self, other: "Query") -> Self:
        return self + -other

    def __mul__(self, factor: float) -> Self:
        return replace(self, terms=tuple(replace(t, weight=t.weight * factor) for t in self.terms))

    __rmul__ = __mul__

    def __str__(self) -> str:
        pieces = ["- " * (t.weight < 0) + str(t) for t in self.terms[:1]]
        pieces += [("- " if t.weight < 0 else "+ ") + str(t) for t in self.terms[1:]]
        return " ".join(pieces)


def _stands_alone(token: str) -> bool:
    """Whether a token is a term by itself, unlike a word, which joins the words beside it."""
    match = WEIGHT.fullmatch(token)
    bare = match[2].strip() if match else token
    return bare.startswith(PATH_PREFIXES) or is_url(bare) or PHOTO.fullmatch(bare) is not None


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
