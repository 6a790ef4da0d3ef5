"""A filter is data: which photos may answer. `conditions.py` makes SQL of it."""

import math
import re
from dataclasses import dataclass, field, fields
from datetime import datetime
from typing import NamedTuple

from storage.errors import UsageError

__all__ = ["ORIENTATIONS", "Circle", "Filter"]

DATE = re.compile(r"\d{4}(-\d\d(-\d\d(T\d\d(:\d\d(:\d\d)?)?)?)?)?")
FIRST_MOMENT = "0001-01-01T00:00:00"
NUMBER = r"\s*([+-]?\d+(?:\.\d*)?)\s*"
NEAR = re.compile(f"{NUMBER},{NUMBER},{NUMBER}(?:km)?")
SIZE = re.compile(r"(\d+(?:\.\d*)?)\s*(|B|kB|MB|GB)", re.IGNORECASE)
UNITS = {"": 1, "b": 1, "kb": 10**3, "mb": 10**6, "gb": 10**9}
LARGEST = 1 << 60
"""Bytes; no file is larger, and every database takes it for a number."""
STARS = range(-1, 6)
"""XMP's ratings; -1 is that of photos that were sorted out."""
ORIENTATIONS = ("landscape", "portrait", "square")


class Circle(NamedTuple):
    """A place and what is near it."""

    latitude: float
    """Degrees, north positive."""
    longitude: float
    """Degrees, east positive."""
    km: float
    """Along the ground."""


def _option(help: str) -> str | None:
    return field(default=None, metadata={"help": help})


def _number(help: str) -> float | None:
    return field(default=None, metadata={"help": help})


def _several(help: str) -> tuple[str, ...]:
    return field(default=(), metadata={"help": help})


def _switch(help: str) -> bool:
    return field(default=False, metadata={"help": help})


@dataclass(frozen=True, slots=True)
class Filter:
    """Which photos may answer; every field that is set must hold.

    Dates are "2023", "2023-05", "2023-05-01" or "2023-05-01T17:30", compared with the wall clock where the
    picture was taken. What a photo does not know of itself never passes: without a date no date filter, without
    a place no `near`. Raises UsageError for a value that makes no sense.
    """

    after: str | None = _option("Taken at or after this date: 2023, 2023-05 or 2023-05-01.")
    before: str | None = _option("Taken before this date.")
    folder: str | None = _option("In this folder or below.")
    path: str | None = _option("With this text in the path, in any case.")
    camera: str | None = _option("Part of the camera's name.")
    lens: str | None = _option("Part of the lens's name.")
    near: str | None = _option('Taken near a place: "LATITUDE,LONGITUDE,KM".')
    format: str | None = _option("Such as JPEG or HEIC.")
    orientation: str | None = _option("landscape, portrait or square.")
    min_size: str | None = _option("A file of at least this size: 500kB, 2MB.")
    max_size: str | None = _option("A file of at most this size.")
    min_megapixels: float | None = _number("A picture of at least so many megapixels.")
    min_rating: int | None = field(default=None, metadata={"help": "At least so many stars."})
    tag: tuple[str, ...] = _several("With this tag; repeat it for photos that have all of them.")
    without_tag: tuple[str, ...] = _several("Without this tag.")
    include_offline: bool = _switch("Also photos whose root cannot be reached at the moment.")
    only: tuple[int, ...] | None = None
    """Ids of photos: no others."""

    def __post_init__(self) -> None:
        for name in ("after", "before"):
            _check_date(name, getattr(self, name))
        for name in ("min_size", "max_size"):
            _check(name, getattr(self, name), SIZE, "a size such as 500kB or 2MB")
        _check("near", self.near, NEAR, "LATITUDE,LONGITUDE,KM such as 48.86,2.35,10")
        circle = self.circle()
        if circle and not (abs(circle.latitude) <= 90 and abs(circle.longitude) <= 180):
            raise UsageError(
                f"near {self.near!r} is no place: latitude ends at 90, longitude at 180"
            )
        if circle and circle.km < 0:
            raise UsageError(f"near {self.near!r}: a distance is at least 0 km")
        if self.orientation not in (None, *ORIENTATIONS):
            raise UsageError(f"orientation {self.orientation!r}: it is {', '.join(ORIENTATIONS)}")

        if self.min_rating is not None and self.min_rating not in STARS:
            raise UsageError(
                f"min_rating {self.min_rating!r}: it is from {STARS[0]} to {STARS[-1]}"
            )
        if self.min_megapixels is not None and not 0 <= self.min_megapixels < math.inf:
            raise UsageError(f"min_megapixels {self.min_megapixels!r}: it is a number from 0 up")

    def is_empty(self) -> bool:
        """Whether every photo that is present passes."""
        return all(getattr(self, field.name) == field.default for field in fields(self))

    def circle(self) -> Circle | None:
        """`near`, as numbers."""
        found = NEAR.fullmatch(self.near) if self.near else None
        return Circle(*(float(number) for number in found.groups())) if found else None

    def bytes_between(self) -> tuple[int | None, int | None]:
        """`min_size` and `max_size`, in bytes."""
        return _bytes(self.min_size), _bytes(self.max_size)


def _check(name: str, value: str | None, pattern: re.Pattern[str], wanted: str) -> None:
    if value is not None and not pattern.fullmatch(value):
        raise UsageError(f"{name} {value!r} is not {wanted}")


def _check_date(name: str, value: str | None) -> None:
    _check(name, value, DATE, "a date such as 2023, 2023-05 or 2023-05-01")
    try:
        datetime.fromisoformat((value or "") + FIRST_MOMENT[len(value or "") :])
    except ValueError:
        raise UsageError(f"{name} {value!r} is a day or an hour that there is not") from None


def _bytes(size: str | None) -> int | None:
    found = SIZE.fullmatch(size) if size else None
    return int(min(float(found[1]) * UNITS[found[2].lower()], LARGEST)) if found else None
