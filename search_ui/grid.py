"""The grid of results: pictures to open, and to find more like."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import streamlit as st

from indexer import Photo
from search_ui.literal import readable
from search_ui.pictures import EDGES, address

__all__ = ["Scored", "show_grid"]

Scored = tuple[Photo, float | None]
"""A photo and its score, None where nothing was asked."""

KEY = "grid"
HERE = Path(__file__).parent
NARROWEST, WIDEST = 0.6, 2.4
"""Width by height; what is beyond is cropped, or a panorama would leave no room for others."""

_grid = st.components.v2.component(
    "glimpse.grid",
    html="<ul></ul>",
    css=(HERE / "grid.css").read_text(encoding="utf-8"),
    js=(HERE / "grid.js").read_text(encoding="utf-8"),
)


def show_grid(
    photos: Sequence[Scored],
    on_open: Callable[[int], None],
    on_like: Callable[[int], None],
) -> None:
    """Draw photos; the callbacks get the id of the photo that is clicked."""
    _grid(
        key=KEY,
        data={"photos": [_item(photo, score) for photo, score in photos]},
        on_open_change=lambda: on_open(st.session_state[KEY].open),
        on_like_change=lambda: on_like(st.session_state[KEY].like),
    )


def _item(photo: Photo, score: float | None) -> dict[str, Any]:
    small, large = (address(photo, edge) for edge in EDGES)
    return {
        "id": photo.id,
        "name": readable(photo.path.name),
        "score": "" if score is None else f"{score:.2f}",
        "shape": round(_shape(photo), 3),
        "src": small,
        "srcset": f"{small}, {large} 2x",
    }


def _shape(photo: Photo) -> float:
    if not photo.width or not photo.height:
        return 1.0
    return min(max(photo.width / photo.height, NARROWEST), WIDEST)
