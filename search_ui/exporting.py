"""Photos to take away: their paths, what is known of them, or the files themselves."""

import csv
import io
import itertools
import os
import shutil
import tempfile
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import PurePath
from urllib.parse import quote

from starlette.background import BackgroundTask
from starlette.requests import Request
from starlette.responses import FileResponse, PlainTextResponse, Response
from starlette.routing import Route

from indexer import Photo
from indexer.errors import GlimpseError
from indexer.urls import is_url
from search_ui.literal import readable
from search_ui.opened import config, library

__all__ = ["LARGEST_ZIP", "ROUTES"]

LARGEST_ZIP = 2 * 10**9
"""Bytes; it is put together on the disk before it is sent."""
MOST = 2000
"""Photos at a time."""
PLACELESS_EDGE = 4096
"""Pixels of the pictures that are given away in place of originals that may tell where they were taken."""
FORMULAS = ("=", "+", "-", "@", "\t", "\r")


def paths(photos: Sequence[Photo]) -> Response:
    """One path a line."""
    lines = "".join(f"{readable(photo.path)}\n" for photo in photos)
    return PlainTextResponse(lines, headers=_as_file("paths.txt"))


def table(photos: Sequence[Photo]) -> Response:
    """A line a photo, for a spreadsheet."""
    text = io.StringIO()
    hidden = () if config().ui.places else Photo.PLACE
    rows = [
        {name: _cell(value) for name, value in asdict(photo).items() if name not in hidden}
        for photo in photos
    ]
    writer = csv.DictWriter(text, list(rows[0]))
    writer.writeheader()
    writer.writerows(rows)
    return Response(text.getvalue(), media_type="text/csv", headers=_as_file("photos.csv"))


def originals(photos: Sequence[Photo]) -> Response:
    """The files as they are, in one ZIP; those that cannot be read are listed in it.

    Where places are not to be told, pictures of them without metadata, since any of it may tell.
    """
    size = sum(photo.size for photo in photos)
    if size > LARGEST_ZIP or size > shutil.disk_usage(tempfile.gettempdir()).free:
        return PlainTextResponse(f"{size} bytes are too many for one ZIP; select fewer photos", 413)
    handle, name = tempfile.mkstemp(suffix=".zip")
    with os.fdopen(handle, "wb") as file, zipfile.ZipFile(file, "w") as archive:
        (_pack if config().ui.places else _pack_placeless)(archive, photos)
    return FileResponse(name, filename="photos.zip", background=BackgroundTask(os.unlink, name))


def original(photos: Sequence[Photo]) -> Response:
    """The file of the first photo, as it is; where places are not to be told, a picture of it without metadata."""
    photo = photos[0]
    name = readable(photo.path.name)
    if not config().ui.places:
        data, name = library().thumbnail(photo.id, PLACELESS_EDGE), f"{PurePath(name).stem}.jpg"
        return Response(data, media_type="image/jpeg", headers=_as_file(name))
    if why := _why_missing(photo):
        return PlainTextResponse(f"{name}: {why}", 404)
    return FileResponse(photo.path, filename=name, headers={"Cache-Control": "no-store"})


def _why_missing(photo: Photo) -> str | None:
    """Why there is no file of a photo to give away."""
    if is_url(photo.path):
        return "it lies elsewhere"
    if os.path.realpath(photo.path) != os.fspath(photo.path):
        # Since it was indexed, a link may have been put there that leads out of the library's folders.
        return "a link has taken its place"
    if not os.path.isfile(photo.path):
        return "it is not there"
    return None if os.access(photo.path, os.R_OK) else "it may not be read"


def _pack(archive: zipfile.ZipFile, photos: Sequence[Photo]) -> None:
    taken, missing = {"missing.txt"}, list[str]()
    for photo in photos:
        if why := _why_missing(photo):
            missing.append(f"{readable(photo.path)}: {why}\n")
            continue
        try:
            with photo.path.open("rb") as original:
                entry = zipfile.ZipInfo(_unique(readable(photo.path.name), taken))
                with archive.open(entry, "w", force_zip64=True) as copy:
                    shutil.copyfileobj(original, copy, 1 << 20)
        except OSError as error:
            missing.append(f"{readable(photo.path)}: {error.strerror}\n")
    if missing:
        archive.writestr("missing.txt", "".join(missing))


def _pack_placeless(archive: zipfile.ZipFile, photos: Sequence[Photo]) -> None:
    taken, missing = {"missing.txt"}, list[str]()
    for photo in photos:
        try:
            data = library().thumbnail(photo.id, PLACELESS_EDGE)
        except GlimpseError as error:
            missing.append(f"{readable(photo.path.name)}: {error}\n")
        else:
            archive.writestr(_unique(f"{readable(photo.path.stem)}.jpg", taken), data)
    if missing:
        archive.writestr("missing.txt", "".join(missing))


def _unique(name: str, taken: set[str]) -> str:
    """A name that no file in the ZIP has yet: folders may each have a file of the same name."""
    path = PurePath(name.replace("\\", "_"))
    numbered = (f"{path.stem} ({number}){path.suffix}" for number in itertools.count(2))
    names = itertools.chain([path.name], numbered)
    free = next(each for each in names if each.lower() not in taken)
    taken.add(free.lower())
    return free


def _cell(value: object) -> object:
    """A text that a spreadsheet would take for a formula is marked as text."""
    if not isinstance(value, str | os.PathLike):
        return value
    text = readable(value)  # type: ignore[arg-type]
    return f"'{text}" if text.startswith(FORMULAS) else text


def _as_file(name: str) -> dict[str, str]:
    is_plain = name == quote(name)
    named = f'filename="{name}"' if is_plain else f"filename*=UTF-8''{quote(name)}"  # RFC 6266
    return {"Content-Disposition": f"attachment; {named}", "Cache-Control": "no-store"}


def _route(name: str, export: Callable[[Sequence[Photo]], Response]) -> Route:
    def answer(request: Request) -> Response:
        if request.headers.get("Sec-Fetch-Site", "none") not in ("none", "same-origin"):
            return PlainTextResponse("only this page may ask for that", 403)
        ids = request.query_params.get("ids", "").split(",")
        if not all(id.isdecimal() and len(id) < 19 for id in ids) or len(ids) > MOST:
            return PlainTextResponse(
                f"ids are at most {MOST} numbers with commas between them", 400
            )
        try:
            return export([library().photo(int(id)) for id in ids])
        except GlimpseError as error:
            return PlainTextResponse(str(error), 404)

    return Route(f"/export/{name}", answer)


ROUTES = [
    _route("paths.txt", paths),
    _route("photos.csv", table),
    _route("photos.zip", originals),
    _route("original", original),
]
