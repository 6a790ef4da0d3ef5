"""When, where and with what a picture was taken, from its EXIF and XMP.

Files lie: nothing here raises, and a value that cannot be true is None.
"""

import math
import re
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from PIL import Image

from indexer.pictures.xmp import read_xmp

__all__ = ["Metadata", "read_metadata"]

_EXIF_IFD, _GPS_IFD = 0x8769, 0x8825
# The time, and the offset from UTC that goes with it: DateTimeOriginal, DateTimeDigitized, DateTime.
_TAKEN, _DIGITISED, _CHANGED = (0x9003, 0x9011), (0x9004, 0x9012), (0x0132, 0x9010)
_MAKE, _MODEL, _LENS_MODEL, _RATING = 0x010F, 0x0110, 0xA434, 0x4746
_LATITUDE, _LONGITUDE, _ALTITUDE = (2, 1), (4, 3), (6, 5)  # the value and its reference
_TIME = re.compile(r"(\d{4})[:/-](\d\d)[:/-](\d\d)(?:[ T](\d\d):(\d\d)(?::(\d\d))?)?")
_OFFSET = re.compile(r"([+-])(\d\d):?(\d\d)")
_COORDINATE = re.compile(
    r"(\d{1,3}),(\d{1,2}(?:\.\d{1,12})?)(?:,(\d{1,2}(?:\.\d{1,12})?))?([NSEW])"
)
_DAMAGED = (OSError, SyntaxError, ValueError, TypeError, KeyError, struct.error)
_Tags = Mapping[int, Any]
_NO_CLOCK = frozenset({"1970-01-01T00:00:00", "1904-01-01T00:00:00"})
"""Where computers count time from: what is written when it is not known."""
_MAX_TEXT = 200
_MAX_OFFSET_MINUTES = 14 * 60
_MAX_ALTITUDE_M = 100_000


@dataclass(frozen=True, slots=True)
class Metadata:
    """What a picture says of itself; None where it says nothing that can be believed."""

    taken_at: str | None = None
    """By the clock on the wall where it was taken: "YYYY-MM-DDTHH:MM:SS"."""
    taken_offset_minutes: int | None = None
    """That clock less UTC."""
    camera: str | None = None
    lens: str | None = None
    latitude: float | None = None
    """Degrees, north positive; None exactly when `longitude` is."""
    longitude: float | None = None
    """Degrees, east positive."""
    altitude_m: float | None = None
    """Above sea level."""
    rating: int | None = None
    """Stars, 0-5; -1 when rejected."""


def read_metadata(image: Image.Image, exif: Image.Exif | None = None) -> Metadata:
    """Read an opened image, before it is transposed; PNG files may be decoded on the way.

    `exif` stands for the image's own where that is not to be trusted.
    """
    main, details, gps = _directories(image, exif)
    xmp = read_xmp(image.info.get("xmp"))
    taken_at, offset = _taken(main, details, xmp)
    latitude, longitude = _place(gps, xmp)
    return Metadata(
        taken_at=taken_at,
        taken_offset_minutes=offset,
        camera=_camera(
            _text(main.get(_MAKE)) or _text(xmp.get("tiff:Make")),
            _text(main.get(_MODEL)) or _text(xmp.get("tiff:Model")),
        ),
        lens=_text(details.get(_LENS_MODEL))
        or _text(xmp.get("exifEX:LensModel"))
        or _text(xmp.get("aux:Lens")),
        latitude=latitude,
        longitude=longitude,
        altitude_m=_altitude(gps),
        rating=_rating(xmp.get("xmp:Rating"), main.get(_RATING)),
    )


def _directories(image: Image.Image, exif: Image.Exif | None) -> tuple[_Tags, _Tags, _Tags]:
    """The main, the Exif and the GPS directory; those that are damaged are empty."""
    try:
        exif = image.getexif() if exif is None else exif
    except _DAMAGED:
        return {}, {}, {}
    return exif, _directory(exif, _EXIF_IFD), _directory(exif, _GPS_IFD)


def _directory(exif: Image.Exif, tag: int) -> _Tags:
    try:
        return exif.get_ifd(tag)
    except _DAMAGED:
        return {}


def _taken(main: _Tags, details: _Tags, xmp: Mapping[str, str]) -> tuple[str | None, int | None]:
    """The first time that can be true, most trusted first."""
    for written, offset in _times(main, details, xmp):
        if match := _TIME.match(_text(written) or ""):
            try:
                taken = datetime(*(int(part or 0) for part in match.groups()))  # type: ignore[arg-type]
            except ValueError:
                continue
            if taken.isoformat() not in _NO_CLOCK:
                return taken.isoformat(), _offset(offset)
    return None, None


