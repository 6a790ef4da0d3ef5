"""The terms that a query is made of."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, Self

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from indexer.errors import QueryError
from indexer.grammar import (
    PATH_PREFIXES,
    PHOTO,
    QUOTED,
    REGION,
    URL_PREFIXES,
    WEIGHT,
    reads_as_words,
)
from indexer.pictures.regions import Region

__all__ = ["MAX_TEXT", "ImageSource", "PhotoOfLibrary", "Picture", "Seen", "Term", "Text"]

ImageSource = str | Path | bytes | BinaryIO | Image.Image
"""A picture as the API takes it: a path, an address, bytes, an open file, or a PIL image."""

MAX_TEXT = 10_000
UNNAMED = "(picture)"
Vector = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Text:
    """Words to look for."""

    words: str

    def __str__(self) -> str:
        if reads_as_words(self.words):
            return self.words
        return '"{}"'.format(self.words.replace('"', "'"))  # a quote within quotes would end them


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture from anywhere, or a part of it."""

    source: ImageSource
    region: Region | None = None

    def __str__(self) -> str:
        if not isinstance(self.source, str | Path):
            return UNNAMED
        path = str(self.source)
        named = path if path.startswith((*PATH_PREFIXES, *URL_PREFIXES)) else f"./{path}"
        return f"{named}@{self.region}" if self.region else named


@dataclass(frozen=True, slots=True)
class Seen:
    """A picture that was looked at before, without its bytes."""

    sha256: bytes
    """Of the bytes; 32 bytes."""
    vectors: Mapping[int, Vector] = field(compare=False)
    """Its vectors (dim,), by the ids of spaces."""

    def __str__(self) -> str:
        return UNNAMED


@dataclass(frozen=True, slots=True)
class PhotoOfLibrary:
    """A photo that the library knows, or a part of it."""

    photo_id: int
    region: Region | None = None

    def __str__(self) -> str:
        return f"photo:{self.photo_id}" + (f"@{self.region}" if self.region else "")


@dataclass(frozen=True, slots=True)
class Term:
    """One thing to look for; a negative weight asks for less of it."""

    what: Text | Picture | Seen | PhotoOfLibrary
    weight: float = 1.0

    @classmethod
    def read(cls, operand: str) -> Self:
        """An operand of an expression. Raises QueryError."""
        weight = 1.0
        if match := WEIGHT.fullmatch(operand):
            weight, operand = float(match[1]), match[2].strip()
        if quoted := QUOTED.fullmatch(operand):
            return cls.of_words(quoted[1], weight)
        return cls._of_picture(operand, weight) or cls.of_words(operand, weight)

    @classmethod
    def of_words(cls, words: str, weight: float) -> Self:
        """Words. Raises QueryError for none, and for far too many."""
        if not words.strip():
            raise QueryError("the query has no words in it; say what to look for")
        if len(words) > MAX_TEXT:
            raise QueryError(f"a text of {len(words)} characters; the limit is {MAX_TEXT}")
        return cls(Text(words.strip()), weight)

    @classmethod
    def _of_picture(cls, operand: str, weight: float) -> Self | None:
        box = None
        if (part := REGION.fullmatch(operand)) and not os.path.exists(os.path.expanduser(operand)):
            operand, box = part[1], Region.checked(tuple(map(float, part.groups()[1:])))  # type: ignore[arg-type]
        if operand.startswith(PATH_PREFIXES):
            return cls(Picture(Path(os.path.expanduser(operand)), box), weight)
        if operand.startswith(URL_PREFIXES):
            return cls(Picture(operand, box), weight)
        if match := PHOTO.fullmatch(operand):
            return cls(PhotoOfLibrary(int(match[1]), box), weight)
        return None

    def __str__(self) -> str:
        return str(self.what) if abs(self.weight) == 1 else f"{abs(self.weight):g}:{self.what}"
