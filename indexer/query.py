"""What can be asked: words, pictures and photos of the library, with weights, added and subtracted."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Self

from indexer.errors import QueryError
from indexer.grammar import URL_PREFIXES, operands
from indexer.pictures.regions import Region
from indexer.terms import ImageSource, PhotoOfLibrary, Picture, Term, Text

__all__ = ["ImageSource", "Query"]

Box = tuple[float, float, float, float]


@dataclass(frozen=True, slots=True)
class Query:
    """A weighted sum of terms. Queries add, subtract, and multiply by a number.

    >>> str(2 * Query.text("golden retriever") + Query.image("pool.jpg") - Query.text("fruit"))
    '2:golden retriever + ./pool.jpg - fruit'
    """

    terms: tuple[Term, ...] = ()

    @classmethod
    def text(cls, words: str, weight: float = 1.0) -> Self:
        """Photos that words describe. Raises QueryError where there are none."""
        return cls((Term.of_words(words, weight),))

    @classmethod
    def image(cls, source: ImageSource, weight: float = 1.0, region: Box | None = None) -> Self:
        """Photos that look like a picture, or like a region of it: left, top, width, height, as fractions."""
        return cls((Term(Picture(source, _region(region)), weight),))

    @classmethod
    def photo(cls, photo_id: int, weight: float = 1.0, region: Box | None = None) -> Self:
        """Photos that look like one of the library, or like a region of it."""
        return cls((Term(PhotoOfLibrary(int(photo_id), _region(region)), weight),))

    @classmethod
    def parse(cls, expression: str | Sequence[str]) -> Self:
        """Read an expression such as `2:golden retriever + ./pool.jpg - fruit`.

        `+` and `-` stand between spaces; `./`, `../`, `/` and `~/` begin the path of a picture, `https://`
        its address; `photo:12` names a photo of the library; `@0.1,0.2,0.5,0.4` after a picture is a region:
        left, top, width and height as fractions; `2:` before a term is its weight; "double quotes" make anything
        words. A list is read as a shell hands it over: words side by side belong together. Raises QueryError.
        """
        parts = [expression] if isinstance(expression, str) else expression
        if any("\0" in part for part in parts):
            raise QueryError("the query has a NUL character in it; take it out")
        query = cls()
        for sign, operand in operands(parts):
            query += sign * cls((Term.read(operand),))
        if not query.terms:
            raise QueryError(
                'there is nothing in the query; try: glimpse search "a dog on a beach"'
            )
        return query

    @property
    def has_words(self) -> bool:
        """Whether any term is text."""
        return any(isinstance(term.what, Text) for term in self.terms)

    @property
    def urls(self) -> list[str]:
        """Where on the web pictures of it lie."""
        sources = [term.what.source for term in self.terms if isinstance(term.what, Picture)]
        return [each for each in sources if isinstance(each, str) and each.startswith(URL_PREFIXES)]

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


def _region(box: Box | None) -> Region | None:
    return None if box is None else Region.checked(box)
