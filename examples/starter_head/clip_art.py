"""The Open Clip Art Library, as Debian carries it: drawings with titles, keywords and descriptions."""

import re
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree

from examples.starter_head.captioned import Captioned

__all__ = ["clip_art"]

_DC = "{http://purl.org/dc/elements/1.1/}"
_RDF = "{http://www.w3.org/1999/02/22-rdf-syntax-ns#}"
_SAYS_NOTHING = re.compile(
    r"part of the .*icon collection|etiquette icons|lemon svg theme|aiga.symbol.signs|svg gradient collection"
    r"|various cliparts|untitled|clipart|unsorted|gramastar|^title$|^card$",
    re.IGNORECASE,
)
_NO_WORDS = re.compile(r"hash ?\(|@|http|^eps ", re.IGNORECASE)
_OF_FILES = frozenset(
    [
        *[
            "hash",
            "computer",
            "icons",
            "theme",
            "magick",
            "icon",
            "unsorted",
            "action",
            "stock",
            "special",
            "mapsym",
        ],
        *["application", "svg", "clipart", "image", "musicstuff"],
        *("lemon theme icon", "clip art", "signs and symbols"),
    ]
)
"""Keywords that tell where a file lies, and nothing of what it shows."""
_LEFT_OUT = ("shapes/stars", "computer/icons")
"""1,400 stars of computed shapes, and icons of actions such as "insert cell copy"."""


def clip_art(folder: Path) -> Iterator[Captioned]:
    """The pictures of Debian's openclipart-png and openclipart-svg that say what they show."""
    for picture in sorted((folder / "png").rglob("*.png")):
        name = picture.relative_to(folder / "png").with_suffix("")
        drawing = folder / "svg" / name.with_suffix(".svg")
        if picture.is_symlink() or not drawing.is_file() or name.as_posix().startswith(_LEFT_OUT):
            continue
        if texts := _described(drawing):
            yield Captioned(picture, texts)


def _described(drawing: Path) -> tuple[str, ...]:
    """Title, file name, both with keywords, keywords, description; what says nothing left out."""
    found: dict[str, list[str]] = {"title": [], "description": [], "creator": [], "li": []}
    work = next((e for e in ElementTree.parse(drawing).iter() if e.tag.endswith("}Work")), None)
    for element in work if work is not None else ():
        match element.tag:
            case tag if tag in (f"{_DC}title", f"{_DC}description"):
                found[tag.removeprefix(_DC)].append(element.text or "")
            case tag if tag == f"{_DC}creator":
                found["creator"] += element.itertext()
            case tag if tag == f"{_DC}subject":
                found["li"] += [item.text or "" for item in element.iter(f"{_RDF}li")]
    author = " ".join(found["creator"]).lower()
    title = _title(" ".join(found["title"]))
    name = _file_name(drawing.stem, author)
    keywords = [k for k in map(_words, found["li"]) if k not in _OF_FILES and k not in author]
    plain = title or name
    if not plain:
        return ()
    texts = [plain, name or plain]
    if keywords:
        texts += [", ".join([plain, *keywords[:4]]), ", ".join(keywords)]
    description = " ".join(" ".join(found["description"]).split())
    return tuple(t for t in [*texts, description] if t and not _NO_WORDS.search(t))


def _title(text: str) -> str:
    text = re.sub(r"(?i)clip ?art by [^-]*- *", "", text)
    return "" if _SAYS_NOTHING.search(text) else _words(re.sub(r"(?<=[a-z])(?=[A-Z])", " ", text))


def _file_name(stem: str, author: str) -> str:
    """Without numbers, and without the author's name, which is cut off at 25 letters."""
    names = re.findall(r"[a-z]{3,}", author)
    words = [w for w in _words(stem).split() if len(w) > 1]
    return " ".join(w for w in words if not any(name.startswith(w) for name in names))


def _words(text: str) -> str:
    text = re.sub(r"[_\-.]+", " ", text.lower())
    return " ".join(re.sub(r"\b[a-z]?\d+\w*\b|(?<=[a-z])\d+\b", " ", text).split())
