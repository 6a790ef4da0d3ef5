"""The parts of the question, each with its weight and a way to take it out."""

from contextlib import suppress
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import streamlit as st

from indexer import Filter, Library, Query
from indexer.errors import QueryError
from search_ui import hearing
from search_ui.address import EVERYTHING, Asked, asked, change
from search_ui.literal import readable
from search_ui.pictures import EDGES, address

__all__ = ["show", "step"]

KEY = "chips"
HERE = Path(__file__).parent
WEIGHTS = (-3.0, -2.0, -1.5, -1.0, -0.5, 0.5, 1.0, 1.5, 2.0, 3.0)
"""What minus and plus go through; below nothing stands less of it."""
WORDS = {
    "after": "from {}",
    "before": "before {}",
    "near": "near {}",
    "min_size": "at least {}",
    "max_size": "at most {}",
    "min_megapixels": "at least {:g} megapixels",
    "min_rating": "at least {} stars",
    "path": "path with {}",
    "tag": "tag {}",
    "without_tag": "not tag {}",
    "include_offline": "also offline",
    "only": "a choice of photos",
}

_chips = st.components.v2.component(
    "glimpse.chips",
    html='<ul aria-label="Parts of the search"></ul>',
    css=(HERE / "chips.css").read_text(encoding="utf-8"),
    js=(HERE / "chips.js").read_text(encoding="utf-8"),
)


def show(library: Library, wanted: Asked) -> None:
    """Draw the chips, where there is more to tell than the words in the bar."""
    parts = [*_terms(library, wanted.q), *_marks(library, wanted), *_filters(wanted.where)]
    if parts:
        hearing.draw(_chips, KEY, {"chips": parts}, change=_change)


def step(weight: float, up: bool) -> float:
    """The next weight up or down."""
    if up:
        return next((each for each in WEIGHTS if each > weight), weight)
    return next((each for each in reversed(WEIGHTS) if each < weight), weight)


def _change(what: dict[str, Any]) -> None:
    kind, part = what.get("kind"), what.get("part")
    if kind == "term":
        _change_term(int(part or 0), str(what.get("do")))
    elif kind in ("more", "less"):
        change(**{kind: tuple(id for id in getattr(asked(), kind) if id != part)})
    elif kind == "filter":
        name, _, value = str(part).partition("=")
        change(where=_without(asked().where, name, value))


def _change_term(index: int, do: str) -> None:
    terms = list(Query.parse(asked().q).terms)
    if index >= len(terms):  # of a page that was drawn before the last step
        return
    term = terms.pop(index)
    if do != "remove":
        terms.insert(index, replace(term, weight=step(term.weight, up=do == "up")))
    change(q=str(Query(tuple(terms))), photo=None)


def _without(where: Filter, name: str, value: str) -> Filter:
    kept: Any = getattr(where, name)
    if isinstance(kept, tuple) and value:
        rest: Any = tuple(each for each in kept if each != value)
        return replace(where, **{name: rest})
    return replace(where, **{name: getattr(EVERYTHING, name)})


def _terms(library: Library, words: str) -> list[dict[str, Any]]:
    """None for plain words, which stand in the bar; a query that cannot be read is told by the search."""
    try:
        terms = Query.parse(words).terms if words else ()
    except QueryError:
        return []
    chips = [
        {"kind": "term", "part": index, "weight": term.weight, **_named(library, term.what)}
        for index, term in enumerate(terms)
    ]
    plain = len(chips) == 1 and "src" not in chips[0] and chips[0]["weight"] == 1
    return [] if plain else chips


def _named(library: Library, what: Any) -> dict[str, Any]:
    id = getattr(what, "photo_id", None)
    if id is None:
        return {"text": getattr(what, "words", None) or str(what)}
    named = _photo(library, id)
    region = getattr(what, "region", None)
    return named | ({"text": f"a part of {named['text']}", "region": region} if region else {})


def _photo(library: Library, id: int) -> dict[str, Any]:
    with suppress(QueryError):  # the search says so, and the chip is the way out
        photo = library.photo(id)
        return {"text": readable(photo.path.name), "src": address(photo, EDGES[0])}
    return {"text": f"photo {id}", "src": ""}


def _marks(library: Library, wanted: Asked) -> list[dict[str, Any]]:
    return [
        {"kind": side, "part": id, "sign": side, **_photo(library, id)}
        for side in ("more", "less")
        for id in getattr(wanted, side)
    ]


def _filters(where: Filter) -> list[dict[str, Any]]:
    chips = []
    for name in (each.name for each in fields(Filter)):
        value = getattr(where, name)
        if value in (None, (), False):
            continue
        values = value if isinstance(value, tuple) and name != "only" else (value,)
        chips += [
            {"kind": "filter", "part": f"{name}={each}", "text": WORDS.get(name, "{}").format(each)}
            for each in values
        ]
    return chips
