"""The one library that the page shows, opened once for all its visitors."""

from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import streamlit as st

from indexer import Config, Library
from indexer.errors import GlimpseError

__all__ = ["arguments", "choose", "config", "library", "space", "warm_up"]


@dataclass(slots=True)
class Choice:
    """What the command was told; None stands for what `Library.open` takes by default."""

    folder: Path | None = None
    config: Path | None = None
    space: str | None = None


_choice = Choice()


def choose(folder: Path | None, config: Path | None, space: str | None = None) -> None:
    """Say which library, with which settings and space, before the page is first drawn."""
    _choice.folder, _choice.config, _choice.space = folder, config, space


@st.cache_resource(show_spinner=False)
def library() -> Library:
    """The library, which any number of threads may read. Raises GlimpseError, and then tries anew."""
    return Library.open(_choice.folder, config=config())


def config() -> Config:
    """The settings, as the file has them now. Raises ConfigError."""
    return Config.load(_choice.config)


def arguments() -> list[str]:
    """The same choice for another process of ours, as options."""
    return [
        f"--library={library().folder}",
        *([f"--config={_choice.config}"] if _choice.config else []),
    ]


def space() -> str | None:
    """The space to ask where the address names none; None stands for the library's default."""
    return _choice.space


def warm_up() -> None:
    """Ask what every visitor's first pages ask, so that it is known by then; what goes wrong the page will tell."""
    with suppress(GlimpseError):
        found = library()
        found.status()
        found.browse(1)
        found.count()
        found.facets()
        found.search("a photo", 1, space=space())
