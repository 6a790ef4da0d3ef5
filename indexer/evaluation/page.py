"""An evaluation as one HTML file that asks nothing of the network: styles, plots and thumbnails are inside."""

import base64
from collections.abc import Callable, Sequence
from functools import cache
from html import escape
from pathlib import Path

from indexer.errors import GlimpseError, UsageError
from indexer.evaluation.plots import CLASSES, bar, curves
from indexer.evaluation.results import Answered, Comparison, Evaluation, Example, Task
from indexer.evaluation.table import difference, interval, number, verdict

__all__ = ["check_writable", "page", "write_page"]

Thumbnail = Callable[[int, int], bytes]
"""A JPEG of a photo, by its id and the edge of the square that it fits, in pixels."""
Image = Callable[[int], str]
"""A photo's markup, by its id."""

EDGE = 160
UNBOUNDED = ("alignment", "uniformity")
"""Figures that are no shares, which a bar from 0 to 1 would not show."""
STYLE = """
:root { color-scheme: light dark; --ink: #1c2126; --dim: #5b656f; --paper: #fff; --card: #f5f6f8;
  --one: #2767a8; --two: #c2601a; --right: #1d7a3e; --rule: #d6dade; }
@media (prefers-color-scheme: dark) { :root { --ink: #e8eaed; --dim: #a3acb5; --paper: #14171a;
  --card: #1e2226; --one: #6ba8e5; --two: #f0a05c; --right: #5fcf87; --rule: #3a4047; } }
body { font: 15px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--paper);
  max-width: 72rem; margin: 2rem auto; padding: 0 1rem; overflow-wrap: anywhere; }
h1 { font-size: 1.5rem; } h2 { font-size: 1.15rem; margin: 0; } p { margin: .3rem 0; }
section { background: var(--card); border-radius: 8px; padding: 1rem 1.2rem; margin: 1rem 0; }
table { border-collapse: collapse; } td, th { padding: .15rem .8rem .15rem 0; text-align: left;
  font-variant-numeric: tabular-nums; vertical-align: middle; font-weight: normal; }
.dim, th { color: var(--dim); } .parts { display: flex; flex-wrap: wrap; gap: 2rem; align-items: start; }
svg { display: block; } svg text { font-size: 11px; fill: var(--dim); }
.track { fill: var(--rule); } .grid { stroke: var(--rule); } .one { fill: var(--one); } .two { fill: var(--two); }
.whisker { stroke: var(--ink); stroke-width: 1.5; } .line { fill: none; stroke-width: 2; }
.line.one { stroke: var(--one); } .line.two { stroke: var(--two); stroke-dasharray: 6 4; }
.key { display: inline-block; width: .8em; height: .8em; margin-right: .4em; }
.key.one { background: var(--one); } .key.two { background: var(--two); }
.example { border-top: 1px solid var(--rule); padding: .6rem 0; }
.answers { display: flex; flex-wrap: wrap; gap: .6rem; }
figure { margin: 0; width: 142px; font-size: 12px; color: var(--dim); }
figure img { max-width: 100%; border: 3px solid transparent; box-sizing: border-box; border-radius: 4px; }
figure.right img { border-color: var(--right); } figure.right b { color: var(--right); }
summary { cursor: pointer; margin-top: .6rem; }
"""


def check_writable(path: Path) -> None:
    """Raise UsageError, before anything is measured, where a page cannot be written."""
    if path.is_dir() or not path.absolute().parent.is_dir():
        raise UsageError(f"no page can be written to {path}; name a file in a folder that is there")


def write_page(path: Path, evaluation: Evaluation, thumbnail: Thumbnail) -> None:
    """Write the page of an evaluation. Raises UsageError where it cannot be written."""
    try:
        path.write_text(page(evaluation, thumbnail), encoding="utf-8")
    except OSError as error:
        raise UsageError(f"{path} cannot be written: {error.strerror}") from error


def page(evaluation: Evaluation, thumbnail: Thumbnail) -> str:
    """The page; a photo that cannot be shown now is only named."""
    image = cache(lambda photo_id: _image(thumbnail, photo_id))
    first, *others = evaluation.spaces
    sections = []
    for task in first.tasks:
        same = [each for space in others for each in space.tasks if each.name == task.name]
        sections.append(_section(evaluation, [task, *same], image))
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta http-equiv="Content-Security-Policy" content="default-src \'none\'; img-src data:; '
        "style-src 'unsafe-inline'\">"
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{_shown(evaluation.library.name)}: retrieval quality</title>"
        f"<style>{STYLE}</style></head><body>{_head(evaluation)}{''.join(sections)}</body></html>\n"
    )


