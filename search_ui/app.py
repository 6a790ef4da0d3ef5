"""The page, from top to bottom. Streamlit runs this file at every step of a visitor."""

import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import streamlit as st

from indexer import Library, Photo
from indexer.errors import GlimpseError
from search_ui import asking, viewer
from search_ui.address import Asked, asked, change
from search_ui.grid import show_grid
from search_ui.literal import show_error, show_line, show_notice
from search_ui.opened import library

PAGE = 24
"""Pictures shown at first, and more at a time."""


@dataclass(frozen=True, slots=True)
class Shown:
    """What the grid shows."""

    photos: list[tuple[Photo, float | None]]
    total: int
    line: str
    """How many there are, in words."""
    notices: Iterable[str] = ()


def main() -> None:
    """Draw the page."""
    st.set_page_config(page_title="Glimpse", page_icon="🔎", layout="wide")
    st.html(Path(__file__).parent / "page.css")
    try:
        _draw(library(), asked())
    except GlimpseError as error:
        show_error(str(error))


def _draw(library: Library, wanted: Asked) -> None:
    question = asking.show(library, wanted)
    count = _count(str(question))
    shown = _results(library, question, count) if question.terms else _newest(library, count)
    show_line(shown.line)
    for notice in shown.notices:
        show_notice(notice)
    show_grid(
        shown.photos,
        on_open=lambda id: change(photo=id),
        on_like=lambda id: asking.more_like(id),
    )
    if len(shown.photos) < shown.total:
        st.button("Show more", on_click=_show_more, width="stretch")
    if wanted.photo is not None:
        viewer.show(library, wanted.photo, shown.photos)


def _results(library, question, count) -> Shown:
    started = time.perf_counter()
    with st.spinner("Searching…"):
        answer = library.search(question.query, count, space=question.space)
    took = time.perf_counter() - started
    line = f"{_photos(answer.total)}, the nearest first, {took:.2f} s"
    return Shown([(hit.photo, hit.score) for hit in answer], answer.total, line, answer.notices)


main()
