"""The full picture with what is known of it."""

from collections.abc import Sequence

import streamlit as st

from indexer import Library, Photo, State
from indexer.errors import GlimpseError
from search_ui.address import change
from search_ui.asking import more_like
from search_ui.grid import Scored
from search_ui.literal import readable, show_error, show_facts, show_heading

__all__ = ["facts", "show"]

EDGE = 1600
"""Pixels of the longer side: enough for a large screen, and quick to send."""


def show(library: Library, photo_id: int, around: Sequence[Scored]) -> None:
    """Open a photo over the page; `around` are the photos that the page shows."""
    dialog = st.dialog("Photo", width="large", on_dismiss=lambda: change(photo=None))
    dialog(_draw)(library, photo_id, around)


def _draw(library: Library, photo_id: int, around: Sequence[Scored]) -> None:
    picture, details = st.columns([5, 2], gap="medium")
    try:
        photo = library.photo(photo_id)
        with details:
            _turn(photo_id, [other.id for other, _ in around])
            _show_details(photo, {other.id: score for other, score in around}.get(photo_id))
        with picture, st.spinner("Opening…"):
            st.image(library.thumbnail(photo_id, EDGE), alt=readable(photo.path.name))
    except GlimpseError as error:
        show_error(str(error))


def _show_details(photo: Photo, score: float | None) -> None:
    show_heading(readable(photo.path.name))
    if st.button("More like this", icon=":material/image_search:", width="stretch"):
        more_like(photo.id)
        st.rerun()
    show_facts(facts(photo, score))
    st.code(readable(photo.path), language=None, wrap_lines=True)


def _turn(photo_id: int, ids: list[int]) -> None:
    """Buttons for the photos before and after this one."""
    place = ids.index(photo_id) if photo_id in ids else None
    with st.container(horizontal=True):
        for label, key, step in (("Previous", "Left", -1), ("Next", "Right", 1)):
            target = -1 if place is None else place + step
            there = 0 <= target < len(ids)
            if st.button(label, shortcut=key, disabled=not there) and there:
                change(photo=ids[target])
                st.rerun()


def facts(photo: Photo, score: float | None = None) -> dict[str, str]:
    """What is known of a photo, in words; what is not known is left out."""
    known = {
        "Score": "" if score is None else f"{score:.3f}",
        "Taken": _taken(photo),
        "Camera": photo.camera,
        "Lens": photo.lens,
        "Place": _place(photo),
        "Rating": _rating(photo.rating),
        "Dimensions": f"{photo.width} \N{MULTIPLICATION SIGN} {photo.height} pixels"
        if photo.width
        else None,
        "Format": photo.format,
        "Size": _size(photo.size),
        "State": None if photo.state is State.PRESENT else f"{photo.state}: {photo.reason or ''}",
    }
    return {name: value for name, value in known.items() if value}


def _taken(photo: Photo) -> str | None:
    if photo.taken_at is None:
        return None
    wall_clock = photo.taken_at.replace("T", " ")
    if photo.taken_offset_minutes is None:
        return wall_clock
    sign = "-" if photo.taken_offset_minutes < 0 else "+"
    hours, minutes = divmod(abs(photo.taken_offset_minutes), 60)
    return f"{wall_clock} {sign}{hours:02}:{minutes:02}"


def _place(photo: Photo) -> str | None:
    if photo.latitude is None or photo.longitude is None:
        return None
    north, east = "S" if photo.latitude < 0 else "N", "W" if photo.longitude < 0 else "E"
    height = "" if photo.altitude_m is None else f", {photo.altitude_m:.0f} m"
    return f"{abs(photo.latitude):.5f}° {north}, {abs(photo.longitude):.5f}° {east}{height}"


def _rating(stars: int | None) -> str | None:
    if stars is None:
        return None
    return "rejected" if stars < 0 else "★" * stars + "☆" * (5 - stars)


def _size(count: int) -> str:
    size, units = float(count), ["bytes", "kB", "MB", "GB"]
    while size >= 1000 and len(units) > 1:
        size, units = size / 1000, units[1:]
    return f"{size:.0f} {units[0]}" if units[0] == "bytes" else f"{size:.1f} {units[0]}"
