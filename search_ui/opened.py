"""The one library that the page shows, opened once for all its visitors."""

from dataclasses import dataclass
from pathlib import Path

import streamlit as st

from indexer import Config, Library

__all__ = ["choose", "library"]


@dataclass(slots=True)
class Choice:
    """What the command was told; None stands for what `Library.open` takes by default."""

    folder: Path | None = None
    config: Path | None = None


_choice = Choice()


def choose(folder: Path | None, config: Path | None) -> None:
    """Say which library, and with which settings, before the page is first drawn."""
    _choice.folder, _choice.config = folder, config


@st.cache_resource(show_spinner=False)
def library() -> Library:
    """The library, which any number of threads may read. Raises GlimpseError, and then tries anew."""
    return Library.open(_choice.folder, config=Config.load(_choice.config))
