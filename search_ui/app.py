"""The page, from top to bottom. Streamlit runs this file at every step of a visitor."""

import time
from dataclasses import dataclass
from pathlib import Path

import streamlit as st

from indexer import Library, Photo, Query, State
from indexer.errors import GlimpseError
from search_ui import asking, viewer
from search_ui.address import asked, change
from search_ui.grid import show_grid
from search_ui.literal import show_error, show_line, show_notice
from search_ui.opened import library

PAGE = 24
"""Pictures shown at first, and more at a time."""


@dataclass(frozen=True, slots=True)
class Results:
    """What the grid shows: photos with their scores, and how many there are in all."""

    photos: list[tuple[Photo, float | None]]
    total: int
    line: str
    notices: tuple[str, ...] = ()


def draw(library: Library) -> None:
    """Draw the page as the address asks."""
    wanted = asked()
    upload = asking.ask(library, wanted)
    query = asking.build_query(wanted, upload)
    question = (wanted.q, wanted.like, wanted.space, upload.file_id if upload else None)
    if st.session_state.get("question") != question:
        st.session_state.question, st.session_state.count = question, PAGE
    if query.terms:
        results = search(library, query, wanted.space)
    else:
        asking.show_examples()
        results = newest(library)
    show_line(results.line)
    for notice in results.notices:
        show_notice(notice)
    show_grid(results.photos, on_open=lambda id: change(photo=id), on_like=asking.more_like)
    if len(results.photos) < results.total:
        st.button("Show more", on_click=show_more, width="stretch")
    if wanted.photo is not None:
        viewer.show(library, wanted.photo, results.photos)


def search(library: Library, query: Query, space: str | None) -> Results:
    """The photos nearest to the query."""
    started = time.perf_counter()
    with st.spinner("Searching…"):
        answer = library.search(query, st.session_state.count, space=space)
    took = time.perf_counter() - started
    photos = [(hit.photo, hit.score) for hit in answer]
    line = f"{amount(answer.total)}, {took:.2f} s"
    return Results(photos, answer.total, line, answer.notices)


def newest(library: Library) -> Results:
    """The photos that came last, for when nothing is asked."""
    total = sum(root.counts.get(State.PRESENT, 0) for root in library.status().roots)
    photos = library.newest(st.session_state.count)
    return Results([(photo, None) for photo in photos], total, f"{amount(total)}, the newest first")


def amount(photos: int) -> str:
    return "1 photo" if photos == 1 else f"{photos:,} photos"


def show_more() -> None:
    st.session_state.count += PAGE


def main() -> None:
    """Draw the page; what goes wrong is one line, and the search bar stays."""
    st.set_page_config(page_title="Glimpse", page_icon="🔎", layout="wide")
    st.html(Path(__file__).parent / "page.css")
    try:
        draw(library())
    except GlimpseError as error:
        show_error(str(error))


if __name__ == "__main__":  # as Streamlit runs it
    main()
