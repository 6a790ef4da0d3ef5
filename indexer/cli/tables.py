"""What the command shows for reading, as lines and tables."""

from collections.abc import Iterable, Iterator, Mapping

from rich.table import Table
from rich.text import Text

from indexer import BuildReport, KnownModel, State, Status, TrainReport
from indexer.amounts import readable_size
from indexer.build_summary import out_of_reach, summary
from indexer.printable import printable

__all__ = [
    "build_lines",
    "models_table",
    "status_tables",
    "tags_table",
    "training",
    "watch_line",
]


def build_lines(report: BuildReport) -> Iterator[str]:
    """What a build did, a line for each thing that happened, and what can be done about it."""
    yield summary(report)
    yield from _kept(report)
    if report.failed:
        yield f"{report.failed} files were skipped; see: glimpse errors"


def watch_line(report: BuildReport) -> str:
    """What a build did while watching, in one line."""
    return "; ".join((summary(report), *_kept(report)))


def _kept(report: BuildReport) -> Iterator[str]:
    yield from out_of_reach(report)
    if report.kept:
        yield "to forget them: glimpse build --yes"


def status_tables(status: Status, sizes: Mapping[str, int]) -> Iterator[Table]:
    """Roots, spaces and sizes."""
    states = list(State)
    title = f"library {status.folder}"
    if status.catalog != str(status.folder):
        title += f", catalog {status.catalog}"
    roots = Table("root", *states, "", box=None, title=title, title_justify="left")
    for root in status.roots:
        counts = [str(root.counts.get(state, 0)) for state in states]
        roots.add_row(printable(root.path), *counts, root.offline_reason or "")
    yield roots
    spaces = Table("space", "model", "dim", "text", "vectors", "index", "recall", "", box=None)
    for space in status.spaces:
        spaces.add_row(
            space.name,
            space.model,
            str(space.dim),
            "yes" if space.reads_text else "no",
            str(space.vectors),
            space.index,
            f"{space.recall:.3f}",
            "default" if space.is_default else "",
        )
    yield spaces
    yield Table(", ".join(f"{part} {readable_size(n)}" for part, n in sizes.items()), box=None)


def tags_table(counts: Mapping[str, int]) -> Table:
    """Tags, with the number of photos that have each."""
    table = Table("tag", "photos", box=None)
    for label, count in counts.items():
        table.add_row(Text(label), str(count))
    return table


def training(report: TrainReport) -> Table:
    """What came of training: retrieval on the held-out pictures, a column for each model."""
    title = (
        f"{report.model}: {report.method} on {report.pictures} pictures, {report.steps} steps in "
        f"{report.seconds / 60:.1f} min, loss {report.loss:.4f}; measured on {report.held_out} held out"
    )
    table = Table(
        "", *report.retrieval, box=None, title=title, title_justify="left", title_style=""
    )
    tasks = dict.fromkeys(task for figures in report.retrieval.values() for task in figures)
    for task in tasks:
        values = (figures.get(task) for figures in report.retrieval.values())
        table.add_row(task, *("" if value is None else f"{value:.3f}" for value in values))
    return table


def models_table(models: Iterable[KnownModel]) -> Table:
    """The models that we recommend."""
    table = Table("model", "dim", "text", "download", "licence", "for", box=None)
    for model in models:
        where = "on disk" if model.on_disk else f"{model.megabytes} MB"
        text = "yes" if model.reads_text else "no"
        table.add_row(model.name, str(model.dim), text, where, model.licence, model.why)
    return table
