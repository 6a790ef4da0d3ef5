"""The files that were skipped, with the reasons: a table to search in."""

import os
from collections import Counter

import streamlit as st

from indexer import Library
from search_ui import cards
from search_ui.literal import readable, show_line

__all__ = ["show_skipped"]

HEIGHT = 420
REASONS = 5
"""Of the most frequent reasons, so many are told in words."""


@st.fragment
def show_skipped(library: Library) -> None:
    """The section; a search in it draws nothing else anew."""
    rows = [(readable(photo.path), photo.reason or "") for photo in library.errors()]
    if not rows:
        cards.show_section("Skipped files", "None: every file could be read.")
        return
    frequent = Counter(reason for _, reason in rows).most_common(REASONS)
    most = "; ".join(f"{reason} ({count:,})" for reason, count in frequent)
    cards.show_section("Skipped files", f"Most often: {most}")
    wanted = st.text_input(
        "Search in paths and reasons", key="skipped-words", type="search", placeholder="truncated"
    ).casefold()
    found = [row for row in rows if wanted in "\n".join(row).casefold()]
    show_line(f"{len(found):,} of {len(rows):,} files")
    # Its cells are drawn as plain text, and only those in view.
    st.dataframe(
        {
            "name": [os.path.basename(path) for path, _ in found],
            "reason": [reason for _, reason in found],
            "folder": [os.path.dirname(path) for path, _ in found],
        },
        hide_index=True,
        height=min(HEIGHT, 36 * (len(found) + 1) + 3),
        alt="Skipped files with reasons",
    )
