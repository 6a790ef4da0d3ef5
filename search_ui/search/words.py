"""The field for words: photos are found as one types, and the address tells what is asked."""

from pathlib import Path
from typing import Any

import streamlit as st

from indexer import Query
from indexer.errors import QueryError
from search_ui import hearing
from search_ui.address import MAX_WORDS, change

__all__ = ["ask_words"]

KEY = "words"
HEARD = "heard"
"""The number of the last thing that this field told, so that it knows what has arrived."""
HERE = Path(__file__).parent
HINT = 'Try "two dogs on a beach", or "kitten + snow - cat"'

_words = st.components.v2.component(
    "glimpse.words",
    html=f'<input type="search" aria-label="Search" maxlength="{MAX_WORDS}" autocomplete="off" spellcheck="false">',
    css=(HERE / "words.css").read_text(encoding="utf-8"),
    js=(HERE / "words.js").read_text(encoding="utf-8"),
)


def ask_words(words: str) -> None:
    """Draw the field with the words of the address, unless it is being typed in."""
    data = {"q": words, "heard": st.session_state.get(HEARD, 0), "hint": HINT}
    hearing.draw(_words, KEY, data, told=_take)


def _take(told: dict[str, Any]) -> None:
    """What is still being typed may make no sense yet, and then what was asked before stays."""
    st.session_state[HEARD] = told.get("number")
    words = str(told.get("words", ""))[:MAX_WORDS].strip()
    if told.get("finished") or _makes_sense(words):
        change(q=words, more=(), less=(), photo=None)


def _makes_sense(words: str) -> bool:
    """Whether all of it is words by now; half an address is not to be fetched."""
    try:
        return not words or all(hasattr(term.what, "words") for term in Query.parse(words).terms)
    except QueryError:
        return False
