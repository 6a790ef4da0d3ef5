"""A map as one HTML file that asks nothing of the network: a canvas, and a list of the clusters."""

import base64
import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from html import escape
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np

from indexer.atlas.records import Cluster, PhotoMap
from indexer.errors import GlimpseError, UsageError
from indexer.results import Photo

__all__ = ["check_writable", "page", "write_page"]

Thumbnail = Callable[[int, int], bytes]
"""A JPEG of a photo, by its id and the edge of the square that it fits, in pixels."""

EDGE = 96
PRECISION = 4
"""Decimals of a coordinate: finer than the pixels of a screen."""
TURN = 137.508
"""Degrees of hue from a cluster to the next, the golden angle: however many, neighbours in the list differ."""


def check_writable(path: Path) -> None:
    """Raise UsageError, before anything is laid out, where a page cannot be written."""
    if path.is_dir() or not path.absolute().parent.is_dir():
        raise UsageError(f"no page can be written to {path}; name a file in a folder that is there")


def write_page(path: Path, found: PhotoMap, photos: Sequence[Photo], thumbnail: Thumbnail) -> None:
    """Write the page of a map. Raises UsageError where it cannot be written."""
    try:
        path.write_text(page(found, photos, thumbnail), encoding="utf-8")
    except OSError as error:
        raise UsageError(f"{path} cannot be written: {error.strerror}") from error


def page(found: PhotoMap, photos: Sequence[Photo], thumbnail: Thumbnail) -> str:
    """The page; `photos` name those on the map, and others are left aside."""
    style, script = _file("page.css"), _file("page.js")
    policy = (
        f"default-src 'none'; img-src data:; style-src {_hash(style)}; script-src {_hash(script)}"
    )
    items = "".join(_item(found, cluster, thumbnail) for cluster in found.clusters)
    told = f"{len(found.ids)} photos, {len(found.clusters)} clusters, space {_shown(found.space)}"
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>Map of {len(found.ids)} photos</title><style>{style}</style></head><body>"
        f"<header><h1>Map</h1><p>{told}. Turn the wheel to come closer, drag to move.</p></header>"
        '<main><div id="plane"><canvas role="img" aria-label="Photos by likeness"></canvas>'
        f'<p id="tip" hidden></p></div><ul id="clusters">{items}</ul></main>'
        f'<script type="application/json" id="map">{_data(found, photos)}</script>'
        f"<script>{script}</script></body></html>\n"
    )


def _data(found: PhotoMap, photos: Sequence[Photo]) -> str:
    names = {photo.id: _plain(photo.path.name) for photo in photos}
    known: Mapping[str, Any] = {
        "points": found.points.astype(np.float64).round(PRECISION).tolist(),
        "cluster": found.cluster.tolist(),
        "names": [names.get(id, "") for id in found.ids.tolist()],
        "clusters": {each.number: _plain(each.name) for each in found.clusters},
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
        f"<b>{_shown(cluster.name)}</b> {cluster.count}</button></li>"
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


def _hash(text: str) -> str:
    """What lets a policy allow this very style or script, and no other."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def _plain(text: str) -> str:
    """Control characters and bytes that are not UTF-8 spelled out."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def _shown(text: str) -> str:
    return escape(_plain(text))
