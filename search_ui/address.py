"""What is asked, kept in the page's address: a link, a reload and the Back button show the same."""

import re
from dataclasses import asdict, dataclass, replace

import streamlit as st

__all__ = ["MAX_WORDS", "Asked", "asked", "change"]

MAX_WORDS = 1000
"""Characters of a query; an address takes no more than some thousands."""

ID = re.compile(r"\d{1,18}")  # what SQLite can count to


@dataclass(frozen=True, slots=True)
class Asked:
    """The parameters of the address."""

    q: str = ""
    """Words or an expression."""
    like: int | None = None
    """The photo to find more of."""
    space: str | None = None
    photo: int | None = None
    """The photo that is open."""


def asked() -> Asked:
    """What the address says; what makes no sense in it is passed over."""
    given = st.query_params
    return Asked(
        given.get("q", "").strip()[:MAX_WORDS],
        _id(given.get("like")),
        given.get("space"),
        _id(given.get("photo")),
    )


def change(**values: str | int | None) -> None:
    """Go to an address that differs from this one; one step for the Back button."""
    wanted = asdict(replace(asked(), **values))  # type: ignore[arg-type]
    st.query_params.from_dict({name: str(value) for name, value in wanted.items() if value})


def _id(text: str | None) -> int | None:
    return int(text) if text and ID.fullmatch(text) else None
