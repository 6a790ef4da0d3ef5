"""Any mode and colour profile that Pillow opens -> 8-bit RGB in sRGB, on white."""

from functools import lru_cache
from io import BytesIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageCms

__all__ = ["to_srgb"]

_DEEP_MODES = frozenset({"I", "F", "I;16", "I;16L", "I;16B", "I;16N"})
_GREY_MODES = frozenset({"L", "LA", "La"})
_PROFILE_MODES = {"RGB": "RGB", "GRAY": "L", "CMYK": "CMYK"}
"""Colour space in the header of an ICC profile -> the mode that it describes."""
_INVISIBLE = 2
"""A profile that moves no colour by more levels than this is sRGB under another name."""


def to_srgb(image: Image.Image) -> Image.Image:
    """Convert to mode RGB in sRGB: deep greys scaled, transparency on white, profile applied."""
    profile = image.info.get("icc_profile")
    if image.mode in _DEEP_MODES:
        image = Image.fromarray(_to_eight_bits(np.asarray(image)))
    if image.has_transparency_data:
        image = _on_white(image)
    if image.mode not in _PROFILE_MODES.values():
        image = image.convert("L" if image.mode == "1" else "RGB")
    transform = _transform(profile, image.mode) if isinstance(profile, bytes) else None
    if transform is None:
        return _in_mode(image, "RGB")
    return transform.apply(_in_mode(image, transform.input_mode))


def _in_mode(image: Image.Image, mode: str) -> Image.Image:
    return image if image.mode == mode else image.convert(mode)  # convert() would copy


def _to_eight_bits(values: NDArray[np.generic]) -> NDArray[np.uint8]:
    """Scale greys to 0-255, telling from the values what is white, as no file says it.

    White is 65535 at 16 bits; at more, the least of 1 (floats only), 255 and 65535 that holds all
    values. Where none does, or some are negative, they span what lies between their extremes.
    """
    if values.dtype.itemsize == 2:
        return (values.astype(np.uint16) >> 8).astype(np.uint8)
    wide = np.nan_to_num(values.astype(np.float32), nan=0.0, posinf=0.0, neginf=0.0)
    low, high = float(wide.min()), float(wide.max())
    whites = [1.0] * (values.dtype.kind == "f") + [255.0, 65535.0]
    if low < 0 or high > whites[-1]:
        wide -= low
        white = max(high - low, 1e-12)
    else:
        white = next(white for white in whites if high <= white)
    return (wide * np.float32(255 / white) + np.float32(0.5)).astype(np.uint8)


def _on_white(image: Image.Image) -> Image.Image:
    """Composite on white, the page that most transparent pictures are drawn for."""
    opaque, layered = ("L", "LA") if image.mode in _GREY_MODES else ("RGB", "RGBA")
    layer = image.convert(layered)
    white = Image.new(opaque, image.size, "white")
    white.paste(layer.convert(opaque), mask=layer.getchannel("A"))
    return white


@lru_cache(maxsize=16)
def _transform(profile: bytes, mode: str) -> ImageCms.ImageCmsTransform | None:
    """The way from an embedded profile to sRGB; None where there is nothing to do.

    A profile that is broken, or that describes another kind of picture, is ignored, as browsers do.
    """
    try:
        embedded = ImageCms.ImageCmsProfile(BytesIO(profile))
        described = _PROFILE_MODES.get(embedded.profile.xcolor_space.strip(), "")
        # Greys with the profile of an RGB workspace are common, and well defined.
        if described != mode and (mode, described) != ("L", "RGB"):
            return None
        srgb = ImageCms.createProfile("sRGB")
        transform = ImageCms.buildTransform(embedded, srgb, described, "RGB")
        return None if _is_invisible(transform) else transform
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError):
        return None


def _is_invisible(transform: ImageCms.ImageCmsTransform) -> bool:
    """Whether a transform changes RGB or grey so little that it can be left out."""
    if transform.input_mode not in ("RGB", "L"):
        return False
    levels = np.linspace(0, 255, 9).astype(np.uint8)
    cube = np.stack(np.meshgrid(levels, levels, levels), axis=-1).reshape(27, 27, 3)
    before = Image.fromarray(cube).convert(transform.input_mode)
    change = np.asarray(transform.apply(before)).astype(int) - np.asarray(before.convert("RGB"))
    return int(np.abs(change).max()) <= _INVISIBLE