def _head(evaluation: Evaluation) -> str:
    spaces = "".join(
        f'<p><span class="key {kind}"></span>{_shown(space.space)} ({_shown(space.model)}), '
        f"{space.dim} dimensions, {_shown(space.index)} index</p>"
        for space, kind in zip(evaluation.spaces, CLASSES, strict=False)
    )
    notices = "".join(f'<p class="dim">{_shown(line)}</p>' for line in evaluation.notices)
    return (
        f"<h1>How well {_shown(str(evaluation.library))} answers</h1>{spaces}"
        f'<p class="dim">{evaluation.photos} photos, exact copies counted once. Whiskers are 95 % intervals: '
        f"a percentile bootstrap over queries, seed {evaluation.seed}.</p>{notices}"
    )


def _section(evaluation: Evaluation, tasks: Sequence[Task], image: Image) -> str:
    first = tasks[0]
    compared = {each.figure: each for each in evaluation.comparisons if each.task == first.name}
    rows = "".join(_rows(tasks, name, compared.get(name)) for name in first.figures)
    names = [space.space for space in evaluation.spaces]
    lines = [(name, task.curve) for name, task in zip(names, tasks, strict=False)]
    examples = "".join(_example(example, image) for example in first.examples)
    title = f"Examples in {_shown(names[0])}, from the best answered query to the worst"
    return (
        f'<section><h2>{_shown(first.name)}</h2><p class="dim">{_shown(first.how)}</p>'
        f'<div class="parts"><table>{rows}</table>{curves(lines) if first.curve else ""}</div>'
        + (f"<details open><summary>{title}</summary>{examples}</details>" if examples else "")
        + "</section>"
    )


def _rows(tasks: Sequence[Task], name: str, compared: Comparison | None) -> str:
    """A figure's rows: one for each space, and what they differ by."""
    rows: list[str] = []
    for task, kind in zip(tasks, CLASSES, strict=False):
        figure = task.figures.get(name)
        if figure is not None:
            head = _shown(name) if not rows else ""
            plot = bar(figure, kind) if name not in UNBOUNDED and figure.high is not None else ""
            rows.append(
                f"<tr><td>{head}</td><td>{plot}</td><td>{number(figure.value)}</td>"
                f'<td class="dim">{interval(figure)}</td></tr>'
            )
    if compared is not None:
        told, between = difference(compared)
        said = f"{told} ({between}); better: {verdict(compared)}" if between else told
        rows.append(f'<tr><td></td><td colspan="3" class="dim">difference {_shown(said)}</td></tr>')
    return "".join(rows)


def _example(example: Example, image: Image) -> str:
    asked = "" if example.photo_id is None else _figure(image(example.photo_id), "asked with this")
    answers = "".join(_answer(answer, image) for answer in example.answers)
    return (
        f'<div class="example"><p><b>{_shown(example.query)}</b> '
        f'<span class="dim">first right answer at {example.rank}</span></p>'
        f'<div class="answers">{asked}{answers}</div></div>'
    )


def _answer(answer: Answered, image: Image) -> str:
    mark = "<b>✓ right</b> " if answer.right else ""
    caption = f"{mark}{answer.score:.3f} {_shown(answer.path.name)}"
    return _figure(image(answer.photo_id), caption, "right" if answer.right else "wrong")


def _figure(picture: str, caption: str, kind: str = "asked") -> str:
    return f'<figure class="{kind}">{picture}<figcaption>{caption}</figcaption></figure>'


def _image(thumbnail: Thumbnail, photo_id: int) -> str:
    try:
        data = base64.b64encode(thumbnail(photo_id, EDGE)).decode()
    except GlimpseError as error:
        return f"<p>(not shown: {_shown(str(error))})</p>"
    return f'<img alt="" src="data:image/jpeg;base64,{data}">'


def _shown(text: str) -> str:
    """Text for the page: markup escaped, and control characters and bytes that are not UTF-8 spelled out."""
    plain = "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
    return escape(plain)
