"""What an XMP packet says, read without trusting it."""

from collections.abc import Mapping
from xml.etree import ElementTree

__all__ = ["read_xmp", "read_xmp_texts"]

_MAX_BYTES = 4_000_000
_PREFIXES = {
    "http://ns.adobe.com/xap/1.0/": "xmp",
    "http://ns.adobe.com/exif/1.0/": "exif",
    "http://cipa.jp/exif/1.0/": "exifEX",
    "http://ns.adobe.com/exif/1.0/aux/": "aux",
    "http://ns.adobe.com/photoshop/1.0/": "photoshop",
    "http://ns.adobe.com/tiff/1.0/": "tiff",
    "http://purl.org/dc/elements/1.1/": "dc",
}
_ITEM = "{http://www.w3.org/1999/02/22-rdf-syntax-ns#}li"


def read_xmp(packet: object) -> Mapping[str, str]:
    """The values of simple properties by prefixed name, such as `xmp:Rating`; the first wins.

    Empty when the packet is missing, malformed, over 4 MB, or has a document type: that is where
    entities are declared, which can make a small packet expand without end, and XMP needs none.
    """
    return _parse(packet).found


def read_xmp_texts(packet: object) -> Mapping[str, list[str]]:
    """The items of properties that are lists by prefixed name, such as `dc:subject`; empty as with `read_xmp`.

    A text in several languages is such a list, and begins with the one that stands for all.
    """
    return _parse(packet).items


def _parse(packet: object) -> "_Properties":
    properties = _Properties()
    if isinstance(packet, str):
        packet = packet.encode("utf-8", "replace")
    if not isinstance(packet, bytes) or len(packet) > _MAX_BYTES:
        return properties
    parser = ElementTree.XMLParser(target=properties)
    try:
        parser.feed(packet.strip(b"\0 \r\n\t"))
        parser.close()
    except (ElementTree.ParseError, _DoctypeError, ValueError, LookupError):
        return _Properties()
    return properties


class _DoctypeError(Exception):
    """The packet has a document type."""


class _Properties:
    """Receives the events of the parser; builds no tree, so depth costs nothing.

    A property is an attribute of a description, an element that holds only text, or one that holds items.
    """

    def __init__(self) -> None:
        self.found: dict[str, str] = {}
        self.items: dict[str, list[str]] = {}
        self._property: str | None = None
        self._text: list[str] = []

    def start(self, tag: str, attributes: dict[str, str]) -> None:
        for name, value in attributes.items():
            self._keep(name, value)
        self._property = _prefixed(tag) or self._property
        self._text = []

    def data(self, text: str) -> None:
        self._text.append(text)

    def end(self, tag: str) -> None:
        text = "".join(self._text).strip()
        if tag == _ITEM and self._property and text:
            self.items.setdefault(self._property, []).append(text)
        if _prefixed(tag) == self._property:
            self._property = None
        self._keep(tag, text)
        self._text = []

    def doctype(self, name: str, public_id: str | None, system_id: str | None) -> None:
        raise _DoctypeError

    def close(self) -> None:
        """Called by the parser at the end."""

    def _keep(self, tag: str, value: str) -> None:
        name = _prefixed(tag)
        if name and value.strip():
            self.found.setdefault(name, value.strip())


def _prefixed(tag: str) -> str | None:
    """A name with its usual prefix; None for the names of no schema that is known."""
    uri, brace, name = tag.removeprefix("{").rpartition("}")
    return f"{_PREFIXES[uri]}:{name}" if brace and uri in _PREFIXES else None
