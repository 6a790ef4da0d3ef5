"""The search page, from top to bottom."""

from dataclasses import replace

import streamlit as st
from streamlit.runtime.uploaded_file_manager import UploadedFile

from indexer import Library
from indexer.errors import GlimpseError, PictureError
from indexer.results import SORTS
from search_ui import opened
from search_ui.address import EVERYTHING, Asked, asked, change
from search_ui.gallery import show_gallery
from search_ui.literal import readable, show_error, show_line, show_notice
from search_ui.questions import Page, Question, keep
from search_ui.search import acts, bar, chips, filters
from search_ui.search.facts import viewed

__all__ = ["page"]

FIRST = 24
"""Photos that come with the page; the browser asks for more of them as it is scrolled."""
SORT, AGE, RELEVANT = "sort", "age", "relevant"


def page() -> None:
    """Draw the page. What goes wrong is one line below the search bar, which stays."""
    wanted = asked()
    if wanted.q:
        st.set_page_config(f"{wanted.q} - Glimpse")
    try:
        _draw(opened.library(), wanted)
    except GlimpseError as error:
        show_error(str(error))


def _draw(library: Library, wanted: Asked) -> None:
    status = library.status()
    space = wanted.space or opened.space()
    filters.show(library, wanted.where, [str(root.path) for root in status.roots])
    upload = bar.ask(status, wanted, space)
    chips.show(library, wanted)
    question = Question(
        bar.build_query(wanted.q),
        wanted.where,
        space,
        wanted.sort,
        wanted.relevant,
        wanted.more,
        wanted.less,
        upload=upload.file_id if upload else "",
    )
    if not question.is_asked:
        bar.show_examples()
    with st.container(key="head", horizontal=True, vertical_alignment="center"):
        with st.empty():  # the spinner's place is then the line's
            question, answer = _answer(library, question, upload)
            show_line(_line(answer, question))
        if question.is_asked:
            _ask_order(wanted)
        elif answer.total > 1:
            _ask_age(wanted)
    acts.show_notice_once()
    for notice in answer.notices:
        show_notice(notice)
    if not answer.total:
        _explain(library, wanted)
    shown = None if wanted.photo is None else viewed(library, wanted.photo)
    show_gallery(answer, keep(question), shown, acts.act)


def _answer(
    library: Library, question: Question, upload: UploadedFile | None
) -> tuple[Question, Page]:
    """The question, with what the picture on the bar shows, and its answer."""
    try:
        with st.spinner("Searching…"):
            if upload:
                picture = bar.see(library, upload, question.space)
                question = replace(question, query=question.query + picture)
            return question, question.ask(library, FIRST)
    except PictureError as error:
        raise PictureError(f"the picture cannot be used: {error}; choose another") from error


def _line(answer: Page, question: Question) -> str:
    """How many there are, in words."""
    amount = "1 photo" if answer.total == 1 else f"{answer.total:,} photos"
    if not question.is_asked:
        return f"{amount}, the {'oldest' if question.sort == 'oldest' else 'newest'} first"
    known = answer.relevant is not None and answer.relevant < answer.total
    least = "at least " if answer.may_go_on else ""
    likely = f", {least}{answer.relevant:,} of them relevant" if known else ""
    return f"{amount}{likely}, {answer.took:.2f} s"


def _ask_order(wanted: Asked) -> None:
    st.session_state[SORT] = wanted.sort
    st.session_state[RELEVANT] = wanted.relevant or wanted.sort != SORTS[0]
    st.segmented_control(
        "Sort",
        SORTS,
        key=SORT,
        format_func=str.capitalize,
        label_visibility="collapsed",
        on_change=lambda: change(sort=st.session_state[SORT] or SORTS[0]),
        width="content",
    )
    st.toggle(
        "Only relevant",
        key=RELEVANT,
        on_change=lambda: change(relevant=st.session_state[RELEVANT]),
        disabled=wanted.sort != SORTS[0],
        help="By date, only what is relevant is shown" if wanted.sort != SORTS[0] else None,
        width="content",
    )


def _ask_age(wanted: Asked) -> None:
    """The order where nothing is asked; the newest first is as usual, and no part of the address."""
    st.session_state[AGE] = "oldest" if wanted.sort == "oldest" else "newest"
    st.segmented_control(
        "Sort",
        SORTS[1:],
        key=AGE,
        format_func=str.capitalize,
        label_visibility="collapsed",
        on_change=lambda: change(
            sort="oldest" if st.session_state[AGE] == "oldest" else SORTS[0], photo=None
        ),
        width="content",
    )


def _explain(library: Library, wanted: Asked) -> None:
    """Nothing is shown: why, and what to do about it."""
    for root in library.status().roots:
        if root.offline_reason:
            show_notice(
                f"{readable(root.path)} cannot be reached ({root.offline_reason}); its photos come back with it"
            )
    if not library.count():
        show_notice(
            "there are no photos here yet; add some with: glimpse build PATH, or on the page Library"
        )
        return
    show_notice("no photo passes; ask for less, or in other words")
    with st.container(horizontal=True):
        if wanted.where != EVERYTHING:
            st.button("Clear the filters", on_click=change, kwargs={"where": EVERYTHING})
        if wanted.relevant:
            st.button("Show all", on_click=change, kwargs={"relevant": False})
