"""Small plots as inline SVG; colours come from the page's style sheet, by the classes `one` and `two`."""

import math
from collections.abc import Sequence
from html import escape

from indexer.evaluation.results import Figure

__all__ = ["CLASSES", "bar", "curves"]

CLASSES = ("one", "two")
"""Of the first space and of the second."""

BAR_WIDTH, BAR_HEIGHT = 240, 14
WIDTH, HEIGHT = 460, 240
LEFT, RIGHT, TOP, BOTTOM = 40, 12, 12, 36

Curve = Sequence[tuple[int, float]]


def bar(figure: Figure, kind: str) -> str:
    """A share from 0 to 1 as a bar, with its interval as a whisker."""
    middle, length = BAR_HEIGHT / 2, BAR_WIDTH * figure.value
    parts = [
        f'<rect class="track" width="{BAR_WIDTH}" height="{BAR_HEIGHT}"/>',
        f'<rect class="{kind}" width="{length:.1f}" height="{BAR_HEIGHT}"/>',
    ]
    if figure.low is not None and figure.high is not None:
        low, high = BAR_WIDTH * figure.low, BAR_WIDTH * figure.high
        parts.append(
            f'<path class="whisker" d="M{low:.1f} 3V{BAR_HEIGHT - 3}M{low:.1f} {middle}H{high:.1f}'
            f'M{high:.1f} 3V{BAR_HEIGHT - 3}"/>'
        )
    return _svg(BAR_WIDTH, BAR_HEIGHT, f"{figure.value:.3f} of 1", "".join(parts))


def curves(lines: Sequence[tuple[str, Curve]]) -> str:
    """The share of queries with a right answer among the first k, over k on a logarithmic axis; a line a space."""
    most = max(k for _, points in lines for k, _ in points)
    parts = [_grid(most, [k for k, _ in lines[0][1]])]
    for (name, points), kind in zip(lines, CLASSES, strict=False):
        path = " ".join(f"{_x(k, most):.1f},{_y(share):.1f}" for k, share in points)
        parts.append(f'<polyline class="line {kind}" points="{path}"/>')
        parts += [
            f'<circle class="{kind}" cx="{_x(k, most):.1f}" cy="{_y(share):.1f}" r="3">'
            f"<title>{escape(name)}: {share:.3f} at k = {k}</title></circle>"
            for k, share in points
        ]
    names = " and ".join(name for name, _ in lines)
    return _svg(WIDTH, HEIGHT, f"Recall at k of {names}", "".join(parts))


def _grid(most: int, ticks: Sequence[int]) -> str:
    parts = []
    for share in (0.0, 0.25, 0.5, 0.75, 1.0):
        y = _y(share)
        parts.append(f'<path class="grid" d="M{LEFT} {y:.1f}H{WIDTH - RIGHT}"/>')
        parts.append(f'<text x="{LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{share:g}</text>')
    for k in ticks:
        x = _x(k, most)
        parts.append(f'<text x="{x:.1f}" y="{HEIGHT - 18}" text-anchor="middle">{k}</text>')
    middle = (LEFT + WIDTH - RIGHT) / 2
    parts.append(f'<text x="{middle}" y="{HEIGHT - 3}" text-anchor="middle">first k answers</text>')
    return "".join(parts)


def _x(k: int, most: int) -> float:
    return LEFT + (WIDTH - RIGHT - LEFT) * math.log(k) / math.log(max(most, 2))


def _y(share: float) -> float:
    return HEIGHT - BOTTOM - (HEIGHT - BOTTOM - TOP) * share


def _svg(width: int, height: int, label: str, content: str) -> str:
    return (
        f'<svg role="img" aria-label="{escape(label)}" width="{width}" height="{height}" '
        f'viewBox="0 0 {width} {height}">{content}</svg>'
    )
