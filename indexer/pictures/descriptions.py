"""What a picture says that it shows: titles, descriptions and keywords in its EXIF, XMP and IPTC."""

from collections.abc import Iterator, Mapping
from typing import Any

from PIL import Image, IptcImagePlugin

from indexer.pictures.limits import Limits
from indexer.pictures.opening import failures_as_reasons, open_picture
from indexer.pictures.reading import open_file
from indexer.pictures.xmp import read_xmp, read_xmp_texts

__all__ = ["read_descriptions"]

_EXIF_DESCRIPTION = 0x010E
_XP_TITLE, _XP_COMMENT, _XP_KEYWORDS, _XP_SUBJECT = 0x9C9B, 0x9C9C, 0x9C9E, 0x9C9F
_IPTC_TITLE, _IPTC_KEYWORDS, _IPTC_HEADLINE, _IPTC_CAPTION = (2, 5), (2, 25), (2, 105), (2, 120)


def read_descriptions(path: bytes, limits: Limits) -> list[str]:
    """The texts of a picture's file, as they are written; all its keywords are one text, such as "dog, beach".

    Nothing is decoded: of most formats only the head is read. Raises PictureError for a file that cannot be read.
    """
    with open_file(path, limits, follow_links=False) as file, failures_as_reasons():
        image = open_picture(file)
        parts = _exif(image), _iptc(image), _xmp(image.info.get("xmp"))
    texts = [text for found, _ in parts for text in found]
    keywords = [word.strip() for _, found in parts for word in found]
    return [text for text in (*texts, ", ".join(dict.fromkeys(filter(None, keywords)))) if text]


def _exif(image: Image.Image) -> tuple[list[str], list[str]]:
    """Texts, and keywords."""
    if image.format == "TIFF":
        exif = image.getexif()
    else:  # getexif() decodes a PNG to look for EXIF behind the picture
        exif = Image.Exif()
        exif.load(image.info.get("exif", b""))
    written_by_windows = [_utf16(exif.get(tag)) for tag in (_XP_TITLE, _XP_SUBJECT, _XP_COMMENT)]
    texts = [_text(exif.get(_EXIF_DESCRIPTION)), *written_by_windows]
    return texts, _utf16(exif.get(_XP_KEYWORDS)).split(";")


def _iptc(image: Image.Image) -> tuple[list[str], list[str]]:
    found: Mapping[Any, Any] = IptcImagePlugin.getiptcinfo(image) or {}  # type: ignore[arg-type]
    texts = [*_each(found.get(_IPTC_TITLE)), *_each(found.get(_IPTC_HEADLINE))]
    return [*texts, *_each(found.get(_IPTC_CAPTION))], [*_each(found.get(_IPTC_KEYWORDS))]


def _xmp(packet: object) -> tuple[list[str], list[str]]:
    items, simple = read_xmp_texts(packet), read_xmp(packet)
    texts = [
        items[name][0] if name in items else simple.get(name, "")
        for name in ("dc:title", "dc:description")
    ]
    return texts, items.get("dc:subject", [])


def _each(field: Any) -> Iterator[str]:
    """The texts of a field that may be repeated."""
    yield from map(_text, field if isinstance(field, list) else [field])


def _text(value: Any) -> str:
    """Bytes as text, UTF-8 if they are that. Pillow gives EXIF as Latin-1, whatever it is."""
    if isinstance(value, str):
        try:
            data = value.encode("latin-1")
        except UnicodeEncodeError:
            return value
    elif isinstance(value, bytes):
        data = value
    else:
        return ""
    data = data.split(b"\0", 1)[0]
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return data.decode("latin-1")


def _utf16(value: Any) -> str:
    """Bytes that Windows wrote."""
    if not isinstance(value, bytes):
        return ""
    return value.decode("utf-16-le", "replace").split("\0", 1)[0]
