"""Emoji as several hands have drawn them, with CLDR's labels and tags."""

import json
import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from rich.progress import track

from examples.starter_head.captioned import Captioned

__all__ = ["emoji"]

SETS = ("fxemoji", "noto-v1", "twemoji", "fluent-emoji-flat", "emojione")
"""Packages of @iconify-json: Firefox OS, Noto before 2017, Twemoji, Fluent, EmojiOne 2."""
EDGE = 300
"""Of what is drawn, in pixels."""
_PARTS = 2
"""The group of hair and skin tones, which are no pictures by themselves."""


@dataclass(frozen=True, slots=True)
class Label:
    """What an emoji is called."""

    name: str
    tags: tuple[str, ...] = ()

    @property
    def texts(self) -> tuple[str, ...]:
        """The name, twice as likely as the same with tags."""
        name = re.sub("^flag: ", "flag of ", self.name.lower()).replace(":", " ")
        if not self.tags:
            return (name, name)
        return (name, name, ", ".join([name, *self.tags[:4]]), ", ".join(self.tags))


def emoji(packages: Path) -> Iterator[Captioned]:
    """Those of `SETS` and of Fluent in 3D, in a `node_modules`; without those of other skins."""
    by_code = _labels(packages)
    by_slug = {_slug(label.name): label for label in by_code.values()}
    for family in SETS:
        yield from _drawn(packages / "@iconify-json" / family, by_slug)
    for picture in sorted((packages / "@lobehub" / "fluent-emoji-3d" / "assets").glob("*.webp")):
        if label := by_code.get(_plain(picture.stem)):
            yield Captioned(picture, label.texts)


def _labels(packages: Path) -> dict[str, Label]:
    """CLDR's, by the code points in hexadecimal."""
    known = json.loads((packages / "emojibase-data" / "en" / "data.json").read_text())
    return {
        _plain(each["hexcode"].lower()): Label(each["label"], tuple(each.get("tags", ())))
        for each in known
        if each.get("group") not in (None, _PARTS)
    }


def _drawn(family: Path, labels: dict[str, Label]) -> Iterator[Captioned]:
    icons = json.loads((family / "icons.json").read_text())
    for name, icon in track(icons["icons"].items(), family.name):
        label = labels.get(name)
        if label is None and family.name == "fluent-emoji-flat":
            continue  # a skin tone
        if icon.get("hidden") or "skin-tone" in name:
            continue
        yield Captioned(
            _rendered(icons | icon),
            (label or Label(name.replace("-", " "))).texts,
        )


def _rendered(icon: dict[str, object]) -> bytes:
    """The PNG of an icon in Iconify's JSON, with what the set says of all where the icon says nothing."""
    box = " ".join(str(icon.get(key, usual)) for key, usual in _BOX.items())
    svg = (
        '<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink"'
        f' viewBox="{box}" width="{EDGE}" height="{EDGE}">{icon["body"]}</svg>'
    )
    command = ["rsvg-convert", "--background-color", "white"]
    return subprocess.run(command, input=svg.encode(), stdout=subprocess.PIPE, check=True).stdout


_BOX = {"left": 0, "top": 0, "width": 16, "height": 16}


def _plain(code: str) -> str:
    """Without the selector that asks for colours, which some file names have."""
    return code.replace("-fe0f", "")


def _slug(label: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", re.sub("['\u2019]", "", label.lower())).strip("-")
