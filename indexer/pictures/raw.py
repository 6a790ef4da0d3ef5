"""RAW files of cameras -> the preview that the camera itself developed, or a quick development."""

from dataclasses import dataclass
from io import BytesIO
from typing import TYPE_CHECKING

from PIL import ExifTags, Image

from indexer.errors import PictureError
from indexer.pictures.limits import Limits

if TYPE_CHECKING:
    import rawpy

__all__ = ["RAW_EXTENSIONS", "RawPicture", "is_raw", "open_raw"]

RAW_EXTENSIONS = frozenset(
    b".3fr .arw .cr2 .cr3 .crw .dcr .dng .erf .fff .iiq .kdc .mef .mos .mrw .nef .nrw .orf .pef"
    b" .raf .raw .rw2 .rwl .sr2 .srf .srw .x3f".split()
)
_SIGNATURES = (b"FUJIFILMCCD-RAW", b"IIRO", b"IIRS", b"MMOR", b"IIU\0", b"FOVb", b"\0MRM")
_TIFF_SIGNATURES = (b"II*\0", b"MM\0*")
_SUBFILE_TYPE, _PHOTOMETRIC, _DNG_VERSION = 254, 262, 50706
_REDUCED, _COLOUR_FILTER_ARRAY = 1, 32803
# LibRaw's code for how the camera was held -> EXIF's.
_ORIENTATIONS = {3: 3, 5: 8, 6: 6}


@dataclass(frozen=True, slots=True)
class RawPicture:
    """What stands for a RAW file."""

    image: Image.Image
    """Not transposed yet; the orientation in its EXIF is right."""
    width: int
    """Of the RAW picture itself, upright."""
    height: int
    exif: Image.Exif | None


def is_raw(data: bytes, suffix: bytes = b"") -> bool:
    """Whether these are the bytes of a RAW file; `suffix` of its name helps where bytes do not."""
    if data.startswith(_TIFF_SIGNATURES):
        return suffix in RAW_EXTENSIONS or data[8:10] == b"CR" or _is_raw_tiff(data)
    return data.startswith(_SIGNATURES) or data[4:12] == b"ftypcrx "


def _is_raw_tiff(data: bytes) -> bool:
    """Whether a TIFF is a container for a RAW image: its first image a preview or a mosaic."""
    tags = _container_exif(data)
    return tags is not None and (
        _DNG_VERSION in tags
        or tags.get(_SUBFILE_TYPE) == _REDUCED
        or tags.get(_PHOTOMETRIC) == _COLOUR_FILTER_ARRAY
    )


def open_raw(data: bytes, limits: Limits, at_least: int | None) -> RawPicture:
    """Open the preview; where there is none, or one too small, develop the sensor's own picture.

    `at_least` is the shortest edge that will be needed. Raises PictureError.
    """
    try:
        # For start-up time, and because it is optional.
        import rawpy
    except ImportError as error:
        raise PictureError('RAW files need `pip install "glimpse[raw]"`') from error
    try:
        with rawpy.imread(BytesIO(data)) as raw:
            size = _upright_size(raw)
            limits.check_pixels(*size)
            image = _preview(raw)
            if image is None or min(image.size) < min(at_least or 0, min(size) // 2):
                image = Image.fromarray(raw.postprocess(half_size=True, use_camera_wb=True))
    except rawpy.LibRawError as error:
        raise PictureError(
            "a damaged RAW file, or of a camera that LibRaw does not know"
        ) from error
    return RawPicture(image, *size, _container_exif(data))


def _upright_size(raw: "rawpy.RawPy") -> tuple[int, int]:
    sizes = raw.sizes
    turned = _ORIENTATIONS.get(sizes.flip, 1) >= 5
    return (sizes.height, sizes.width) if turned else (sizes.width, sizes.height)


def _preview(raw: "rawpy.RawPy") -> Image.Image | None:
    import rawpy

    try:
        preview = raw.extract_thumb()
    except (rawpy.LibRawNoThumbnailError, rawpy.LibRawUnsupportedThumbnailError):
        return None
    if preview.format == rawpy.ThumbFormat.JPEG:
        image: Image.Image = Image.open(BytesIO(preview.data), formats=("JPEG",))
    else:
        image = Image.fromarray(preview.data)
    # The preview's own word counts; most say nothing, and lie as the sensor lay.
    image.getexif().setdefault(ExifTags.Base.Orientation, _ORIENTATIONS.get(raw.sizes.flip, 1))
    return image


def _container_exif(data: bytes) -> Image.Exif | None:
    """The EXIF of the RAW file itself: a preview has little, or what LibRaw made up."""
    if not data.startswith(_TIFF_SIGNATURES):
        return None
    exif = Image.Exif()
    try:
        exif.load_from_fp(BytesIO(data))
    except (OSError, SyntaxError, ValueError, TypeError, KeyError):
        return None
    return exif
