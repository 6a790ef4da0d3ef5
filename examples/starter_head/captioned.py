"""A picture and its words, and where they come from."""

from dataclasses import dataclass

from indexer.pictures.decoding import Source

__all__ = ["SOURCES", "Captioned"]

SOURCES = {
    "openclipart-png, openclipart-svg": "public domain (Open Clip Art Library, 0.18)",
    "fonts-noto-color-emoji, fonts-liberation, fonts-lato, fonts-comic-neue, fonts-quicksand, fonts-cantarell, "
    "fonts-ebgaramond": "SIL Open Font License 1.1",
    "fonts-open-sans": "Apache-2.0",
    "fonts-dejavu-core": "Bitstream Vera licence, and public domain",
    "Twemoji (Twitter, Inc. and others), EmojiOne 2 (Ranks.com)": "CC BY 4.0",
    "Firefox OS Emoji (Mozilla), Noto Emoji before 2017 (Google)": "Apache-2.0",
    "Fluent Emoji, flat and in 3D (Microsoft)": "MIT",
    "labels and tags of emoji: CLDR, through emojibase-data": "Unicode licence v3, MIT",
    "names of the ImageNet classes, from timm and open_clip": "Apache-2.0, MIT",
    "definitions of WordNet 3.0, from timm": "WordNet licence",
    "names of characters, from Python": "Unicode licence v3",
}
"""What the head learns from, and on which terms."""


@dataclass(frozen=True, slots=True)
class Captioned:
    """A picture on a transparent or white ground, and texts that say what it shows, the plainest first."""

    picture: Source
    texts: tuple[str, ...]
