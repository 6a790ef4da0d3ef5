"""A map as one HTML file that asks nothing of the network: a canvas, and a list of the clusters."""

import base64
import json
from collections.abc import Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np

from indexer.atlas.records import Cluster, PhotoMap
from indexer.errors import GlimpseError
from indexer.printable import printable
from indexer.results import Photo
from indexer.standalone import Thumbnail, document, shown, write

__all__ = ["page", "write_page"]

EDGE = 96
PRECISION = 4
"""Decimals of a coordinate: finer than the pixels of a screen."""
TURN = 137.508
"""Degrees of hue from a cluster to the next, the golden angle: however many, neighbours in the list differ."""


def write_page(path: Path, found: PhotoMap, photos: Sequence[Photo], thumbnail: Thumbnail) -> None:
    """Write the page of a map. Raises UsageError where it cannot be written."""
    write(path, page(found, photos, thumbnail))


def page(found: PhotoMap, photos: Sequence[Photo], thumbnail: Thumbnail) -> str:
    """The page; `photos` name those on the map, and others are left aside."""
    items = "".join(_item(found, cluster, thumbnail) for cluster in found.clusters)
    told = f"{len(found.ids)} photos, {len(found.clusters)} clusters, space {shown(found.space)}"
    body = (
        f"<header><h1>Map</h1><p>{told}. Turn the wheel to come closer, drag to move.</p></header>"
        '<main><div id="plane"><canvas role="img" aria-label="Photos by likeness"></canvas>'
        f'<p id="tip" hidden></p></div><ul id="clusters">{items}</ul></main>'
        f'<script type="application/json" id="map">{_data(found, photos)}</script>'
    )
    title = f"Map of {len(found.ids)} photos"
    return document(title, _file("page.css"), body, _file("page.js"))


def _data(found: PhotoMap, photos: Sequence[Photo]) -> str:
    names = {photo.id: printable(photo.path.name) for photo in photos}
    known: Mapping[str, Any] = {
        "points": found.points.astype(np.float64).round(PRECISION).tolist(),
        "cluster": found.cluster.tolist(),
        "names": [names.get(id, "") for id in found.ids.tolist()],
        "clusters": {each.number: printable(each.name) for each in found.clusters},
        "hues": {each.number: _hue(each) for each in found.clusters},
    }
    # In a script element only `</script` and `<!--` mean anything; with no `<` there is neither.
    return json.dumps(known, separators=(",", ":")).replace("<", "\\u003c")


def _item(found: PhotoMap, cluster: Cluster, thumbnail: Thumbnail) -> str:
    """A cluster in the list, with the photo that lies nearest to its centre."""
    rows = np.flatnonzero(found.cluster == cluster.number)
    distances = np.linalg.norm(found.points[rows] - np.array(cluster.centre), axis=1)
    picture = _picture(int(found.ids[rows[distances.argmin()]]), thumbnail)
    return (
        f'<li><button type="button" aria-pressed="false" data-cluster="{cluster.number}">{picture}'
        '<svg width="12" height="12" aria-hidden="true">'
        f'<circle cx="6" cy="6" r="6" fill="hsl({_hue(cluster)} 65% 50%)"/></svg> '
        f"<b>{shown(cluster.name)}</b> {cluster.count}</button></li>"
    )


def _picture(photo_id: int, thumbnail: Thumbnail) -> str:
    try:
        data = base64.b64encode(thumbnail(photo_id, EDGE)).decode()
    except GlimpseError:
        return ""  # a photo that cannot be shown now has its place all the same
    return f'<img alt="" src="data:image/jpeg;base64,{data}">'


def _hue(cluster: Cluster) -> int:
    return round(cluster.number * TURN) % 360


def _file(name: str) -> str:
    return files("indexer.atlas").joinpath(name).read_text(encoding="utf-8")
