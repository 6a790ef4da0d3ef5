"""What a file is that is not a picture, for the message that says so."""

import re

__all__ = ["START", "not_a_picture"]

_KINDS = (
    (re.compile(rb"%PDF"), "a PDF document"),
    (re.compile(rb"%!PS|\xc5\xd0\xd3\xc6"), "PostScript"),
    (re.compile(rb"\s*<(svg\b|\?xml.{0,900}<svg\b)", re.DOTALL | re.IGNORECASE), "SVG"),
    (re.compile(rb"\s*<(!doctype html|html)", re.IGNORECASE), "a web page"),
    (
        re.compile(rb"....ftyp(?!avi[fs]|he|mif1|msf1)|\x1a\x45\xdf\xa3|RIFF....AVI ", re.DOTALL),
        "a video",
    ),
    (re.compile(rb"8BPS"), "a Photoshop document"),
    (re.compile(rb"PK\x03\x04|\x1f\x8b|7z\xbc\xaf|Rar!"), "an archive"),
    (re.compile(rb"\0+\Z"), "nothing but zeros"),
)
START = 1024
"""Bytes that it takes to know."""


def not_a_picture(data: bytes) -> str | None:
    """Say what the contents of a file are instead of a picture; None when that is not known."""
    start = data[:START]
    if not start:
        return "an empty file (0 bytes)"
    for pattern, kind in _KINDS:
        if pattern.match(start):
            return f"not a picture ({kind})"
    return "not a picture (text)" if _is_text(start) else None


def _is_text(start: bytes) -> bool:
    """Whether this is UTF-8, but for a character cut off at the end, without control codes."""
    text = start.decode("utf-8", "ignore")
    whole = len(text.encode()) >= len(start) - 3
    return whole and all(c.isprintable() or c in "\t\r\n\f\ufeff" for c in text)
