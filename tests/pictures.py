"""Pictures to encode and compare."""

import io
from typing import Any

import numpy as np
import pillow_heif
from PIL import Image

from indexer.pictures.decoding import Limits

pillow_heif.register_heif_opener()

LIMITS = Limits()


def scene(width: int = 96, height: int = 64) -> Image.Image:
    """A colourful picture that no turn or mirroring leaves as it is."""
    y, x = np.mgrid[0:height, 0:width]
    red = 255 * x / (width - 1)
    green = 255 * y / (height - 1)
    blue = np.where(x + y < width / 2, 220, 30)
    return Image.fromarray(np.stack([red, green, blue], axis=-1).astype(np.uint8))


def encoded(image: Image.Image, format: str, **options: Any) -> bytes:
    out = io.BytesIO()
    image.save(out, format, **options)
    return out.getvalue()


def difference(image: Image.Image, other: Image.Image) -> float:
    """Mean absolute difference, in levels of 255."""
    assert (image.mode, image.size) == (other.mode, other.size)
    return float(np.abs(np.asarray(image, float) - np.asarray(other, float)).mean())


def stored_as(orientation: int) -> Image.Image:
    """The scene as a camera stores it that relies on the EXIF orientation."""
    upright = np.asarray(scene())
    stored = {
        1: upright,
        2: upright[:, ::-1],
        3: np.rot90(upright, 2),
        4: upright[::-1],
        5: upright.transpose(1, 0, 2),
        6: np.rot90(upright, 1),
        7: np.rot90(upright, 2).transpose(1, 0, 2),
        8: np.rot90(upright, -1),
    }[orientation]
    return Image.fromarray(np.ascontiguousarray(stored))


def orientation_exif(orientation: int) -> bytes:
    exif = Image.Exif()
    exif[0x0112] = orientation
    return exif.tobytes()


def camera_file(
    camera: str | None = None,
    lens: str | None = None,
    taken: str | None = None,
    place: tuple[float, float] | None = None,
    rating: int | None = None,
    size: tuple[int, int] = (64, 48),
) -> bytes:
    """A red JPEG that knows of itself what a camera writes; `place` is latitude and longitude in degrees."""
    exif = Image.Exif()
    exif.update({tag: value for tag, value in ((0x0110, camera), (0x4746, rating)) if value})
    details = ((0xA434, lens), (0x9003, taken))
    exif.get_ifd(0x8769).update({tag: value for tag, value in details if value})
    if place:
        latitude, longitude = place
        exif.get_ifd(0x8825).update(
            {
                1: "N" if latitude >= 0 else "S",
                2: (abs(latitude), 0.0, 0.0),
                3: "E" if longitude >= 0 else "W",
                4: (abs(longitude), 0.0, 0.0),
            }
        )
    return encoded(Image.new("RGB", size, (220, 20, 20)), "JPEG", exif=exif.tobytes())
