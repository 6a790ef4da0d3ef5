"""The verb `eval`: read what is known, ask one space or two, and sum up."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from indexer.embedders.base import Notify
from indexer.errors import NoTextError, UsageError
from indexer.evaluation.asking import Asking, Measured
from indexer.evaluation.compare import compare, figures
from indexer.evaluation.gallery import read_gallery
from indexer.evaluation.questions import read_questions
from indexer.evaluation.results import (
    Comparison,
    Evaluation,
    EvaluationOptions,
    SpaceResult,
    Task,
)
from indexer.progress import OnStep, Watch
from indexer.results import SpaceStatus

if TYPE_CHECKING:
    from indexer.library import Library

__all__ = ["evaluate"]

CURVE = (1, 2, 3, 5, 10, 20, 50, 100)


def evaluate(
    library: "Library",
    space: str | None,
    options: EvaluationOptions,
    on_step: OnStep,
    notify: Notify,
) -> Evaluation:
    """Measure a space, and a second one on the same photos and queries where one is named.

    Raises UsageError where what is known does not fit the library, and NoTextError where words are to be asked of a
    space without text.
    """
    notices: dict[str, None] = {}

    def tell(line: str) -> None:
        if line not in notices:  # two spaces may be told the same
            notices[line] = None
            notify(line)

    status = library.status()
    spaces = _spaces(library, space, options.against)
    gallery = read_gallery(library, [each.name for each in spaces], options.folder)
    questions = read_questions(gallery, [root.path for root in status.roots], options, tell)
    if questions.captions or questions.categories:
        _check_text(spaces, status.spaces)
    measured = []
    for each in spaces:
        asking = Asking(library, each, gallery, options.seed, Watch(on_step), tell, notify)
        found = [*asking.quality(questions), *(asking.speed(questions) if options.speed else ())]
        measured.append(found)
    results = [
        _result(each, found, options.seed) for each, found in zip(spaces, measured, strict=True)
    ]
    return Evaluation(
        library.folder,
        len(gallery),
        tuple(results),
        tuple(_comparisons(spaces, measured, options.seed)),
        options.seed,
        tuple(notices),
    )


def _spaces(library: "Library", name: str | None, against: str | None) -> list[SpaceStatus]:
    """The spaces to measure. Raises UsageError for unknown ones, and for the same one twice."""
    found = [library.space(name)]
    if against is not None:
        found.append(library.space(against))
        if found[0].name == found[1].name:
            raise UsageError(
                f"space {against} against itself; name another with --space or --against"
            )
    return found


def _check_text(asked: Sequence[SpaceStatus], there: Sequence[SpaceStatus]) -> None:
    for space in asked:
        if not space.reads_text:
            readers = [each.name for each in there if each.reads_text]
            remedy = (
                f"ask with --space {readers[0]}"
                if readers
                else "build one that reads text with: glimpse build --model starter"
            )
            raise NoTextError(
                f"space {space.name} ({space.model}) reads no words, and captions and categories are words; {remedy}"
            )


def _result(space: SpaceStatus, measured: Sequence[Measured], seed: int) -> SpaceResult:
    tasks = []
    for found, examples in measured:
        curve = (
            [] if found.first is None else [(k, float((found.first <= k).mean())) for k in CURVE]
        )
        tasks.append(
            Task(found.task, found.how, found.queries, figures(found, seed), tuple(curve), examples)
        )
    return SpaceResult(space.name, space.model, space.dim, space.index, tuple(tasks))


def _comparisons(
    spaces: Sequence[SpaceStatus], measured: Sequence[Sequence[Measured]], seed: int
) -> Iterator[Comparison]:
    if len(spaces) < 2:
        return
    names = spaces[0].name, spaces[1].name
    others = {found.task: found for found, _ in measured[1]}
    for found, _ in measured[0]:
        if found.task in others:
            yield from compare(found, others[found.task], names, seed)
