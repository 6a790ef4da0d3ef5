"""Pictures that are free to use, with words for each: the Open Clip Art Library, and characters of fonts."""

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from string import ascii_letters, digits
from xml.etree import ElementTree

from PIL import Image, ImageDraw, ImageFont

__all__ = ["SOURCES", "Captioned", "characters", "clip_art"]

SOURCES = {
    "openclipart-png, openclipart-svg": "public domain (Open Clip Art Library, 0.18)",
    "fonts-noto-color-emoji": "SIL Open Font License 1.1",
    "fonts-liberation": "SIL Open Font License 1.1",
    "fonts-dejavu-core": "Bitstream Vera licence, and public domain",
    "names of the ImageNet classes, from timm and open_clip": "Apache-2.0, MIT",
    "definitions of WordNet 3.0, from timm": "WordNet licence",
    "names of characters, from Python": "Unicode licence v3",
}
"""What the head learned from, and on which terms."""
EMOJI_FONT = Path("/usr/share/fonts/truetype/noto/NotoColorEmoji.ttf")
"""Debian's fonts-noto-color-emoji; SIL Open Font License 1.1."""
LETTER_FONTS = [
    Path(f"/usr/share/fonts/truetype/liberation/Liberation{style}.ttf")
    for style in ("Sans-Regular", "Sans-Bold", "Serif-Regular", "Serif-Bold")
]
"""Debian's fonts-liberation; SIL Open Font License 1.1."""
SYMBOL_FONT = Path("/usr/share/fonts/truetype/dejavu/DejaVuSans.ttf")
"""Debian's fonts-dejavu-core; the licence of Bitstream Vera."""

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


@dataclass(frozen=True, slots=True)
class Captioned:
    """A picture on a transparent or white ground, and texts that say what it shows, the plainest first."""

    name: str
    picture: Path | Image.Image
    texts: tuple[str, ...]


def clip_art(folder: Path) -> Iterator[Captioned]:
    """The pictures of Debian's openclipart-png and openclipart-svg that say what they show."""
    for picture in sorted((folder / "png").rglob("*.png")):
        name = picture.relative_to(folder / "png").with_suffix("")
        drawing = folder / "svg" / name.with_suffix(".svg")
        if picture.is_symlink() or not drawing.is_file() or name.as_posix().startswith(_LEFT_OUT):
            continue
        if texts := _described(drawing):
            yield Captioned(name.as_posix(), picture, texts)


def characters() -> Iterator[Captioned]:
    """Emoji in colour; letters, digits and symbols in four fonts, filled and in outline."""
    emoji = ImageFont.truetype(EMOJI_FONT, 109)  # the one size that the font has
    for code in (*range(0x2600, 0x27C0), *range(0x1F300, 0x1FB00)):
        yield from _character(chr(code), emoji, outline=False)
    symbols = "".join(map(chr, (*range(0x2190, 0x219A), *range(0x25A0, 0x27C0))))
    text = ascii_letters + digits + "äöüÄÖÜßñÑéèçÉÇÅåØø" + "+-\u00d7\u00f7=<>?!&%#@$€£¥¢*/"
    for path in LETTER_FONTS:
        font = ImageFont.truetype(path, 200)
        for character in text:
            yield from _character(character, font, outline=False)
            yield from _character(character, font, outline=True)
    font = ImageFont.truetype(SYMBOL_FONT, 200)
    for character in symbols:
        yield from _character(character, font, outline=False)


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


def _character(character: str, font: ImageFont.FreeTypeFont, outline: bool) -> Iterator[Captioned]:
    name = unicodedata.name(character, "").lower()
    if not name or "modifier" in name or _mask(character, font) == _mask("\U0010ffff", font):
        return
    left, top, right, bottom = font.getbbox(character, stroke_width=6 if outline else 0)
    if right - left < 10 or bottom - top < 4:
        return
    edge = int(max(right - left, bottom - top)) + 20
    picture = Image.new("RGB", (edge, edge), "white")
    ImageDraw.Draw(picture).text(
        ((edge - left - right) / 2, (edge - top - bottom) / 2),
        character,
        font=font,
        fill="white" if outline else "black",
        stroke_width=6 if outline else 0,
        stroke_fill="black" if outline else None,
        embedded_color=not outline,
    )
    texts = tuple(_called(character, name))
    yield Captioned(texts[0], picture, texts)


def _mask(character: str, font: ImageFont.FreeTypeFont) -> bytes:
    return bytes(font.getmask(character))


def _called(character: str, name: str) -> list[str]:
    """A Unicode name in the words of a search."""
    if "letter " in name:
        letter = name.partition("letter ")[2]
        size = "capital" if "capital" in name else "small"
        texts = [f"the letter {letter}", f"{size} letter {letter}"]
        return texts + [f"the letter {letter[0]} with an umlaut"] * ("diaeresis" in letter)
    if name.startswith("digit "):
        digit = name.removeprefix("digit ")
        return [digit, f"the number {digit}", f"the number {character}"]
    return [re.sub(r"\b(black|white|heavy|light) ", "", name).replace("-", " ")]
