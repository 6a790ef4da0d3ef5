"""Pictures over HTTP: a photo of the library by its id, as a JPEG of one of a few sizes."""

import os
import threading

from anyio import from_thread
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from indexer import Photo
from indexer.errors import GlimpseError, PictureError, QueryError
from search_ui.opened import library

__all__ = ["EDGES", "ROUTE", "address"]

EDGES = (320, 640, 1600, 4096)
"""Pixels: small, for screens of twice the density, for the whole window, and for a closer look.

Others are refused, so that nobody can fill the disk with thumbnails of every size."""

MAX_ID = 2**63 - 1  # what SQLite can count to
KEPT = {"Cache-Control": "private, max-age=31536000, immutable"}
_decoding = threading.BoundedSemaphore(os.cpu_count() or 1)  # a decoded photo takes much memory


def address(photo: Photo, edge: int) -> str:
    """Where the page finds a photo; other bytes have another address, so it can be kept for good."""
    return f"/photos/{photo.id}/{edge}?{(photo.sha256 or '')[:16]}"


def picture(request: Request) -> Response:
    """A photo's thumbnail; Starlette calls this in a thread of its own."""
    photo_id, edge = request.path_params["photo_id"], request.path_params["edge"]
    if edge not in EDGES or photo_id > MAX_ID:
        return PlainTextResponse("no such picture", 404)
    try:
        with _decoding:
            if from_thread.run(request.is_disconnected):  # it was scrolled past: others wait
                return Response(status_code=499)
            data = library().thumbnail(photo_id, edge)
    except (PictureError, QueryError) as error:
        return PlainTextResponse(str(error), 404)
    except GlimpseError as error:
        return PlainTextResponse(str(error), 503)
    return Response(data, media_type="image/jpeg", headers=KEPT)


ROUTE = Route("/photos/{photo_id:int}/{edge:int}", picture)
