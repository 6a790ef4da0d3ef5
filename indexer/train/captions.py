"""Where the captions of pictures come from, for training that needs words: files, the pictures themselves, folders.

It needs no PyTorch, so that a mistake in a name is told at once.
"""

import difflib
import logging
import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path, PurePath

from indexer.annotations import CAPTION_FILES, match_names, read_captions
from indexer.errors import PictureError, UsageError
from indexer.pictures.descriptions import read_descriptions
from indexer.pictures.limits import Limits
from indexer.pictures.reading import read_file
from indexer.progress import OnStep, Watch, silently
from indexer.prompts import fill
from indexer.train.wording import caption, folder_name

__all__ = ["SOURCES", "TEMPLATES", "gather"]

log = logging.getLogger(__name__)

SOURCES = ("sidecar", "embedded", "folders")
TEMPLATES = ("a photo of a {}.",)
SIDECAR_LIMITS = Limits(max_file_mb=0.1)
"""A larger text beside a picture is not its captions."""


def gather(
    paths: Sequence[bytes],
    sources: Sequence[str],
    roots: Sequence[bytes],
    *,
    templates: Sequence[str] = TEMPLATES,
    limits: Limits | None = None,
    on_step: OnStep = silently,
) -> list[list[str]]:
    """The captions of each picture, in the order of the sources, none twice; perhaps none at all.

    A source is a file of captions (.tsv, .csv, .jsonl), or one of `SOURCES`: `sidecar`, lines of a text beside the
    picture (a.txt or a.jpg.txt for a.jpg); `embedded`, what the picture's EXIF, XMP and IPTC say; `folders`, the
    nearest folder below its root whose name says something, put into `templates`. `paths` and `roots` are absolute.

    Raises UsageError for a source that is not known, cannot be read, or fits no picture, and for a template
    without {}.
    """
    _check(sources, templates)
    found: list[dict[str, None]] = [{} for _ in paths]
    for source in sources:
        told = _told(source, paths, roots, templates, limits or Limits())
        watched = Watch(on_step).over(told, len(paths), f"captions: {source}")
        cleaned = [list(filter(None, map(caption, texts))) for texts in watched]
        if not any(cleaned):
            log.info("%s gives no captions for any of %d pictures", source, len(paths))
        for captions, new in zip(found, cleaned, strict=True):
            captions.update(dict.fromkeys(new))
    return [list(captions) for captions in found]


def _check(sources: Sequence[str], templates: Sequence[str]) -> None:
    """Raise UsageError before anything is read."""
    there = f"there are: {', '.join(SOURCES)}, and files ({', '.join(CAPTION_FILES)})"
    if not sources:
        raise UsageError(f"no source of captions is named; {there}")
    for source in sources:
        if source not in SOURCES and Path(source).suffix.lower() not in CAPTION_FILES:
            near = difflib.get_close_matches(source, SOURCES, n=1)
            remedy = f"did you mean {near[0]}?" if near else there
            raise UsageError(f"no captions come from {source!r}; {remedy}")
    for template in templates:
        fill(template, "")


def _told(
    source: str,
    paths: Sequence[bytes],
    roots: Sequence[bytes],
    templates: Sequence[str],
    limits: Limits,
) -> Iterator[Iterable[str]]:
    """What a source says of each picture."""
    match source:
        case "sidecar":
            return map(_beside, paths)
        case "embedded":
            return (_inside(path, limits) for path in paths)
        case "folders":
            return (_around(path, roots, templates) for path in paths)
    return iter(_listed(Path(source), paths))


def _listed(file: Path, paths: Sequence[bytes]) -> list[list[str]]:
    found: list[list[str]] = [[] for _ in paths]
    files = ((PurePath(os.fsdecode(path)), number) for number, path in enumerate(paths))
    for number, said in match_names(files, read_captions(file), log.warning):
        found[number].append(said)
    return found


def _beside(path: bytes) -> list[str]:
    lines: list[str] = []
    for text in (os.path.splitext(path)[0] + b".txt", path + b".txt"):
        if os.path.lexists(text):
            try:
                data, _ = read_file(text, SIDECAR_LIMITS, follow_links=False)
            except PictureError as error:
                log.warning("%s is left out: %s", os.fsdecode(text), error)
                continue
            lines += data.decode("utf-8-sig", "replace").splitlines()
    return lines


def _inside(path: bytes, limits: Limits) -> list[str]:
    try:
        return read_descriptions(path, limits)
    except PictureError as error:
        log.info("%s says nothing of itself: %s", os.fsdecode(path), error)
        return []


def _around(path: bytes, roots: Sequence[bytes], templates: Sequence[str]) -> list[str]:
    """The nearest folder below the root that says something; where no root covers it, the one it lies in."""
    above = max((r for r in roots if path.startswith(os.path.join(r, b""))), key=len, default=None)
    folder = os.path.dirname(path)
    outermost = os.path.dirname(folder) if above is None else above
    for part in reversed(os.fsdecode(os.path.relpath(folder, outermost)).split(os.sep)):
        if name := folder_name(part):
            return [fill(template, name) for template in templates]
    return []
