"""The pages and the way between them. Streamlit runs this file at each step of a visitor."""

from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

import streamlit as st
from streamlit.navigation.page import StreamlitPage

from search_ui import search

PAGES = {
    "Duplicates": ("duplicates", ":material/filter_none:"),
    "Map": ("map", ":material/bubble_chart:"),
    "Library": ("library", ":material/photo_library:"),
}
"""Beside the search: title, address and icon."""


def main() -> None:
    """Draw the page that the address names."""
    st.set_page_config("Glimpse", "🔎", layout="wide")
    st.html(Path(__file__).with_name("page.css"))
    first = st.Page(search.page, title="Search", icon=":material/search:", default=True)
    st.navigation([first, *_others()], position="top").run()


def _others() -> list[StreamlitPage]:
    modules = {title: f"search_ui.{path}_page" for title, (path, _) in PAGES.items()}
    return [
        st.Page(import_module(modules[title]).page, title=title, icon=icon, url_path=path)
        for title, (path, icon) in PAGES.items()
        if find_spec(modules[title])
    ]


if __name__ == "__main__":  # as Streamlit runs it
    main()
