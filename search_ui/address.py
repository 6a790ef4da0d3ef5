"""What is asked, kept in the page's address: a link, a reload and the Back button show the same."""

import re
from dataclasses import dataclass, field, fields, replace
from typing import Any

import streamlit as st

from indexer import Filter
from indexer.errors import UsageError
from indexer.results import SORTS, Sort
from search_ui.opened import config

__all__ = ["EVERYTHING", "MAX_WORDS", "Asked", "asked", "change", "parameters"]

MAX_WORDS = 1000
"""Characters of a query; an address takes no more than some thousands."""
EVERYTHING = Filter()

ID = re.compile(r"\d{1,18}")  # what SQLite can count to
NUMBERS = {"min_megapixels": float, "min_rating": int}
SEVERAL = ("tag", "without_tag")


@dataclass(frozen=True, slots=True)
class Asked:
    """The parameters of the address."""

    q: str = ""
    """Words or an expression."""
    space: str | None = None
    sort: Sort = "relevance"
    relevant: bool = False
    """Whether only photos that are likely or may be meant are shown."""
    more: tuple[int, ...] = ()
    """Photos that were marked: more like these."""
    less: tuple[int, ...] = ()
    photo: int | None = None
    """The photo that is open."""
    where: Filter = field(default=EVERYTHING)


def asked() -> Asked:
    """What the address says; what makes no sense in it is passed over."""
    given = st.query_params
    sort = next((each for each in SORTS if each == given.get("sort")), SORTS[0])
    return Asked(
        q=given.get("q", "").strip()[:MAX_WORDS] or _like(given.get("like")),
        space=given.get("space"),
        sort=sort,
        relevant=given.get("relevant") == "yes",
        more=_ids(given.get("more")),
        less=_ids(given.get("less")),
        photo=next(iter(_ids(given.get("photo"))), None),
        where=_filter(),
    )


def change(**values: Any) -> None:
    """Go to an address that differs from this one in fields of `Asked`; one step for the Back button."""
    wanted = replace(asked(), **values)
    st.query_params.from_dict(parameters(wanted))


def parameters(wanted: Asked) -> dict[str, str | list[str]]:
    """An address, without what is as usual."""
    filters = {each.name: getattr(wanted.where, each.name) for each in fields(Filter)}
    others = {each.name: getattr(wanted, each.name) for each in fields(Asked)[:-1]}
    return {
        name: _written(value)
        for name, value in (others | filters).items()
        if value and (name, value) != ("sort", SORTS[0])
    }


def _written(value: Any) -> str | list[str]:
    if value is True:
        return "yes"
    if not isinstance(value, tuple):
        return str(value)
    return list(value) if isinstance(value[0], str) else ",".join(map(str, value))


def _filter() -> Filter:
    """The filters of the address, each by itself, so that one that makes no sense takes no other with it."""
    where = EVERYTHING
    for each in fields(Filter):
        if each.name == "near" and not config().ui.places:
            continue  # whoever asks often enough would find the place
        try:
            where = replace(
                where, **{each.name: _read(each.name, st.query_params.get_all(each.name))}
            )
        except (UsageError, ValueError):
            continue
    return where


def _read(name: str, values: list[str]) -> Any:
    if name in SEVERAL:
        return tuple(value for value in values if value)
    value = values[-1].strip() if values else ""
    if name == "include_offline":
        return value == "yes"
    if name == "only":
        return _ids(value) or None
    return NUMBERS.get(name, str)(value) if value else None


def _like(text: str | None) -> str:
    """A link from before the query could say this itself."""
    return f"photo:{text}" if text and ID.fullmatch(text) else ""


def _ids(text: str | None) -> tuple[int, ...]:
    parts = (text or "").split(",")
    return tuple(int(part) for part in parts) if all(map(ID.fullmatch, parts)) else ()
