"""A part of a picture."""

from typing import NamedTuple, Self

from PIL import Image

from indexer.errors import QueryError

__all__ = ["Region"]

SMALLEST = 0.01


class Region(NamedTuple):
    """A part of a picture, in fractions of its upright width and height."""

    left: float
    top: float
    width: float
    height: float

    @classmethod
    def checked(cls, box: tuple[float, float, float, float]) -> Self:
        """Raise QueryError for a box that is no part of a picture."""
        region = cls(*(float(side) for side in box))
        inside = region.left + region.width <= 1.0001 and region.top + region.height <= 1.0001
        if min(region.left, region.top) < 0 or not inside:
            raise QueryError(f"region {region} leaves the picture, which goes from 0 to 1")
        if min(region.width, region.height) < SMALLEST:
            raise QueryError(f"region {region} is too small; the least side is {SMALLEST}")
        return region

    def cut(self, image: Image.Image) -> Image.Image:
        """The part of an upright picture."""
        width, height = image.size
        left, top = int(self.left * width), int(self.top * height)
        right = max(left + 1, round((self.left + self.width) * width))
        bottom = max(top + 1, round((self.top + self.height) * height))
        return image.crop((left, top, min(right, width), min(bottom, height)))

    def __str__(self) -> str:
        return ",".join(f"{side:.4g}" for side in self)
