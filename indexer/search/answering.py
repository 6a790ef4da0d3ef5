"""From a ranking of contents to an answer: photos that pass the filter, graded, sorted, a page at a time."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

import numpy as np

from indexer.errors import QueryError
from indexer.kept import Kept
from indexer.results import SORTS, Answer, Hit, Photo, Relevance, Sort
from indexer.search.ranking import Ranking
from indexer.search.relevance import BLOCK, grade
from storage.filters import Filter
from storage.lookup import count_photos, counts_of_contents, photos_of_contents
from storage.records import PhotoRecord, SpaceRecord
from storage.view import View

__all__ = ["Answering", "SearchOptions", "by_date", "check_page"]


@dataclass(frozen=True, slots=True)
class SearchOptions:
    """How much of an answer is wanted, and in which order."""

    k: int = 20
    """Results at most."""
    offset: int = 0
    """Results to leave out at the start, for paging."""
    threshold: float | None = None
    """The least score."""
    relevant: bool = False
    """Only what is likely or may be an answer."""
    sort: Sort = "relevance"
    """By date only what is relevant is shown: the newest photo of all is an answer to nothing."""
    include_self: bool = False
    """Also the very pictures that were asked with."""

    def __post_init__(self) -> None:
        check_page(self.k, self.offset)
        if self.sort not in SORTS:
            raise QueryError(f"sort {self.sort!r} is not known; there are: {', '.join(SORTS)}")

    @property
    def only_relevant(self) -> bool:
        """Whether what is unlikely is left out."""
        return self.relevant or self.sort != "relevance"


def check_page(k: int, offset: int) -> None:
    """Raise QueryError for a page that no list has."""
    if k < 1 or offset < 0:
        raise QueryError(f"{k} results from {offset} were asked for; the least is 1 from 0")


class Graded(NamedTuple):
    """A content among the results."""

    content_id: int
    score: float
    relevance: Relevance | None

    @property
    def is_relevant(self) -> bool:
        """Whether it is likely or may be an answer."""
        return self.relevance in (Relevance.LIKELY, Relevance.MAYBE)


Pair = tuple[Graded, PhotoRecord]

LAST = BLOCK // 4


class Answering:
    """Answers one query within one view of the catalog."""

    def __init__(
        self,
        view: View,
        spaces: Sequence[SpaceRecord],
        kept: Kept,
        ranking: Ranking,
        where: Filter,
        options: SearchOptions,
        left_out: set[int],
    ) -> None:
        """`left_out` are contents that the query itself shows."""
        self._view = view
        self._spaces = spaces
        self._kept = kept
        self._ranking = ranking
        self._where = where
        self._options = options
        self._left_out = set() if options.include_self else left_out

    def answer(self, query: str, notices: Sequence[str]) -> Answer:
        """One page of results."""
        options = self._options
        found = self._found()
        graded = bool(found) and found[0].relevance is not None
        relevant = [entry for entry in found if entry.is_relevant]
        selects = options.threshold is not None or (options.only_relevant and graded)
        shown = self._pairs(relevant if options.only_relevant and graded else found)
        if options.sort != "relevance":
            shown.sort(key=lambda pair: by_date(pair[1]), reverse=options.sort == "newest")
        page = shown[options.offset : options.offset + options.k]
        hits = [
            Hit(rank, entry.score, Photo.from_record(photo), entry.relevance)
            for rank, (entry, photo) in enumerate(page, start=options.offset + 1)
        ]
        likely, at_least_maybe = self._counts(relevant) if graded else (None, None)
        if options.only_relevant and found and not graded:
            notices = [*notices, "too little is known here to tell what is relevant; all is shown"]
        return Answer(
            str(query),
            ",".join(space.name for space in self._spaces),
            len(shown) if selects else self._total(),
            tuple(hits),
            tuple(notices),
            likely,
            at_least_maybe,
            not options.only_relevant and self._may_go_on(found),
        )

    def _found(self) -> list[Graded]:
        """Contents from the best on: as many as were asked for, and all that are relevant where those alone are."""
        options, size = self._options, self._ranking.size
        count = max(options.k + options.offset + len(self._left_out), BLOCK)
        if options.threshold is not None:
            count = max(count, size)
        while True:
            found = self._graded(count)
            if count >= size:
                return found
            if options.sort != "relevance" and found and found[0].relevance is None:
                count = size  # what is relevant is not known, so all of it is sorted
            elif options.only_relevant and any(entry.is_relevant for entry in found[-BLOCK:]):
                count *= 4
            else:
                return found

    def _may_go_on(self, found: Sequence[Graded]) -> bool:
        """Whether relevant ones are likely further down: there are some among the last that were looked at."""
        return len(found) < self._ranking.size and any(e.is_relevant for e in found[-LAST:])

    def _graded(self, count: int) -> list[Graded]:
        ids, scores = self._ranking.top(count)
        if self._left_out:
            kept = ~np.isin(ids, list(self._left_out))
            ids, scores = ids[kept], scores[kept]
        if self._options.threshold is not None:
            kept = scores >= self._options.threshold
            ids, scores = ids[kept], scores[kept]
        grades = grade(
            len(ids), lambda rows: self._ranking.deviations(ids[rows]), self._ranking.cut
        )
        return list(map(Graded, ids.tolist(), scores.tolist(), grades))

    def _pairs(self, entries: Sequence[Graded]) -> list[Pair]:
        """Contents with their photos; by relevance no further down than the page goes."""
        if self._options.threshold is None and not self._options.only_relevant:
            entries = entries[: self._options.k + self._options.offset]
        photos = photos_of_contents(self._view, [e.content_id for e in entries], self._where)
        return [(entry, photo) for entry in entries for photo in photos[entry.content_id]]

    def _total(self) -> int:
        """How many photos could have answered."""
        same = photos_of_contents(self._view, sorted(self._left_out), self._where)
        spaces = tuple(space.id for space in self._spaces)
        total = self._kept.get(
            self._view.point(),
            (self._where, spaces),
            lambda: count_photos(self._view, self._where, spaces),
        )
        return total - sum(map(len, same.values()))

    def _counts(self, relevant: Sequence[Graded]) -> tuple[int, int]:
        """How many photos are likely, and likely or maybe."""
        likely = [e.content_id for e in relevant if e.relevance is Relevance.LIKELY]
        maybe = [e.content_id for e in relevant if e.relevance is Relevance.MAYBE]
        counts = counts_of_contents(self._view, (likely, maybe), self._where)
        return counts[0], sum(counts)


def by_date(photo: PhotoRecord) -> str:
    """When a photo was taken, else when its file was last written; in order as text."""
    taken = photo.content.taken_at if photo.content else None
    return taken or datetime.fromtimestamp(photo.mtime_ns / 1e9).isoformat()
