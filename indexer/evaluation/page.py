"""An evaluation as one HTML file, with plots and thumbnails."""

from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path

from indexer.evaluation.plots import CLASSES, bar, curves
from indexer.evaluation.results import Answered, Comparison, Evaluation, Example, Task
from indexer.evaluation.table import difference, interval, number, verdict
from indexer.standalone import COLOURS, Thumbnail, document, shown, write
from indexer.standalone import image as photo_image

__all__ = ["page", "write_page"]

Image = Callable[[int], str]
"""A photo's markup, by its id."""

EDGE = 160
UNBOUNDED = ("alignment", "uniformity")
"""Figures that are no shares, which a bar from 0 to 1 would not show."""
STYLE = (
    COLOURS
    + """
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
)


def write_page(path: Path, evaluation: Evaluation, thumbnail: Thumbnail) -> None:
    """Write the page of an evaluation. Raises UsageError where it cannot be written."""
    write(path, page(evaluation, thumbnail))


def page(evaluation: Evaluation, thumbnail: Thumbnail) -> str:
    """The page; a photo that cannot be shown now is only named."""
    image = cache(lambda photo_id: photo_image(thumbnail, photo_id, EDGE))
    first, *others = evaluation.spaces
    sections = []
    for task in first.tasks:
        same = [each for space in others for each in space.tasks if each.name == task.name]
        sections.append(_section(evaluation, [task, *same], image))
    title = f"{evaluation.library.name}: retrieval quality"
    return document(title, STYLE, _head(evaluation) + "".join(sections))


def _head(evaluation: Evaluation) -> str:
    spaces = "".join(
        f'<p><span class="key {kind}"></span>{shown(space.space)} ({shown(space.model)}), '
        f"{space.dim} dimensions, {shown(space.index)} index</p>"
        for space, kind in zip(evaluation.spaces, CLASSES, strict=False)
    )
    notices = "".join(f'<p class="dim">{shown(line)}</p>' for line in evaluation.notices)
    return (
        f"<h1>How well {shown(str(evaluation.library))} answers</h1>{spaces}"
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
    title = f"Examples in {shown(names[0])}, from the best answered query to the worst"
    return (
        f'<section><h2>{shown(first.name)}</h2><p class="dim">{shown(first.how)}</p>'
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
            head = shown(name) if not rows else ""
            plot = bar(figure, kind) if name not in UNBOUNDED and figure.high is not None else ""
            rows.append(
                f"<tr><td>{head}</td><td>{plot}</td><td>{number(figure.value)}</td>"
                f'<td class="dim">{interval(figure)}</td></tr>'
            )
    if compared is not None:
        told, between = difference(compared)
        said = f"{told} ({between}); better: {verdict(compared)}" if between else told
        rows.append(f'<tr><td></td><td colspan="3" class="dim">difference {shown(said)}</td></tr>')
    return "".join(rows)


def _example(example: Example, image: Image) -> str:
    asked = "" if example.photo_id is None else _figure(image(example.photo_id), "asked with this")
    answers = "".join(_answer(answer, image) for answer in example.answers)
    return (
        f'<div class="example"><p><b>{shown(example.query)}</b> '
        f'<span class="dim">first right answer at {example.rank}</span></p>'
        f'<div class="answers">{asked}{answers}</div></div>'
    )


def _answer(answer: Answered, image: Image) -> str:
    mark = "<b>✓ right</b> " if answer.right else ""
    caption = f"{mark}{answer.score:.3f} {shown(answer.path.name)}"
    return _figure(image(answer.photo_id), caption, "right" if answer.right else "wrong")


def _figure(picture: str, caption: str, kind: str = "asked") -> str:
    return f'<figure class="{kind}">{picture}<figcaption>{caption}</figcaption></figure>'
