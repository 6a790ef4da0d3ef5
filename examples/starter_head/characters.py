"""Characters of fonts, with their names in Unicode."""

import re
import unicodedata
from collections.abc import Iterator
from pathlib import Path
from string import ascii_letters, digits

from PIL import Image, ImageDraw, ImageFont

from examples.starter_head.captioned import Captioned

__all__ = ["characters"]

FONTS = Path("/usr/share/fonts")
EMOJI_FONT = FONTS / "truetype/noto/NotoColorEmoji.ttf"
"""Debian's fonts-noto-color-emoji."""
LETTER_FONTS = [
    *(f"truetype/liberation/Liberation{style}.ttf" for style in ("Sans-Regular", "Sans-Bold")),
    *(f"truetype/liberation/Liberation{style}.ttf" for style in ("Serif-Regular", "Serif-Bold")),
    *(f"truetype/lato/Lato-{style}.ttf" for style in ("Regular", "Black")),
    *(f"truetype/open-sans/OpenSans-{style}.ttf" for style in ("Bold", "CondLight", "Italic")),
    *(f"opentype/comic-neue/ComicNeue-{style}.otf" for style in ("Regular", "Bold")),
    *(f"truetype/quicksand/Quicksand-{style}.ttf" for style in ("Regular", "Bold")),
    "opentype/cantarell/Cantarell-Bold.otf",
    *(f"opentype/ebgaramond/EBGaramond12-{style}.otf" for style in ("Regular", "Bold")),
]
"""Debian's fonts-liberation, -lato, -open-sans, -comic-neue, -quicksand, -cantarell, -ebgaramond."""
SYMBOL_FONT = FONTS / "truetype/dejavu/DejaVuSans.ttf"
"""Debian's fonts-dejavu-core, for symbols alone."""


def characters() -> Iterator[Captioned]:
    """Emoji in colour; letters, digits and symbols in sixteen fonts, filled and in outline."""
    emoji = ImageFont.truetype(EMOJI_FONT, 109)  # the one size that the font has
    for code in (*range(0x2600, 0x27C0), *range(0x1F300, 0x1FB00)):
        yield from _character(chr(code), emoji, outline=False)
    symbols = "".join(map(chr, (*range(0x2190, 0x219A), *range(0x25A0, 0x27C0))))
    text = ascii_letters + digits + "äöüÄÖÜßñÑéèçÉÇÅåØø" + "+-\u00d7\u00f7=<>?!&%#@$€£¥¢*/"
    for path in LETTER_FONTS:
        font = ImageFont.truetype(FONTS / path, 200)
        for character in text:
            yield from _character(character, font, outline=False)
            yield from _character(character, font, outline=True)
    font = ImageFont.truetype(SYMBOL_FONT, 200)
    for character in symbols:
        yield from _character(character, font, outline=False)


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
    yield Captioned(picture, texts)


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
