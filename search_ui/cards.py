"""Blocks that the pages beside the search are made of; what is written in them is shown as it is."""

import html
from collections.abc import Mapping, Sequence
from pathlib import Path

import streamlit as st

__all__ = [
    "card",
    "show_card",
    "show_chips",
    "show_figures",
    "show_progress",
    "show_section",
    "show_strip",
    "show_style",
    "show_title",
]

IN_STRIP = 6
"""Pictures; where there are more, a number says so."""


def show_style() -> None:
    """The style sheet of these blocks."""
    st.html(Path(__file__).with_name("cards.css"))


def show_title(text: str, line: str = "") -> None:
    """The page's own heading, and a quiet line below it."""
    below = f'<p class="glimpse-line">{html.escape(line)}</p>' if line else ""
    st.html(f'<h1 class="glimpse-title">{html.escape(text)}</h1>{below}')


def show_section(text: str, line: str = "") -> None:
    """A heading, and a quiet line below that says what is there."""
    below = f'<p class="glimpse-line">{html.escape(line)}</p>' if line else ""
    st.html(f'<h2 class="glimpse-section">{html.escape(text)}</h2>{below}')


def show_figures(figures: Mapping[str, str]) -> None:
    """Numbers that are to be seen at a glance, each with what it counts."""
    tiles = "".join(
        f"<div><dd>{html.escape(number)}</dd><dt>{html.escape(what)}</dt></div>"
        for what, number in figures.items()
    )
    st.html(f'<dl class="glimpse-figures">{tiles}</dl>')


def show_card(
    heading: str, facts: Sequence[str], warning: str | None = None, mark: str = ""
) -> None:
    """What is known of one thing: its name, facts beside one another, and what is wrong with it."""
    badge = f'<span class="glimpse-mark">{html.escape(mark)}</span>' if mark else ""
    told = " · ".join(html.escape(fact) for fact in facts)
    wrong = f'<p class="glimpse-warning">{html.escape(warning)}</p>' if warning else ""
    st.html(
        f'<div class="glimpse-card"><h3><bdi>{html.escape(heading)}</bdi>{badge}</h3>'
        f"<p>{told}</p>{wrong}</div>"
    )


def show_chips(counts: Mapping[str, int]) -> None:
    """Words, each with a number."""
    chips = "".join(
        f"<li><bdi>{html.escape(word)}</bdi> <span>{count:,}</span></li>"
        for word, count in counts.items()
    )
    st.html(f'<ul class="glimpse-chips">{chips}</ul>')


def show_strip(pictures: Sequence[tuple[str, str]], line: str, below: Sequence[str]) -> None:
    """Small pictures, each by its address and name, with a line and quieter ones below."""
    images = "".join(
        f'<img src="{html.escape(src)}" alt="{html.escape(name)}" title="{html.escape(name)}" loading="lazy">'
        for src, name in pictures[:IN_STRIP]
    )
    more = f"<span>+{len(pictures) - IN_STRIP:,}</span>" if len(pictures) > IN_STRIP else ""
    quiet = "".join(f"<p><bdi>{html.escape(text)}</bdi></p>" for text in below[:IN_STRIP])
    st.html(
        f'<div class="glimpse-strip"><div>{images}{more}</div>'
        f'<div class="glimpse-card"><h3>{html.escape(line)}</h3>{quiet}</div></div>'
    )


def card(key: str) -> "st.delta_generator.DeltaGenerator":
    """A frame for one thing and the buttons for it."""
    return st.container(
        border=True,
        key=key,
        horizontal=True,
        vertical_alignment="center",
        horizontal_alignment="distribute",
    )


def show_progress(name: str, done: int, total: int) -> None:
    """A bar; one that runs to and fro while nobody knows the total."""
    known = f'value="{done}" max="{total}"' if total else ""
    st.html(
        f'<progress class="glimpse-progress" aria-label="{html.escape(name)}" {known}></progress>'
    )
