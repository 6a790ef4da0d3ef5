"""The search bar: words, a picture, the space; and the query that they make together."""

from contextlib import suppress

import streamlit as st
from streamlit.runtime.uploaded_file_manager import UploadedFile

from indexer import Library, Query, Status
from indexer.errors import QueryError
from search_ui.address import MAX_WORDS, Asked, change
from search_ui.literal import readable, show_likeness, show_line
from search_ui.opened import config
from search_ui.pictures import EDGES, address
from search_ui.sources import check_sources

__all__ = ["EXAMPLES", "ask", "build_query", "go_home", "more_like", "show_examples"]

EXAMPLES = ("a bird", "sunset by the sea", "something to eat", "kitten + snow - cat")
WORDS, SPACE, UPLOADS = "words", "space", "uploads"


def ask(library: Library, status: Status, asked: Asked) -> UploadedFile | None:
    """Draw the bar as the address says; returns the picture that was dropped on it."""
    with st.container(key="bar", horizontal=True, vertical_alignment="center"):
        st.button("Glimpse", key="home", type="tertiary", on_click=go_home)
        _ask_words(asked)
        upload = _ask_picture()
        _ask_space(status, asked)
    if asked.like is not None:
        _show_likeness(library, asked.like)
    return upload


def build_query(asked: Asked, upload: UploadedFile | None) -> Query:
    """Words, likeness and upload added up; no terms when nothing is asked. Raises QueryError."""
    query = Query()
    if asked.q:
        query += Query.parse(asked.q)
        check_sources(query, config().ui.urls)
    if asked.like is not None:
        query += Query.photo(asked.like)
    if upload is not None:
        query += Query.image(upload.getvalue())
    return query


def more_like(photo_id: int) -> None:
    """Ask for photos like one of the library, and for nothing else."""
    _forget_upload()
    change(q="", like=photo_id, photo=None)


def go_home() -> None:
    """Ask for nothing."""
    _forget_upload()
    change(q="", like=None, photo=None)


def show_examples() -> None:
    """Queries to click, for somebody who sees the page for the first time."""
    with st.container(key="examples", horizontal=True, vertical_alignment="center"):
        show_line("Try")
        for example in EXAMPLES:
            st.button(example, on_click=change, kwargs={"q": example})


def _ask_words(asked: Asked) -> None:
    st.session_state[WORDS] = asked.q  # the address is what holds; Back changes it alone
    st.text_input(
        "Search",
        key=WORDS,
        type="search",
        placeholder='Try "two dogs on a beach", or "kitten + snow - cat"',
        max_chars=MAX_WORDS,
        label_visibility="collapsed",
        on_change=lambda: change(q=st.session_state[WORDS].strip(), photo=None),
    )


def _ask_picture() -> UploadedFile | None:
    """The key changes when a picture is to be forgotten: Streamlit offers no other way."""
    key = f"picture-{st.session_state.setdefault(UPLOADS, 0)}"
    return st.file_uploader(
        "Search by a picture",
        type="image",
        key=key,
        label_visibility="collapsed",
        on_change=lambda: change(like=None, photo=None),
        width=240,
    )


def _forget_upload() -> None:
    st.session_state[UPLOADS] = st.session_state.get(UPLOADS, 0) + 1


def _ask_space(status: Status, asked: Asked) -> None:
    if len(status.spaces) < 2:
        return
    known = {space.name: space for space in status.spaces}
    default = next((name for name, space in known.items() if space.is_default), None)
    st.session_state[SPACE] = asked.space if asked.space in known else default
    st.selectbox(
        "Space",
        list(known),
        key=SPACE,
        format_func=lambda name: name if known[name].reads_text else f"{name} (pictures only)",
        label_visibility="collapsed",
        on_change=lambda: change(space=st.session_state[SPACE]),
        width=200,
    )


def _show_likeness(library: Library, photo_id: int) -> None:
    with st.container(key="likeness", horizontal=True, vertical_alignment="center"):
        with suppress(QueryError):  # the search says so, and the button is the way out
            photo = library.photo(photo_id)
            show_likeness(address(photo, EDGES[0]), readable(photo.path.name))
        st.button(
            "Remove the picture", icon=":material/close:", on_click=change, kwargs={"like": None}
        )
