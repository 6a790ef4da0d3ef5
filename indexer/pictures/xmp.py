"""The simple properties of an XMP packet, read without trusting it."""

from collections.abc import Mapping
from xml.etree import ElementTree

__all__ = ["read_xmp"]

_MAX_BYTES = 4_000_000
_PREFIXES = {
    "http://ns.adobe.com/xap/1.0/": "xmp",
    "http://ns.adobe.com/exif/1.0/": "exif",
    "http://cipa.jp/exif/1.0/": "exifEX",
    "http://ns.adobe.com/exif/1.0/aux/": "aux",
    "http://ns.adobe.com/photoshop/1.0/": "photoshop",
    "http://ns.adobe.com/tiff/1.0/": "tiff",
}


def read_xmp(packet: object) -> Mapping[str, str]:
    """The values of simple properties by prefixed name, such as `xmp:Rating`; the first wins.

    Empty when the packet is missing, malformed, over 4 MB, or has a document type: that is where
    entities are declared, which can make a small packet expand without end, and XMP needs none.
    """
    if isinstance(packet, str):
        packet = packet.encode("utf-8", "replace")
    if not isinstance(packet, bytes) or len(packet) > _MAX_BYTES:
        return {}
    properties = _Properties()
    parser = ElementTree.XMLParser(target=properties)
    try:
        parser.feed(packet.strip(b"\0 \r\n\t"))
        parser.close()
    except (ElementTree.ParseError, _DoctypeError, ValueError, LookupError):
        return {}
    return properties.found


class _DoctypeError(Exception):
    """The packet has a document type."""


class _Properties:
    """Receives the events of the parser; builds no tree, so depth costs nothing.

    A property is an attribute of a description, or an element that holds only text.
    """

    def __init__(self) -> None:
        self.found: dict[str, str] = {}
        self._text: list[str] = []

    def start(self, tag: str, attributes: dict[str, str]) -> None:
        for name, value in attributes.items():
            self._keep(name, value)
        self._text = []

    def data(self, text: str) -> None:
        self._text.append(text)

    def end(self, tag: str) -> None:
        self._keep(tag, "".join(self._text))
        self._text = []

    def doctype(self, name: str, public_id: str | None, system_id: str | None) -> None:
        raise _DoctypeError

    def close(self) -> None:
        """Called by the parser at the end."""

    def _keep(self, tag: str, value: str) -> None:
        uri, brace, name = tag.removeprefix("{").rpartition("}")
        if brace and uri in _PREFIXES and value.strip():
            self.found.setdefault(f"{_PREFIXES[uri]}:{name}", value.strip())
