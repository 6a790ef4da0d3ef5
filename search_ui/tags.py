"""The tags that photos have, and tagging all of them by a list of labels."""

import streamlit as st

from indexer import Library
from search_ui import cards
from search_ui.job_panel import is_busy, try_start

__all__ = ["show_tags"]

SHOWN = 40
TITLE = "Tagging all photos"
LABELS = "labels"


def show_tags(library: Library) -> None:
    """The section of the library's page."""
    counts = library.all_tags()
    told = f"{len(counts):,} on photos; the most frequent:" if counts else "No photo has one yet."
    cards.show_section("Tags", told)
    if counts:
        cards.show_chips(dict(list(counts.items())[:SHOWN]))
    st.text_area(
        "Labels to look for, one a line",
        key=LABELS,
        placeholder="Empty: as the last time, at first Glimpse's own list.\n"
        "dog\nselfie = selfie, person with a camera",
        height=104,
    )
    st.button(
        "Tag all photos",
        icon=":material/sell:",
        on_click=_tag,
        disabled=is_busy() or not any(space.reads_text for space in library.status().spaces),
    )


def _tag() -> None:
    lines = [line for line in st.session_state[LABELS].splitlines() if line.strip()]
    try_start(TITLE, {"tag": lines or None})
