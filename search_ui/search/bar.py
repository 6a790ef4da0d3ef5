"""The search bar: words, a picture, the space; and the query that they make together."""

import secrets

import streamlit as st
from streamlit.runtime.uploaded_file_manager import UploadedFile

from indexer import Library, Query, Status
from search_ui.address import EVERYTHING, Asked, change
from search_ui.literal import show_line
from search_ui.opened import config
from search_ui.search.words import ask_words
from search_ui.sources import check_sources

__all__ = ["EXAMPLES", "ask", "build_query", "forget_upload", "see", "show_examples"]

EXAMPLES = ("a bird", "sunset by the sea", "something to eat", "kitten + snow - cat")
SPACE, UPLOADS, SEEN = "space", "uploads", "seen"
NOTHING = {"q": "", "more": (), "less": (), "photo": None}


def ask(status: Status, asked: Asked, space: str | None) -> UploadedFile | None:
    """Draw the bar as the address says; returns the picture that was dropped on it, or pasted."""
    with st.container(key="bar", horizontal=True, vertical_alignment="center"):
        st.button("Glimpse", key="home", type="tertiary", on_click=_go_home)
        ask_words(asked.q)
        upload = _ask_picture()
        _ask_space(status, space)
    return upload


def build_query(words: str) -> Query:
    """What the words say; no terms where there are none. Raises QueryError."""
    if not words:
        return Query()
    query = Query.parse(words)
    check_sources(query, config().ui.urls)
    return query


def see(library: Library, upload: UploadedFile, space: str | None) -> Query:
    """What the picture shows, looked at once; its bytes are kept by Streamlit alone. Raises PictureError."""
    name = library.space(space).name if space is None else space  # the default may change
    known, looked_at = st.session_state.get(SEEN), (upload.file_id, name)
    if known is None or known[0] != looked_at:
        query = library.seen(Query.image(upload.getvalue()), space=name)
        known = st.session_state[SEEN] = looked_at, query
    seen: Query = known[1]
    return seen


def forget_upload() -> None:
    """Take the picture off the bar: with the key it is forgotten, and Streamlit offers no other way."""
    st.session_state[UPLOADS] = secrets.token_hex(4)


def show_examples() -> None:
    """Queries to click, for somebody who sees the page for the first time."""
    with st.container(key="examples", horizontal=True, vertical_alignment="center"):
        show_line("Try")
        for example in EXAMPLES:
            st.button(example, on_click=change, kwargs={"q": example})


def _go_home() -> None:
    forget_upload()
    change(**NOTHING, where=EVERYTHING, sort="relevance", relevant=False)


def _ask_picture() -> UploadedFile | None:
    # A tab may outlive its session, which alone has the picture: of another session the place is another, and empty.
    key = f"picture-{st.session_state.setdefault(UPLOADS, secrets.token_hex(4))}"
    return st.file_uploader(
        "Search by a picture",
        type="image",
        key=key,
        label_visibility="collapsed",
        on_change=lambda: change(photo=None),
        width=240,
    )


def _ask_space(status: Status, wanted: str | None) -> None:
    if len(status.spaces) < 2:
        return
    choices = _choices(status, wanted)
    default = next((space.name for space in status.spaces if space.is_default), None)
    st.session_state[SPACE] = wanted if wanted in choices else default
    st.selectbox(
        "Space",
        list(choices),
        key=SPACE,
        format_func=choices.__getitem__,
        label_visibility="collapsed",
        on_change=lambda: change(space=st.session_state[SPACE]),
        width=200,
    )


def _choices(status: Status, wanted: str | None) -> dict[str, str]:
    """Spaces, and pairs of one that reads words and one that knows likeness better, each with how it is called."""
    readers = [space.name for space in status.spaces if space.reads_text]
    others = [space.name for space in status.spaces if not space.reads_text]
    choices = {name: name for name in readers} | {
        name: f"{name} (pictures only)" for name in others
    }
    choices |= {f"{one},{other}": f"{one} with {other}" for one in readers for other in others}
    return choices | (
        {wanted: wanted} if wanted and "," in wanted and wanted not in choices else {}
    )
