"""What can be measured, and what measuring gives."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from indexer.options import option

__all__ = [
    "FOLDERS",
    "PARENTS",
    "TEMPLATES",
    "Answered",
    "Comparison",
    "Evaluation",
    "EvaluationOptions",
    "Example",
    "Figure",
    "SpaceResult",
    "Task",
]

FOLDERS, PARENTS = "folders", "parents"
TEMPLATES = (
    "a photo of a {}.",
    "a photo of the {}.",
    "a close-up photo of a {}.",
    "a photo of a small {}.",
    "a photo of a large {}.",
)


@dataclass(frozen=True, slots=True)
class EvaluationOptions:
    """What is known of the photos, and how to measure with it; with nothing known, only speed is measured."""

    labels: str | Path | None = option(
        None,
        "What each photo shows: the folder below its root, the one it lies in, or what a file says.",
        metavar="folders|parents|FILE",
    )
    captions: Path | None = option(
        None, "File names and captions: .tsv .csv .jsonl", metavar="FILE"
    )
    categories: Path | None = option(
        None, "Queries and the names of all files that answer: .json", metavar="FILE"
    )
    folder: Path | None = option(None, "Only photos below it.", metavar="DIR")
    against: str | None = option(None, "A second space, asked the same queries.", metavar="SPACE")
    templates: tuple[str, ...] = option(
        TEMPLATES,
        "For zero shot, a sentence in which {} stands for a label; repeatable.",
        name="--template",
    )
    queries: int = option(10_000, "Of one kind at most; where there are more, so many are drawn.")
    seed: int = option(0, "Of all that is drawn: queries, the probe's split, the resamples.")
    speed: bool = option(True, "Measure index and speed, too.")


@dataclass(frozen=True, slots=True)
class Figure:
    """One number."""

    value: float
    low: float | None = None
    high: float | None = None
    """The 95 % interval, where the number is a mean over queries."""


@dataclass(frozen=True, slots=True)
class Answered:
    """A photo among the answers of an example."""

    photo_id: int
    path: Path
    score: float
    right: bool


@dataclass(frozen=True, slots=True)
class Example:
    """A query, by words or by a photo, and its first answers."""

    query: str
    photo_id: int | None
    """The photo that was asked with; None where words were."""
    rank: int
    """Of the first right answer."""
    answers: tuple[Answered, ...]


@dataclass(frozen=True, slots=True)
class Task:
    """One kind of question, and how well it was answered."""

    name: str
    how: str
    """What was asked, and what counts as right."""
    queries: int
    figures: Mapping[str, Figure]
    curve: tuple[tuple[int, float], ...] = ()
    """k, and the share of queries with a right answer among the first k."""
    examples: tuple[Example, ...] = ()


@dataclass(frozen=True, slots=True)
class SpaceResult:
    """All that was measured in one space."""

    space: str
    model: str
    dim: int
    index: str
    tasks: tuple[Task, ...]


@dataclass(frozen=True, slots=True)
class Comparison:
    """One figure in two spaces, over the same queries."""

    task: str
    figure: str
    value: float
    other: float
    low: float | None
    high: float | None
    """The 95 % interval of `value - other`; None for figures that are no mean over queries."""
    better: str | None
    """The space that is better; None where the interval holds 0, or there is none."""


@dataclass(frozen=True, slots=True)
class Evaluation:
    """Everything: one space, or two with their comparison."""

    library: Path
    photos: int
    """Measured on; exact copies count once."""
    spaces: tuple[SpaceResult, ...]
    comparisons: tuple[Comparison, ...]
    seed: int
    notices: tuple[str, ...]
    """What was left out, drawn or cut."""

    def as_json(self) -> dict[str, Any]:
        """The figures as JSON types; the examples stay out."""
        return {
            "library": str(self.library),
            "photos": self.photos,
            "seed": self.seed,
            "spaces": [_space_as_json(space) for space in self.spaces],
            "comparison": [_comparison_as_json(each) for each in self.comparisons],
            "notices": list(self.notices),
        }


def _space_as_json(space: SpaceResult) -> dict[str, Any]:
    return {
        "space": space.space,
        "model": space.model,
        "dim": space.dim,
        "index": space.index,
        "tasks": {task.name.replace(" ", "_"): _task_as_json(task) for task in space.tasks},
    }


def _task_as_json(task: Task) -> dict[str, Any]:
    figures = {name: _figure_as_json(figure) for name, figure in task.figures.items()}
    recall = {"recall_curve": {str(k): share for k, share in task.curve}} if task.curve else {}
    return {"queries": task.queries, "how": task.how, "figures": figures, **recall}


def _figure_as_json(figure: Figure) -> dict[str, float]:
    if figure.low is None or figure.high is None:
        return {"value": figure.value}
    return {"value": figure.value, "low": figure.low, "high": figure.high}


def _comparison_as_json(each: Comparison) -> dict[str, Any]:
    return {
        "task": each.task.replace(" ", "_"),
        "figure": each.figure,
        "value": each.value,
        "other": each.other,
        "difference": each.value - each.other,
        "low": each.low,
        "high": each.high,
        "better": each.better,
    }
