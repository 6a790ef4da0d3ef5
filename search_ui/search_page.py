"""The search page, from top to bottom."""

import time
from dataclasses import dataclass, replace

import streamlit as st

from indexer import Library, Query, State, Status
from indexer.errors import GlimpseError, PictureError
from search_ui import asking, opened, viewer
from search_ui.address import Asked, asked, change
from search_ui.grid import Scored, show_grid
from search_ui.literal import readable, show_error, show_line, show_notice

PAGE = 24
"""Photos shown at first, and more at a time."""
QUESTION, COUNT = "question", "count"


@dataclass(frozen=True, slots=True)
class Results:
    """What the grid shows."""

    photos: list[Scored]
    total: int
    line: str
    """How many there are, in words."""
    notices: tuple[str, ...] = ()


def page() -> None:
    """Draw the page. What goes wrong is one line below the search bar, which stays."""
    wanted = asked()
    wanted = replace(wanted, space=wanted.space or opened.space())
    st.set_page_config(f"{wanted.q} - Glimpse" if wanted.q else "Glimpse", "🔎", layout="wide")
    try:
        draw(opened.library(), wanted)
    except GlimpseError as error:
        show_error(str(error))


def draw(library: Library, wanted: Asked) -> None:
    """Draw the search bar, the answer, and the photo that is open."""
    status = library.status()
    upload = asking.ask(library, status, wanted)
    query = asking.build_query(wanted, upload)
    count = _count(wanted, upload.file_id if upload else None)
    if not query.terms:
        asking.show_examples()
    with st.empty():  # the spinner's place is then the line's
        results = (
            _search(library, query, count, wanted.space)
            if query.terms
            else _newest(library, status, count)
        )
        show_line(results.line)
    for notice in results.notices:
        show_notice(notice)
    show_grid(results.photos, on_open=_open, on_like=asking.more_like)
    if len(results.photos) < results.total:
        st.button("Show more", on_click=_show_more, width="stretch")
    if wanted.photo is not None:
        viewer.show(library, wanted.photo, results.photos)


def _search(library: Library, query: Query, count: int, space: str | None) -> Results:
    started = time.perf_counter()
    try:
        with st.spinner("Searching…"):
            answer = library.search(query, count, space=space)
    except PictureError as error:
        raise PictureError(f"the picture cannot be used: {error}; choose another") from error
    took = time.perf_counter() - started
    photos: list[Scored] = [(hit.photo, hit.score) for hit in answer]
    return Results(photos, answer.total, f"{_amount(answer.total)}, {took:.2f} s", answer.notices)


def _newest(library: Library, status: Status, count: int) -> Results:
    """For when nothing is asked."""
    total = sum(root.counts.get(State.PRESENT, 0) for root in status.roots)
    photos: list[Scored] = [(photo, None) for photo in library.newest(count)]
    notices = [
        f"{readable(root.path)} cannot be reached ({root.offline_reason}); its photos come back with it"
        for root in status.roots
        if root.offline_reason
    ]
    if not total:
        notices.append("there are no photos here yet; add some with: glimpse build PATH")
    return Results(photos, total, f"{_amount(total)}, the newest first", tuple(notices))


def _amount(photos: int) -> str:
    return "1 photo" if photos == 1 else f"{photos:,} photos"


def _count(wanted: Asked, upload: str | None) -> int:
    """How many photos to show: a page of them, until a visitor asked for more of this question."""
    question = (wanted.q, wanted.like, wanted.space, upload)
    if st.session_state.get(QUESTION) != question:
        st.session_state[QUESTION], st.session_state[COUNT] = question, PAGE
    return int(st.session_state[COUNT])


def _open(photo_id: int) -> None:
    change(photo=photo_id)


def _show_more() -> None:
    st.session_state[COUNT] += PAGE
