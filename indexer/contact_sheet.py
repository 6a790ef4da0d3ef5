"""The results of a search as one HTML file: a grid that keeps the pictures' shapes, and where each photo lies."""

from collections.abc import Iterable
from pathlib import Path

from indexer.progress import OnStep, Watch, silently
from indexer.results import Answer, Hit
from indexer.standalone import COLOURS, Thumbnail, document, image, shown, write

__all__ = ["contact_sheet", "write_sheet"]

EDGE = 320
BUDGET = 64_000_000
"""Characters of pictures; photos beyond them are only named, so that a browser can still show the sheet."""
NARROWEST, WIDEST, STEPS = 0.4, 3.0, 100
"""Shapes, width over height, and into how many steps of 1 they are rounded: a class of the style sheet each."""
STYLE = """
* { box-sizing: border-box; }
body { font: 14px/1.45 system-ui, sans-serif; color: var(--ink); background: var(--paper); margin: 0;
  padding: 1.25rem clamp(.75rem, 3vw, 2rem); overflow-wrap: anywhere; }
h1 { font-size: 1.35rem; margin: 0 0 .15rem; } p { margin: .1rem 0; } .dim { color: var(--dim); }
ol { display: flex; flex-wrap: wrap; gap: 1.1rem .8rem; list-style: none; margin: 1.2rem 0; padding: 0; }
ol::after { content: ""; flex: 1000 1 0; }
li { flex: calc(var(--shape) * 100) 1 calc(var(--shape) * 12.5rem); min-width: 7.5rem;
  max-width: calc(var(--shape) * 20rem); }
a { color: inherit; text-decoration: none; display: block; }
.frame { display: flex; align-items: center; justify-content: center; aspect-ratio: var(--shape);
  background: var(--card); border-radius: 6px; overflow: hidden; }
.frame p { padding: .6rem; font-size: 12px; color: var(--dim); }
img { width: 100%; height: 100%; object-fit: contain; display: block; }
a:hover b, a:focus-visible b { color: var(--one); text-decoration: underline; }
a:focus-visible { outline: 2px solid var(--one); outline-offset: 3px; border-radius: 6px; }
.said { display: flex; flex-wrap: wrap; gap: 0 .5rem; justify-content: space-between; margin-top: .3rem; }
.said b { font-weight: 600; flex: 1 1 7rem; min-width: 0; }
.score { color: var(--dim); white-space: nowrap; font-variant-numeric: tabular-nums; }
.where { font-size: 12px; color: var(--dim); }
@media (max-width: 30rem) { ol { gap: .9rem .6rem; } li { flex-basis: calc(var(--shape) * 7rem); } }
@media print { li { break-inside: avoid; } }
"""


def write_sheet(
    path: Path, answer: Answer, thumbnail: Thumbnail, on_step: OnStep = silently
) -> None:
    """Write a contact sheet. Raises UsageError where it cannot be written."""
    write(path, contact_sheet(answer, thumbnail, on_step))


def contact_sheet(answer: Answer, thumbnail: Thumbnail, on_step: OnStep = silently) -> str:
    """The page; photos that cannot be shown now, and those beyond its size, are only named."""
    left = BUDGET
    frames: list[str] = []
    for hit in Watch(on_step).over(answer, len(answer), "drawing the sheet"):
        frame = image(thumbnail, hit.photo_id, EDGE) if left > 0 else ""
        left -= len(frame)
        frames.append(frame)
    items = "".join(_item(hit, frame) for hit, frame in zip(answer, frames, strict=True))
    style = COLOURS + STYLE + _shapes(answer)
    body = f"{_head(answer, sum(map(bool, frames)))}<main><ol>{items}</ol></main>"
    return document(answer.query, style, body)


def _head(answer: Answer, pictured: int) -> str:
    count = f"{len(answer)} of {answer.total} photos, in space {shown(answer.space)}"
    lines = [count, *map(shown, answer.notices)]
    if pictured < len(answer):
        lines.append(f"The first {pictured} are shown, the others named, to keep this page small.")
    told = "".join(f'<p class="dim">{line}</p>' for line in lines)
    return f"<header><h1><bdi>{shown(answer.query)}</bdi></h1>{told}</header>"


def _item(hit: Hit, frame: str) -> str:
    photo = hit.photo
    score = " ".join(filter(None, (f"{hit.score:.3f}", hit.relevance)))
    taken = f"{shown(photo.taken_at.replace('T', ' '))}<br>" if photo.taken_at else ""
    return (
        f'<li class="{_shape(hit)}"><a href="{shown(photo.path.as_uri())}">'
        f'<div class="frame">{frame}</div><span class="said"><b><bdi>{shown(photo.path.name)}</bdi></b> '
        f'<span class="score">{score}</span></span></a>'
        f'<p class="where">{taken}<bdi>{shown(str(photo.path.parent))}</bdi></p></li>'
    )


def _shapes(hits: Iterable[Hit]) -> str:
    """A rule for each shape among the photos."""
    used = sorted({_shape(hit) for hit in hits})
    return "".join(f".{name} {{ --shape: {int(name[1:]) / STEPS:g}; }}\n" for name in used)


def _shape(hit: Hit) -> str:
    width, height = hit.photo.width or 1, hit.photo.height or 1
    return f"s{round(min(max(width / height, NARROWEST), WIDEST) * STEPS)}"
