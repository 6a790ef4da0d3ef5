"""Text from outside, shown as it is written.

Streamlit reads labels, captions and messages as Markdown, in which a file's name could become a link,
an emoji, a formula or a picture fetched from elsewhere, and no escaping undoes all of it. So such text never goes
there: it goes through here as escaped HTML, or to the grid, which sets it as text.
"""

import html
import os
import re
from pathlib import Path
from typing import Literal

import streamlit as st

__all__ = [
    "readable",
    "show_error",
    "show_line",
    "show_notice",
]


WORD = re.compile(r"[a-z]+(?=[\s,;]|:\s|$)")


def readable(path: str | Path) -> str:
    """A path as text that can be sent; bytes that are no UTF-8 become replacement characters."""
    return os.fsencode(path).decode("utf-8", "replace")


def show_error(message: str) -> None:
    """One line that says what went wrong and what to do; read out at once by a screen reader."""
    _show("div", _begun(message), 'class="glimpse-error" role="alert"')


def show_notice(message: str) -> None:
    """One line that is good to know."""
    _show("div", _begun(message), 'class="glimpse-notice" role="status"')


def show_line(text: str) -> None:
    """A quiet line."""
    _show("p", text, 'class="glimpse-line"', width="content")


def _begun(message: str) -> str:
    """The library's messages begin like the command's, in lower case; a path or a name stays as it is."""
    return message[0].upper() + message[1:] if WORD.match(message) else message


def _show(
    tag: str, text: str, attributes: str, width: Literal["stretch", "content"] = "stretch"
) -> None:
    st.html(f"<{tag} {attributes}>{html.escape(text)}</{tag}>", width=width)
