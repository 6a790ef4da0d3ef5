"""What is known of a photo, for the gallery's view of one."""

from typing import Any

from indexer import Library, Photo, State
from indexer.amounts import readable_size
from indexer.errors import GlimpseError
from indexer.urls import is_url
from search_ui.literal import readable
from search_ui.opened import config
from search_ui.questions import item

__all__ = ["facts", "viewed"]


def viewed(library: Library, photo_id: int) -> dict[str, Any]:
    """A photo as the gallery opens it; why it cannot be, where there is none."""
    try:
        photo = library.photo(photo_id)
    except GlimpseError as error:
        nothing = {"id": photo_id, "name": "", "hash": "", "width": 0, "height": 0}
        return {"id": photo_id, "item": nothing, "error": str(error)}
    known = photo.latitude is not None and photo.longitude is not None and config().ui.places
    return {
        "id": photo.id,
        "item": item(photo),
        "facts": facts(photo),
        "path": readable(photo.path),
        "place": [photo.latitude, photo.longitude] if known else None,
        "tags": [
            {"label": tag.label, "confidence": tag.confidence, "by_hand": tag.by_hand}
            for tag in library.tags_of(photo.id)
        ],
    }


def facts(photo: Photo) -> dict[str, str]:
    """What is known of a photo, in words; what is not known is left out."""
    known = {
        "Lies": f"elsewhere ({photo.path.as_uri().partition(':')[0]})"
        if is_url(photo.path)
        else None,
        "Taken": _taken(photo),
        "Camera": photo.camera,
        "Lens": photo.lens,
        "Place": _place(photo) if config().ui.places else None,
        "Rating": _rating(photo.rating),
        "Dimensions": f"{photo.width} \N{MULTIPLICATION SIGN} {photo.height} pixels"
        if photo.width
        else None,
        "Format": photo.format,
        "Size": readable_size(photo.size),
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