def _times(main: _Tags, details: _Tags, xmp: Mapping[str, str]) -> Iterator[tuple[Any, Any]]:
    """Times as they are written, each with its offset; XMP writes both in one string."""
    yield details.get(_TAKEN[0]), details.get(_TAKEN[1])
    for name in ("exif:DateTimeOriginal", "photoshop:DateCreated"):
        yield xmp.get(name), xmp.get(name, "")[10:]
    yield details.get(_DIGITISED[0]), details.get(_DIGITISED[1])
    yield xmp.get("xmp:CreateDate"), xmp.get("xmp:CreateDate", "")[10:]
    yield main.get(_CHANGED[0]), details.get(_CHANGED[1])


def _offset(written: Any) -> int | None:
    text = _text(written) or ""
    if text.endswith("Z"):
        return 0
    if not (match := _OFFSET.search(text)):
        return None
    minutes = int(match[2]) * 60 + int(match[3])
    return int(f"{match[1]}{minutes}") if minutes <= _MAX_OFFSET_MINUTES else None


def _camera(make: str | None, model: str | None) -> str | None:
    """Make and model, of which many models already begin with the make."""
    if not make or not model:
        return model or make
    brand = make.split()[0].lower()
    return model if model.lower().startswith(brand) else f"{make} {model}"


def _place(gps: _Tags, xmp: Mapping[str, str]) -> tuple[float | None, float | None]:
    """Latitude and longitude, both or neither. 0, 0 is what a receiver without a fix writes."""
    latitude = _degrees(gps, _LATITUDE, 90)
    longitude = _degrees(gps, _LONGITUDE, 180)
    if latitude is None or longitude is None:
        latitude = _xmp_degrees(xmp.get("exif:GPSLatitude"), 90)
        longitude = _xmp_degrees(xmp.get("exif:GPSLongitude"), 180)
    if latitude is None or longitude is None or latitude == longitude == 0:
        return None, None
    return latitude, longitude


def _degrees(gps: _Tags, tags: tuple[int, int], limit: int) -> float | None:
    written, reference = gps.get(tags[0]), _text(gps.get(tags[1])) or ""
    if not isinstance(written, tuple) or not 1 <= len(written) <= 3:
        return None
    return _signed([_number(part) for part in written], reference[:1].upper(), limit)


def _xmp_degrees(written: str | None, limit: int) -> float | None:
    match = _COORDINATE.fullmatch(written or "")
    return (
        _signed([float(part or 0) for part in match.groups()[:3]], match[4], limit)
        if match
        else None
    )


def _signed(parts: list[float | None], reference: str, limit: int) -> float | None:
    """Degrees, minutes and seconds as one number; south and west are negative."""
    if reference not in (("N", "S") if limit == 90 else ("E", "W")):
        return None
    degrees = 0.0
    for part, unit in zip(parts, (1, 60, 3600), strict=False):
        if part is None or part < 0:
            return None
        degrees += part / unit
    if degrees > limit:
        return None
    return -degrees if reference in "SW" else degrees


def _altitude(gps: _Tags) -> float | None:
    metres = _number(gps.get(_ALTITUDE[0]))
    if metres is None or abs(metres) > _MAX_ALTITUDE_M:
        return None
    return -metres if gps.get(_ALTITUDE[1]) in (1, b"\x01") else metres


def _rating(*written: Any) -> int | None:
    """The first that is a whole number of stars; programs that edit pictures keep XMP current."""
    for value in written:
        stars = _number(value)
        if stars is not None and stars.is_integer() and -1 <= stars <= 5:
            return int(stars)
    return None


def _number(value: Any) -> float | None:
    """A finite number, or None; a rational of 0/0 is not a number."""
    try:
        number = float(value)
    except (TypeError, ValueError, ZeroDivisionError, OverflowError):
        return None
    return number if math.isfinite(number) else None


def _text(value: Any) -> str | None:
    """One short printable line, or None."""
    if isinstance(value, bytes):
        value = value.decode("utf-8", "replace")
    if not isinstance(value, str):
        return None
    value = value.split("\0", 1)[0]
    value = " ".join("".join(c if c.isprintable() else " " for c in value[: _MAX_TEXT + 1]).split())
    return value if 0 < len(value) <= _MAX_TEXT else None
