"""The map: photos that look alike lie close together; a region or a cluster of them is chosen, shown and searched."""

from dataclasses import dataclass, replace

import streamlit as st

from indexer import Filter, Library, Query
from indexer.errors import GlimpseError
from indexer.kept import Kept
from search_ui import cards, going, opened
from search_ui.address import EVERYTHING, asked, change
from search_ui.atlas.chart import Points, points, show_chart
from search_ui.gallery import show_gallery
from search_ui.literal import show_error, show_line, show_notice
from search_ui.questions import Question, keep
from search_ui.search.facts import viewed
from search_ui.tasks.job_panel import do_first

__all__ = ["page"]

FIRST = 24
"""Photos that come with the page; the browser asks for more of them as it is scrolled."""
TITLE = "Drawing the map"
CHOSEN = "map-chosen"
"""What was chosen, where it is too much for an address."""


@dataclass(frozen=True, slots=True)
class _Drawn:
    """A map as the page shows it."""

    photos: int
    clusters: int
    points: Points


_drawn = Kept(2)


class _UndrawnError(Exception):
    """The map is still to be drawn, which takes long."""


def page() -> None:
    """Draw the page; what goes wrong is one line."""
    going.search_if_asked()
    cards.show_style()
    try:
        _draw(opened.library())
    except GlimpseError as error:
        cards.show_title("Map")
        show_error(str(error))


def _draw(library: Library) -> None:
    space = asked().space or opened.space()
    try:
        drawn = _drawn.get(library.point(), space, lambda: _lay_out(library, space))
    except _UndrawnError:
        cards.show_title("Map")
        do_first(TITLE, {"map": space})
        return
    if not drawn.photos:
        cards.show_title("Map")
        show_notice("there are no photos to draw yet; add a folder on the page Library")
        return
    _show(library, drawn)


def _lay_out(library: Library, space: str | None) -> "_Drawn":
    chart = library.map(space, on_step=_refuse)
    known = {photo.id: photo for photo in library.photos(Filter(include_offline=True))}
    photos = [known[id] for id in chart.ids.tolist()]
    return _Drawn(len(photos), len(chart.clusters), points(chart, photos))


def _refuse(*_: object) -> None:
    raise _UndrawnError


def _show(library: Library, drawn: "_Drawn") -> None:
    wanted = asked()
    chosen = wanted.where.only or tuple(st.session_state.get(CHOSEN, ()))
    cards.show_title(
        "Map",
        f"{drawn.photos:,} photos in {drawn.clusters:,} groups; what looks alike lies close together.",
    )
    show_chart(drawn.points, chosen, _open, _choose)
    if chosen:
        _show_chosen(chosen)
    seen = chosen or ((wanted.photo,) if wanted.photo else ())
    if not seen:
        return
    question = Question(Query(), replace(EVERYTHING, only=seen))
    shown = None if wanted.photo is None else viewed(library, wanted.photo)
    show_gallery(question.ask(library, FIRST), keep(question), shown, going.act)


def _show_chosen(chosen: tuple[int, ...]) -> None:
    with st.container(key="chosen", horizontal=True, vertical_alignment="center"):
        show_line("1 photo chosen" if len(chosen) == 1 else f"{len(chosen):,} photos chosen")
        few = len(chosen) <= going.MOST_IN_ADDRESS
        if st.button("Search among these", icon=":material/search:", disabled=not few):
            going.search_among(chosen)
        st.button("Clear", on_click=_choose, args=([],))
        if not few:
            show_line(f"at most {going.MOST_IN_ADDRESS:,} can be searched by themselves")


def _open(photo_id: int) -> None:
    change(photo=photo_id)


def _choose(ids: list[int]) -> None:
    few = len(ids) <= going.MOST_IN_ADDRESS
    st.session_state[CHOSEN] = [] if few else ids
    change(where=replace(EVERYTHING, only=tuple(ids) if few and ids else None), photo=None)
