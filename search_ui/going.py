"""From the other pages to the search."""

from collections.abc import Sequence
from typing import Any

import streamlit as st
from streamlit.navigation.page import StreamlitPage

from search_ui import search
from search_ui.address import EVERYTHING, asked, change, parameters
from search_ui.search import acts

__all__ = ["MOST_IN_ADDRESS", "act", "search_among", "search_if_asked"]

MOST_IN_ADDRESS = 5_000
"""Photos by id; a server takes no address of over 64 kB."""


def act(what: dict[str, Any]) -> None:
    """Do what a gallery on another page was told; what asks something asks all photos."""
    if what.get("do") in ("like", "by", "region"):
        change(where=EVERYTHING)
    acts.act(what)


def search_if_asked() -> None:
    """Where the address asks something by now, the search answers it."""
    wanted = asked()
    if wanted.q or wanted.more:
        st.switch_page(_search(), query_params=parameters(wanted))


def search_among(ids: Sequence[int]) -> None:
    """Go to the search with these photos alone."""
    st.switch_page(_search(), query_params={"only": ",".join(map(str, ids))})


def _search() -> StreamlitPage:
    return st.Page(search.page, default=True)
