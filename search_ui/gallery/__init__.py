"""The gallery: a grid of photos to scroll, select and open, drawn in the browser."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import streamlit as st

from search_ui import hearing
from search_ui.exporting import LARGEST_ZIP
from search_ui.questions import Page

__all__ = ["show_gallery"]

KEY, RENEWED = "gallery", "renewed"
HERE = Path(__file__).parent
SCRIPTS = (
    "tile",
    "layout",
    "paste",
    "selection",
    "region",
    "zoom",
    "details",
    "viewer",
    "trail",
    "gallery",
)
"""In this order they make one script, since a component takes but one."""
SHEETS = ("grid", "bar", "viewer")
MARKUP = """
<div class="gallery">
  <ul></ul>
  <button class="more" type="button">Show more</button>
  <div class="bar" role="toolbar" aria-label="Selected photos" hidden></div>
  <dialog class="viewer"></dialog>
</div>
"""


def _joined(names: tuple[str, ...], ending: str) -> str:
    return "\n".join((HERE / f"{name}.{ending}").read_text(encoding="utf-8") for name in names)


_gallery = st.components.v2.component(
    "glimpse.gallery", html=MARKUP, css=_joined(SHEETS, "css"), js=_joined(SCRIPTS, "js")
)


def show_gallery(
    page: Page,
    token: str,
    viewed: dict[str, Any] | None,
    on_act: Callable[[dict[str, Any]], None],
) -> None:
    """Draw the first photos of an answer; the browser asks for the others by the question's token.

    `viewed` is what is told of the photo that is open. `on_act` gets what a visitor wants done: a word under
    "do", the ids of photos, and what the deed needs besides.
    """
    data = {
        "token": token,
        "total": page.total,
        "photos": page.photos,
        "relevant": page.relevant,
        "viewer": viewed,
        "largest": LARGEST_ZIP,
        "renewed": st.session_state.get(RENEWED, 0),
    }
    hearing.draw(_gallery, KEY, data, act=lambda what: _take(what, on_act))


def _take(what: dict[str, Any], on_act: Callable[[dict[str, Any]], None]) -> None:
    if what.get("do") == "renew":  # whatever is drawn is known to the server again
        st.session_state[RENEWED] = what.get("number")
    else:
        on_act(what)
