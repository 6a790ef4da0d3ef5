"""An evaluation on the terminal."""

from collections.abc import Iterator

from rich.markup import escape
from rich.table import Table

from indexer.evaluation.results import Comparison, Evaluation, Figure

__all__ = ["difference", "interval", "number", "tables", "verdict"]


def tables(evaluation: Evaluation) -> Iterator[Table]:
    """The figures of each space, then of both side by side."""
    for space in evaluation.spaces:
        title = f"space {space.space} ({space.model}), {evaluation.photos} photos"
        table = _table(escape(title), "measure", "", "value", "95 % interval", "queries")
        for task in space.tasks:
            name = task.name
            for figure, found in task.figures.items():
                queries = str(task.queries or "")
                table.add_row(name, figure, number(found.value), interval(found), queries)
                name = ""
        yield table
    if evaluation.comparisons:
        one, other = (space.space for space in evaluation.spaces)
        heads = (one, other, "difference", "95 % interval", "better")
        table = _table("side by side", "measure", "", *map(escape, heads))
        last = ""
        for each in evaluation.comparisons:
            name, last = ("" if each.task == last else each.task), each.task
            values = number(each.value), number(each.other)
            table.add_row(name, each.figure, *values, *difference(each), escape(verdict(each)))
        yield table


def _table(title: str, *heads: str) -> Table:
    table = Table(box=None, title=title, title_justify="left")
    for head in heads:
        table.add_column(head, justify="left" if head in ("measure", "", "better") else "right")
    return table


def number(value: float) -> str:
    """Shares to three places, larger numbers to one."""
    return f"{value:.3f}" if abs(value) < 10 else f"{value:.1f}"


def interval(figure: Figure) -> str:
    """Low to high, or nothing."""
    if figure.low is None or figure.high is None:
        return ""
    return f"{number(figure.low)} to {number(figure.high)}"


def difference(each: Comparison) -> tuple[str, str]:
    """The difference with its sign, and its interval."""
    told = f"{each.value - each.other:+.3f}"
    if each.low is None or each.high is None:
        return told, ""
    return told, f"{each.low:+.3f} to {each.high:+.3f}"


def verdict(each: Comparison) -> str:
    """The space that is better, as far as that can be told."""
    if each.low is None:
        return ""
    return each.better or "cannot be told"
