"""What the page serves besides what Streamlit does."""

from pathlib import Path

from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.routing import BaseRoute, Route

from search_ui import exporting, listing, pictures

__all__ = ["ROUTES"]

WORLD = Path(__file__).parent / "gallery" / "world.svg"


def _world(_: Request) -> Response:
    return FileResponse(WORLD, headers={"Cache-Control": "max-age=86400"})


ROUTES: list[BaseRoute] = [
    pictures.ROUTE,
    listing.ROUTE,
    *exporting.ROUTES,
    Route("/world.svg", _world),
]
