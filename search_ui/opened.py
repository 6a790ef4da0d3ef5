"""The one library that the page shows, opened once for all its visitors."""

from pathlib import Path

import streamlit as st

from indexer import Config, Library

__all__ = ["choose", "library"]

_chosen: dict[str, Path | None] = {"folder": None, "config": None}


def choose(folder: Path | None, config: Path | None) -> None:
    """Say which library and which settings; None stands for what `Library.open` takes by default."""
    _chosen.update(folder=folder, config=config)


@st.cache_resource(show_spinner=False)
def library() -> Library:
    """The library, which any number of threads may read. Raises GlimpseError, and then tries anew."""
    return Library.open(_chosen["folder"], config=Config.load(_chosen["config"]))
