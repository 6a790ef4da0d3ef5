"""The map's canvas: a component that is told of points and names, and tells what is opened and enclosed."""

import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from indexer import Photo, PhotoMap
from search_ui import hearing
from search_ui.literal import readable
from search_ui.pictures import EDGES, address

__all__ = ["Points", "points", "show_chart"]

Points = dict[str, Any]

KEY = "map"
HERE = Path(__file__).parent
SCRIPTS = ("map_view.js", "map_drawing.js", "map.js")
"""In this order they make one script, since a component takes but one."""
STEPS = 65_535
"""A place is sent as a whole number up to this, which is short and finer than any screen."""

_chart = st.components.v2.component(
    "glimpse.map",
    html=(HERE / "map.html").read_text(encoding="utf-8"),
    css=(HERE / "map.css").read_text(encoding="utf-8"),
    js="\n".join((HERE / name).read_text(encoding="utf-8") for name in SCRIPTS),
)


def show_chart(
    points: Points,
    chosen: Sequence[int],
    on_open: Callable[[int], None],
    on_choose: Callable[[list[int]], None],
) -> None:
    """Draw a map; `chosen` are the ids that stand out."""
    data = points | {"selected": list(chosen)}
    hearing.draw(
        _chart,
        KEY,
        data,
        open=lambda photo_id: on_open(int(photo_id)),
        chosen=lambda ids: on_choose([int(id) for id in ids or ()]),
    )


def points(chart: PhotoMap, photos: Sequence[Photo]) -> Points:
    """What the canvas is told of these photos, one a point."""
    places: NDArray[np.int64] = np.rint(chart.points * STEPS).astype(np.int64)
    clusters = [
        {
            "number": cluster.number,
            "name": cluster.name,
            "count": cluster.count,
            "x": cluster.centre[0],
            "y": cluster.centre[1],
        }
        for cluster in chart.clusters
    ]
    return {
        "version": _version(chart, photos),
        "label": f"Map of {len(photos):,} photos; the arrows move it, plus and minus zoom; "
        "the buttons below it choose a cluster",
        "ids": chart.ids.tolist(),
        "x": places[:, 0].tolist(),
        "y": places[:, 1].tolist(),
        "cluster": chart.cluster.tolist(),
        "src": [address(photo, EDGES[0]) for photo in photos],
        "names": [readable(photo.path.name) for photo in photos],
        "clusters": clusters,
    }


def _version(chart: PhotoMap, photos: Sequence[Photo]) -> str:
    """Other points, pictures or names have another one: a map that is the same is not built anew."""
    seen = hashlib.sha256(chart.points.tobytes())
    seen.update(chart.ids.tobytes())
    seen.update(repr(chart.clusters).encode())
    seen.update("".join(photo.sha256 or "" for photo in photos).encode())
    return seen.hexdigest()[:16]
