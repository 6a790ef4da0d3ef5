"""Questions that visitors asked, kept for as long as they may scroll on in the answers."""

import hashlib
import threading
import time
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Any, Literal

from indexer import Filter, Library, Photo, Query
from indexer.results import Relevance, Sort
from indexer.terms import PhotoOfLibrary
from search_ui.address import EVERYTHING
from search_ui.literal import readable

__all__ = ["Page", "Question", "item", "keep", "recall"]

KEPT = 2000
NARROWEST, WIDEST = 0.6, 2.4
"""Width by height; what is beyond is cropped, or a panorama would leave no room for others."""

_kept: OrderedDict[str, "Question"] = OrderedDict()
_keeping = threading.Lock()


@dataclass(frozen=True, slots=True)
class Page:
    """Some of the photos that answer, as the gallery takes them."""

    photos: list[dict[str, Any]]
    total: int
    notices: tuple[str, ...] = ()
    relevant: int | None = None
    """How many of all are likely or may be meant; None where that is not known."""
    took: float = 0.0
    """Seconds."""
    may_go_on: bool = False
    """Whether more are relevant than that."""


@dataclass(frozen=True, slots=True)
class Question:
    """Everything that decides which photos are shown, and in which order."""

    query: Query
    where: Filter = EVERYTHING
    space: str | None = None
    sort: Sort = "relevance"
    relevant: bool = False
    more: tuple[int, ...] = ()
    less: tuple[int, ...] = ()
    upload: str = field(default="", compare=False)
    """What tells one picture from another whose name the query does not have."""

    @property
    def token(self) -> str:
        """The same for the same question, so that a page that is drawn anew keeps what it has."""
        parts = (str(self.query), self.upload, self.where, self.space, self.sort, self.relevant)
        return hashlib.sha256(repr((*parts, self.more, self.less)).encode()).hexdigest()[:32]

    @property
    def is_asked(self) -> bool:
        """Whether anything is asked; else the newest photos are shown."""
        return bool(self.query.terms or self.more or self.upload)

    @property
    def _may_show_itself(self) -> bool:
        """Whether one has an uploaded picture is worth telling; that one has a photo of the library is known."""
        named = any(isinstance(term.what, PhotoOfLibrary) for term in self.query.terms)
        return bool(self.upload) and not named

    def ask(self, library: Library, count: int, offset: int = 0) -> Page:
        """The photos from `offset` on. Raises what `Library.search` raises."""
        if not self.is_asked:
            order: Literal["newest", "oldest"] = "oldest" if self.sort == "oldest" else "newest"
            photos = library.browse(count, where=self.where, order=order, offset=offset)
            return Page([item(photo) for photo in photos], library.count(self.where))
        started = time.perf_counter()
        answer = library.search(
            self.query,
            count,
            where=self.where,
            space=self.space,
            offset=offset,
            relevant=self.relevant,
            sort=self.sort,
            more=self.more,
            less=self.less,
            include_self=self._may_show_itself,
        )
        took = time.perf_counter() - started
        hits = [item(hit.photo, hit.score, hit.relevance) for hit in answer]
        return Page(hits, answer.total, answer.notices, answer.relevant, took, answer.may_go_on)


def keep(question: Question) -> str:
    """Remember a question under its token."""
    with _keeping:
        _kept[question.token] = question
        _kept.move_to_end(question.token)
        while len(_kept) > KEPT:
            _kept.popitem(last=False)
    return question.token


def recall(token: str) -> Question | None:
    """The question of a token, unless it was last asked long ago."""
    with _keeping:
        if token in _kept:
            _kept.move_to_end(token)
        return _kept.get(token)


def item(
    photo: Photo, score: float | None = None, relevance: Relevance | None = None
) -> dict[str, Any]:
    """A photo as the gallery takes it: few bytes, since ten thousand may be asked for."""
    width, height = photo.width or 1, photo.height or 1
    return {
        "id": photo.id,
        "name": readable(photo.path.name),
        "hash": (photo.sha256 or "")[:16],
        "shape": round(min(max(width / height, NARROWEST), WIDEST), 3),
        "width": photo.width or 0,
        "height": photo.height or 0,
        "size": photo.size,
        "score": "" if score is None else f"{score:.2f}",
        "relevance": relevance.value if relevance else "",
    }
