"""What of a text is worth learning from: cameras, programs and file systems write much that describes nothing."""

import re

from indexer.terms import MAX_TEXT

__all__ = ["caption", "folder_name"]

_MAKERS = "olympus|konica ?minolta|minolta|kodak|samsung|casio|sony|sanyo|pentax|nikon|canon|fujifilm|ricoh|hp"
_CAMERA = re.compile(rf"(?:(?:{_MAKERS}) )?(?:digital (?:still )?camera|dsc)|{_MAKERS}")
_FILE = re.compile(
    r".+\.(?:jpe?g|jfif|png|tiff?|gif|bmp|webp|hei[cf]|avif|dng|nef|cr[23]|arw|orf|rw2|raf)"
)
_NUMBERED = re.compile(
    r"_?(?:img|dscn?|dscf|pict?|p|pxl|vid|mvi|sam|gopr|dji|imag|[chf]img|mg|wp|scan|screenshot|image|photo)"
    r"[-_ ]?\d[\d_-]*"
)
_DEFAULTS = frozenset(
    {
        *("default", "untitled", "image", "picture", "photo", "screenshot", "exif_jpeg_picture"),
        *("exif jpeg", "binary comment", "created with gimp", "created with the gimp", "ascii"),
        *("charset=ascii", "dcim", "dav", "edf", "rhdr", "hdrpl", "cof", "oznor", "sdr"),
    }
)
_PLACES = frozenset(
    {
        *(
            "dcim",
            "camera",
            "camera roll",
            "photo",
            "photos",
            "picture",
            "pictures",
            "image",
            "images",
        ),
        *(
            "img",
            "imgs",
            "misc",
            "new folder",
            "untitled folder",
            "downloads",
            "train",
            "test",
            "val",
        ),
    }
)
_OF_A_CAMERA = re.compile(r"\d{3}[a-z0-9 ]{5}")
"""Folders by the Design rule for Camera File system: 100CANON, 101_PANA."""


def caption(text: str) -> str | None:
    """A text in one line, at most as long as a query may be; None for one that describes no picture."""
    line = _one_line(text)[:MAX_TEXT]
    plain = line.lower()
    says_nothing = plain in _DEFAULTS or any(
        pattern.fullmatch(plain) for pattern in (_CAMERA, _FILE, _NUMBERED)
    )
    return None if says_nothing or not _has_letters(line) else line


def folder_name(name: str) -> str | None:
    """A folder's name in words; None for one that only keeps things apart, such as `DCIM` or `2023-07-14`."""
    words = _one_line(name.replace("_", " "))
    plain = words.lower()
    says_nothing = plain in _PLACES or _OF_A_CAMERA.fullmatch(plain)
    return None if says_nothing or not _has_letters(words) else words


def _one_line(text: str) -> str:
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())


def _has_letters(text: str) -> bool:
    return any(c.isalpha() for c in text)
