"""More of an answer over HTTP: what a gallery asks for as a visitor scrolls."""

from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from indexer.errors import GlimpseError
from search_ui.opened import library
from search_ui.questions import recall

__all__ = ["ROUTE"]

MOST = 500
"""Photos at a time."""
FRESH = {"Cache-Control": "no-store"}


def results(request: Request) -> Response:
    """The photos from `offset` on that answer a question which the page has asked."""
    question = recall(request.path_params["token"])
    offset, count = (request.query_params.get(name, "") for name in ("offset", "count"))
    if question is None or not (offset.isdecimal() and count.isdecimal()) or len(offset) > 9:
        return PlainTextResponse("no such results", 404)
    try:
        page = question.ask(library(), min(max(int(count), 1), MOST), int(offset))
    except GlimpseError as error:
        return PlainTextResponse(str(error), 503)
    return JSONResponse({"photos": page.photos}, headers=FRESH)


ROUTE = Route("/results/{token}", results)
