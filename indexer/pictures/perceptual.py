"""A perceptual hash: 64 bits that stay nearly the same when a picture is encoded or scaled anew.

The signs of the lowest frequencies of the discrete cosine transform (Zauner 2010, "Implementation and benchmarking
of perceptual image hash functions"), compared with zero and not with their median: then turning or mirroring a
picture only moves and flips bits, and `turned` gives the hash of each without the picture.
"""

from functools import cache

import numpy as np
from numpy.typing import NDArray
from PIL import Image

__all__ = ["BITS", "SYMMETRIES", "perceptual_hash", "turned"]

BITS = 64
_EDGE = 32
_SIDE = 8
_FLAT = 2.0
"""Coefficients below this, in levels of 255 over the whole picture, are noise; their bits are 0."""

SYMMETRIES = tuple((turns, mirrored) for mirrored in (False, True) for turns in range(4))
"""Quarter turns anticlockwise after mirroring left to right, in the order of `turned`."""

Bits = NDArray[np.uint8]


def perceptual_hash(image: Image.Image) -> bytes:
    """The hash of an RGB picture, 8 bytes; its shape does not matter."""
    # `reducing_gap` averages large pictures first: ten times as fast, and no bit changes.
    small = image.resize((_EDGE, _EDGE), Image.Resampling.BILINEAR, reducing_gap=2.0).convert("L")
    coefficients = _transform() @ np.asarray(small, np.float32) @ _transform().T
    coefficients[0, 0] = 0  # the mean says nothing of the shape
    return np.packbits(coefficients > _FLAT * _EDGE / 32).tobytes()


def turned(hashes: Bits) -> Bits:
    """Hashes (n, 8) of pictures -> (8, n, 8), those of the same pictures by each of SYMMETRIES."""
    bits = np.unpackbits(hashes, axis=1).reshape(-1, _SIDE, _SIDE).astype(bool)
    odd = np.arange(_SIDE) % 2 == 1
    out = []
    for turns, mirrored in SYMMETRIES:
        turn = bits ^ odd[None, None, :] if mirrored else bits
        for _ in range(turns):  # a quarter turn anticlockwise transposes, then flips top and bottom
            turn = turn.transpose(0, 2, 1) ^ odd[None, :, None]
        turn = turn.copy()
        turn[:, 0, 0] = False
        out.append(np.packbits(turn.reshape(-1, BITS), axis=1))
    return np.stack(out)


@cache
def _transform() -> NDArray[np.float32]:
    """The first rows of the orthonormal DCT-II of `_EDGE` points."""
    k, x = np.arange(_SIDE)[:, None], np.arange(_EDGE)[None]
    rows = np.cos(np.pi * k * (2 * x + 1) / (2 * _EDGE)) * np.sqrt(2 / _EDGE)
    rows[0] /= np.sqrt(2)
    return np.asarray(rows, np.float32)
