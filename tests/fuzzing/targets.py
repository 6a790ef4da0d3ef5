"""The doors for what comes from outside. Each takes bytes, and lets only what is not foreseen escape."""

import io
import tempfile
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import cast
from urllib.parse import parse_qs

import torch
from PIL import Image
from safetensors.torch import save

from indexer import Filter, Query
from indexer.embedders.checkpoints import read_state
from indexer.embedders.unwrapping import find
from indexer.errors import GlimpseError, PictureError, QueryError, UsageError
from indexer.pictures.decoding import decode
from indexer.pictures.limits import Limits

__all__ = ["TARGETS", "seeds"]

LIMITS = Limits(max_megapixels=4, max_file_mb=1, worker_memory_mb=500)
FILTERS = ("after", "before", "near", "min_size", "max_size", "orientation", "format", "path")


def decoding(data: bytes) -> None:
    """Bytes of a file, decoded with its metadata; the first byte says what the file is called."""
    suffix = (b".jpg", b".dng", b".heic", b".png")[data[0] % 4] if data else b""
    with suppress(PictureError):
        picture = decode(data[1:], LIMITS, 64, suffix)
        assert picture.image.mode == "RGB"
        assert min(picture.image.size) > 0


def checkpoints(data: bytes) -> None:
    """A file of weights, read and looked through for a layout that is known."""
    with tempfile.NamedTemporaryFile(suffix=".pth") as file, suppress(GlimpseError):
        file.write(data)
        file.flush()
        find(read_state(Path(file.name)))


def queries(data: bytes) -> None:
    """An expression; what is read can be written and read again, and means the same."""
    text = data.decode("utf-8", "replace")
    with suppress(QueryError):
        query = Query.parse(text)
        if not any(
            hasattr(term.what, "source") for term in query.terms
        ):  # a path may end in blanks
            assert str(Query.parse(str(query))) == str(query)


def filters(data: bytes) -> None:
    """Filters as an address gives them."""
    given = parse_qs(data.decode("utf-8", "replace"))
    with suppress(UsageError):
        where = Filter(**{name: given[name][0] for name in FILTERS if name in given})  # type: ignore[arg-type]
        low, high = where.bytes_between()
        assert (low or 0) >= 0
        assert (high or 0) >= 0


TARGETS: dict[str, Callable[[bytes], None]] = {
    each.__name__: each for each in (decoding, checkpoints, queries, filters)
}


def seeds(name: str) -> Iterator[bytes]:
    """Good inputs of a target, from which others are made."""
    yield from cast("Callable[[], Iterator[bytes]]", globals()[f"_{name}"])()


def _decoding() -> Iterator[bytes]:
    exif = Image.Exif()
    exif[0x010F], exif[0x0112] = "Maker", 6
    exif.get_ifd(0x8769)[0x9003] = "2023:05:01 17:30:00"
    exif.get_ifd(0x8825)[2] = (33.0, 51.0, 24.0)
    gradient = Image.linear_gradient("L").resize((40, 30))
    for mode, format in (
        ("RGB", "JPEG"),
        ("RGBA", "PNG"),
        ("P", "GIF"),
        ("RGB", "WEBP"),
        ("CMYK", "TIFF"),
    ):
        out = io.BytesIO()
        gradient.convert("RGB").convert(mode).save(
            out, format, **({"exif": exif} if format != "GIF" else {})
        )
        yield b"\0" + out.getvalue()


def _checkpoints() -> Iterator[bytes]:
    weights = {
        "module.encoder_q.conv1.weight": torch.zeros(4, 3, 3, 3),
        "module.queue": torch.zeros(2),
    }
    yield save(weights)
    out = io.BytesIO()
    torch.save({"state_dict": weights, "epoch": 3, "arch": "resnet50"}, out)
    yield out.getvalue()


def _queries() -> Iterator[bytes]:
    yield b'2:golden retriever + ./pool.jpg@0.1,0.2,0.5,0.4 - "fruit" + photo:12 - https://example.org/a.jpg'
    yield "Hände + .5:photo:3@0,0,1,1".encode()


def _filters() -> Iterator[bytes]:
    yield b"after=2023-05&before=2024&near=48.86,2.35,10km&min_size=500kB&max_size=2MB&orientation=square"
