"""A question put to one space or several: each part of it where it is understood, the rankings fused."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from indexer.embedders.base import Embedder, Notify
from indexer.errors import NoTextError, QueryError, UsageError
from indexer.indexes import Indexes
from indexer.kept import Kept
from indexer.pictures.viewer import Viewer
from indexer.query import Query
from indexer.results import Answer
from indexer.search.answering import Answering, SearchOptions
from indexer.search.background import Backgrounds
from indexer.search.embedding import TermEmbedder
from indexer.search.fusion import FusedRanking, Fusion, share_out
from indexer.search.ranking import Marks, Ranking, SpaceRanking, direct
from indexer.spaces import Spaces, choose_space
from indexer.terms import Picture, Seen, Term
from storage.filters import Filter
from storage.lookup import allowed_contents
from storage.records import SpaceRecord
from storage.vectors import Allowed
from storage.view import View

__all__ = ["Asking"]

WEIGHTED = re.compile(r"(\d+(?:\.\d*)?|\.\d+):(.+)")


@dataclass(frozen=True, slots=True)
class Asking:
    """What questions are answered with."""

    spaces: Spaces
    indexes: Indexes
    backgrounds: Backgrounds
    kept: Kept
    """What filters let pass, until the catalog changes: the next page asks the same again."""
    viewer: Viewer
    fusion: Fusion
    fetched: Mapping[str, bytes]
    """The pictures at the query's URLs."""

    def answer(
        self,
        view: View,
        query: Query,
        named: str | None,
        where: Filter,
        marks: Marks,
        options: SearchOptions,
        notify: Notify,
    ) -> Answer:
        """The answer in the space of that name, or in several: `clip,2:dino`. None names the default."""
        if query.terms and not _asks(query):
            raise QueryError(f"every weight in {str(query)!r} is 0, which asks nothing; change one")
        allowed = self.kept.get(view.point(), where, lambda: _allowed(view, where))
        asked, rankings, left_out, notices = [], list[Ranking](), set[int](), list[str]()
        for (space, weight), part in _shared_out(view, query, named):
            if query.terms and not _asks(part):
                notices.append(f"space {space.name} has no part in this query")
                continue
            index = self.indexes.at(view, space)
            embedder = self._embedder(space, notify)
            background = (
                self.backgrounds.of(space, index, self.spaces.folder(space), embedder)
                if part.has_words or self.spaces.is_ready(space)
                else self.backgrounds.without_words(index)
            )
            terms = TermEmbedder(view, space, index, embedder, self.viewer, self.fetched)
            direction = direct(part, marks, terms, background)
            rankings.append(SpaceRanking(index, direction, background, allowed))
            asked.append((space, weight))
            left_out |= terms.asked_with
            notices += terms.notices
        return Answering(
            view,
            [space for space, _ in asked],
            self.kept,
            self._fused(rankings, asked),
            where,
            options,
            left_out,
        ).answer(str(query), notices)

    def seen(self, view: View, query: Query, named: str | None, notify: Notify) -> Query:
        """The query with what its pictures of bytes are in these spaces, in place of the bytes."""
        found = dict[Term, Seen]()
        for (space, _), part in _shared_out(view, query, named):
            index, embedder = self.indexes.at(view, space), self._embedder(space, notify)
            terms = TermEmbedder(view, space, index, embedder, self.viewer, self.fetched)
            for term in part.terms:
                seen = terms.seen(term.what) if isinstance(term.what, Picture) else None
                if seen:
                    before = found[term].vectors if term in found else {}
                    found[term] = replace(seen, vectors={**before, **seen.vectors})
        return Query(tuple(replace(t, what=found[t]) if t in found else t for t in query.terms))

    def _fused(
        self, rankings: Sequence[Ranking], asked: Sequence[tuple[SpaceRecord, float]]
    ) -> Ranking:
        if not rankings:
            raise NoTextError(
                "none of these spaces has a part in this query; name one that reads words"
            )
        if len(rankings) == 1:
            return rankings[0]
        return FusedRanking(rankings, [weight for _, weight in asked], self.fusion)

    def _embedder(self, space: SpaceRecord, notify: Notify) -> Callable[[], Embedder]:
        return lambda: self.spaces.embedder(space, notify)


def _asks(query: Query) -> bool:
    """Whether any term has a weight; the others say nothing of where to look."""
    return any(term.weight for term in query.terms)


def _shared_out(
    view: View, query: Query, named: str | None
) -> list[tuple[tuple[SpaceRecord, float], Query]]:
    """The spaces that are asked, with their weights, and the part of the query that is theirs."""
    chosen = _choose(view, named)
    parts = share_out(query, [space for space, _ in chosen]) if len(chosen) > 1 else [query]
    return list(zip(chosen, parts, strict=True))


def _allowed(view: View, where: Filter) -> Allowed | None:
    ids = allowed_contents(view, where)
    return None if ids is None else Allowed(ids)


def _choose(view: View, named: str | None) -> list[tuple[SpaceRecord, float]]:
    """Spaces with their weights. Raises UsageError."""
    if named is None or named in {space.name for space in view.spaces()}:
        return [(choose_space(view, named), 1.0)]
    chosen = []
    for name in named.split(","):
        weighted = WEIGHTED.fullmatch(name.strip())
        weight = float(weighted[1]) if weighted else 1.0
        if weight <= 0:
            raise UsageError(f"space {name.strip()} has weight {weight:g}; it must be above 0")
        chosen.append((choose_space(view, weighted[2] if weighted else name.strip()), weight))
    return chosen
