"""Opening a picture by what its file holds, whatever its name; what goes wrong becomes a reason."""

import re
import struct
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import BinaryIO

from PIL import Image

from indexer.errors import PictureError
from indexer.pictures.sniffing import START, not_a_picture

__all__ = ["FORMATS", "failures_as_reasons", "open_picture"]

FORMATS = {
    "JPEG": "PIL.JpegImagePlugin",  # MPO too
    "PNG": "PIL.PngImagePlugin",
    "WEBP": "PIL.WebPImagePlugin",
    "GIF": "PIL.GifImagePlugin",
    "TIFF": "PIL.TiffImagePlugin",
    "BMP": "PIL.BmpImagePlugin",
    "AVIF": "PIL.AvifImagePlugin",
    "JPEG2000": "PIL.Jpeg2KImagePlugin",
    "PPM": "PIL.PpmImagePlugin",
    "HEIF": "pillow_heif.HeifImagePlugin",
}
"""Every format that is read, by Pillow's name, and the plugin that reads it.

A plugin is imported when the first file comes that no earlier one accepts, for start-up time.
"""

_NOT_OPENED = (SyntaxError, IndexError, TypeError, KeyError, EOFError, struct.error)
"""What a plugin of Pillow raises on opening a file that is damaged, or not of its format."""
_TOO_MUCH_MEMORY = "decoding it takes more memory than allowed (worker_memory_mb)"
_OUT_OF_MEMORY = re.compile("out of memory|memory allocation|bad_alloc", re.IGNORECASE)
_TRUNCATED = re.compile("truncated|end of|not enough|premature|incomplete", re.IGNORECASE)


def open_picture(file: BinaryIO) -> Image.Image:
    """Open by content, decoding nothing; Image.open has a limit of pixels that is not ours to change.

    `file` is at its start, and stays open as long as the image. Raises PictureError.
    """
    start, damaged = file.read(START), None
    for name, plugin in FORMATS.items():
        import_module(plugin)
        factory, accepts = Image.OPEN[name]
        if accepts is None or accepts(start[:16]) is not True:
            continue
        file.seek(0)
        try:
            return factory(file, "")
        except _NOT_OPENED:  # but go on: AVIF and HEIF share a signature
            damaged = f"damaged, or of a kind that is not read ({name})"
    raise PictureError(not_a_picture(start) or damaged or "not a picture")


@contextmanager
def failures_as_reasons() -> Iterator[None]:
    """Damaged files make decoders raise almost anything, and warn; both end here."""
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", module=r"(PIL|pillow_heif|rawpy)\b")
            yield
    except PictureError:
        raise
    except Exception as error:
        raise PictureError(_reason(error)) from error


def _reason(error: Exception) -> str:
    message = " ".join(str(error).split())[:100] or type(error).__name__
    if isinstance(error, MemoryError) or _OUT_OF_MEMORY.search(message):
        return _TOO_MUCH_MEMORY
    if isinstance(error, Image.DecompressionBombError):
        return "more pixels than Pillow allows here (PIL.Image.MAX_IMAGE_PIXELS)"
    if isinstance(error, EOFError) or _TRUNCATED.search(message):
        return "truncated"
    return f"damaged ({message})"
