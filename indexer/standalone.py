"""One HTML file that asks nothing of the network: styles and pictures are inside, and the script, if there is one."""

import base64
import os
from collections.abc import Callable
from contextlib import suppress
from hashlib import sha256
from html import escape
from pathlib import Path

from indexer.errors import GlimpseError, UsageError
from indexer.printable import printable

__all__ = [
    "COLOURS",
    "Thumbnail",
    "check_writable",
    "document",
    "image",
    "shown",
    "write",
]

Thumbnail = Callable[[int, int], bytes]
"""A JPEG of a photo, by its id and the edge of the square that it fits, in pixels."""

PAGES = (".html", ".htm")
"""Endings of files that may be written over."""

COLOURS = """
:root { color-scheme: light dark; --ink: #1c2126; --dim: #5b656f; --paper: #fff; --card: #f5f6f8;
  --one: #2767a8; --two: #c2601a; --right: #1d7a3e; --rule: #d6dade; }
@media (prefers-color-scheme: dark) { :root { --ink: #e8eaed; --dim: #a3acb5; --paper: #14171a;
  --card: #1e2226; --one: #6ba8e5; --two: #f0a05c; --right: #5fcf87; --rule: #3a4047; } }
"""


def document(title: str, style: str, body: str, script: str = "") -> str:
    """The file's text. `title` is plain text, `body` markup without style attributes, which are not applied.

    No other script than `script` runs in it.
    """
    policy = f"img-src data:; style-src {_hash(style)}"
    if script:
        policy += f"; script-src {_hash(script)}"
        body += f"<script>{script}</script>"
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta http-equiv="Content-Security-Policy" content="default-src \'none\'; '
        f"{policy}; base-uri 'none'; form-action 'none'\">"
        '<meta name="referrer" content="no-referrer">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{shown(title)}</title><style>{style}</style></head><body>{body}</body></html>\n"
    )


def image(thumbnail: Thumbnail, photo_id: int, edge: int) -> str:
    """A photo's markup; one that cannot be shown now says why."""
    try:
        data = base64.b64encode(thumbnail(photo_id, edge)).decode()
    except GlimpseError as error:
        return f"<p>(not shown: {shown(str(error))})</p>"
    return f'<img alt="" src="data:image/jpeg;base64,{data}">'


def shown(text: str) -> str:
    """Text for the page: made printable, and markup escaped."""
    return escape(printable(text))


def check_writable(path: Path) -> None:
    """Raise UsageError, before anything is made, where a page cannot be written."""
    if path.is_dir() or not path.absolute().parent.is_dir():
        raise UsageError(f"no page can be written to {path}; name a file in a folder that is there")
    if os.path.lexists(path) and path.suffix.lower() not in PAGES:
        raise UsageError(
            f"{path} is there already and is no page; name another file, such as page.html"
        )


def write(path: Path, text: str) -> None:
    """Write a page, whole or not at all. Raises GlimpseError where it cannot be written."""
    aside = path.with_name(f".{path.name}.tmp")
    try:
        aside.write_text(text, encoding="utf-8")
        aside.replace(path)
    except OSError as error:
        with suppress(OSError):
            aside.unlink(missing_ok=True)
        raise GlimpseError(f"{path} cannot be written: {error.strerror}") from error


def _hash(text: str) -> str:
    """What lets a policy allow this very style or script, and no other."""
    return f"'sha256-{base64.b64encode(sha256(text.encode()).digest()).decode()}'"
