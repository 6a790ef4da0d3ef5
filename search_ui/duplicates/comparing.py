"""Two photos of a group side by side: the pictures, and where they differ."""

import html
from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path

import streamlit as st

from indexer import Photo
from indexer.amounts import readable_size
from indexer.errors import QueryError
from search_ui.duplicates.copies import Copies
from search_ui.literal import readable, show_line
from search_ui.pictures import EDGES, address

__all__ = ["show_comparison"]

HERE = Path(__file__).parent
SIDES = ("left", "right")

_pair = st.components.v2.component(
    "glimpse.pair",
    html=(HERE / "compare.html").read_text(encoding="utf-8"),
    css=(HERE / "compare.css").read_text(encoding="utf-8"),
    js=(HERE / "compare.js").read_text(encoding="utf-8"),
)


def show_comparison(
    groups: Sequence[Copies], wanted: str, go: Callable[[str | None], None]
) -> None:
    """Draw the group of that address; `go` leads to another one, or with None back to all."""
    place = next((i for i, group in enumerate(groups) if group.address == wanted), None)
    _show_turning(groups, place, go)
    if place is None:
        raise QueryError("this group is no more; its photos have changed")
    group = groups[place]
    left, right = _choose(group)
    _pair(
        key="pair",
        data={
            side: {"src": address(photo, EDGES[-1]), "name": readable(photo.path.name)}
            for side, photo in zip(SIDES, (left, right), strict=True)
        }
        | {"shape": _shape(left)},
    )
    _show_differences(left, right)
    for photo in (left, right):
        st.code(readable(photo.path), language=None, wrap_lines=True)  # with a button that copies


def _show_turning(
    groups: Sequence[Copies], place: int | None, go: Callable[[str | None], None]
) -> None:
    with st.container(key="turning", horizontal=True, vertical_alignment="center"):
        st.button("All groups", icon=":material/arrow_back:", on_click=go, args=(None,))
        if place is None:
            return
        for label, step in (("Previous", -1), ("Next", 1)):
            there = 0 <= place + step < len(groups)
            other = groups[place + step].address if there else None
            st.button(label, disabled=not there, on_click=go, args=(other,))
        show_line(f"group {place + 1:,} of {len(groups):,}")


def _shape(photo: Photo) -> float:
    """Width by height of the frames; both photos have about the same."""
    return round(photo.width / photo.height, 3) if photo.width and photo.height else 1.0


def _choose(group: Copies) -> tuple[Photo, Photo]:
    """Which two, where the group has more."""
    if len(group.photos) == 2:
        return group.photos[0], group.photos[1]
    chosen = []
    for column, side, first in zip(st.columns(2), SIDES, (0, 1), strict=True):
        number = column.selectbox(
            side.capitalize(),
            range(len(group.photos)),
            index=first,
            key=f"{side}-{group.address}",
            format_func=lambda i: f"{i + 1}: {readable(group.photos[i].path.name)}",
        )
        chosen.append(group.photos[number])
    return chosen[0], chosen[1]


def _show_differences(left: Photo, right: Photo) -> None:
    rows = "".join(
        f'<tr class="{"" if one == other else "differs"}"><th scope="row">{name}</th>'
        f"<td>{html.escape(one)}</td><td>{html.escape(other)}</td></tr>"
        for (name, one), other in zip(_facts(left).items(), _facts(right).values(), strict=True)
        if one or other
    )
    st.html(
        '<table class="glimpse-differences"><thead><tr><td></td><th scope="col">Left</th>'
        f'<th scope="col">Right</th></tr></thead><tbody>{rows}</tbody></table>'
    )


def _facts(photo: Photo) -> dict[str, str]:
    changed = datetime.fromtimestamp(photo.mtime_ns / 1e9)
    return {
        "Name": readable(photo.path.name),
        "Folder": readable(photo.path.parent),
        "Format": photo.format or "",
        "Dimensions": f"{photo.width} \N{MULTIPLICATION SIGN} {photo.height}"
        if photo.width
        else "",
        "Size": f"{readable_size(photo.size)} ({photo.size:,} bytes)",
        "Taken": (photo.taken_at or "").replace("T", " "),
        "Camera": photo.camera or "",
        "File changed": changed.strftime("%Y-%m-%d %H:%M:%S"),
    }
