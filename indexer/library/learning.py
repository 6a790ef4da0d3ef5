"""Learning from a library's pictures, and measuring how well they are found."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, cast

from indexer.embedders.base import Notify
from indexer.errors import GlimpseError
from indexer.evaluation import Evaluation, EvaluationOptions
from indexer.learning import TrainOptions, TrainReport
from indexer.library.opened import Opened
from indexer.progress import OnStep, silently
from indexer.spaces import RUNS

if TYPE_CHECKING:
    from indexer.library import Library
    from indexer.train.loop import Step

__all__ = ["Learning"]

USUAL = TrainOptions()
FINISHED_RUNS = f"{RUNS}/*/run.json"
NOTHING_KNOWN = EvaluationOptions()


def _training() -> Callable[..., TrainReport]:
    """What trains; deferred, since it imports PyTorch and optional packages."""
    try:
        from indexer.learning.training import learn
    except ModuleNotFoundError as error:
        package = (error.name or "").partition(".")[0]
        raise GlimpseError(
            f"training needs the package {package}; install it with: pip install 'glimpse[train]'"
        ) from error
    return learn


class Learning(Opened):
    """`train` and `eval`."""

    def train(
        self,
        method: str,
        paths: str | Path | Sequence[str | Path],
        options: TrainOptions = USUAL,
        *,
        space: str | None = None,
        on_step: OnStep = silently,
        on_train: Callable[["Step"], object] = silently,
        notify: Notify = silently,
    ) -> TrainReport:
        """Learn from pictures by `simclr`, `moco`, `byol` or `clip`; the result is a model for `build`.

        `on_step` is told how far all but training itself is, `on_train` hears of each step of training. With
        `heads_only`, `space` says whose vectors to learn from. Raises UsageError, ModelError, or GlimpseError where
        packages are missing or training diverges; what was kept goes on with `resume`.
        """
        from indexer.roots import several  # deferred for start-up time

        learn, folders = _training(), several(paths)
        return learn(self, self._config, method, folders, options, space, on_step, on_train, notify)

    def runs(self) -> list[str]:
        """The models that `train` made here, by name: `run:NAME`, in order of names."""
        return [f"run:{path.parent.name}" for path in sorted(self.folder.glob(FINISHED_RUNS))]

    def evaluate(
        self,
        options: EvaluationOptions = NOTHING_KNOWN,
        *,
        space: str | None = None,
        on_step: OnStep = silently,
        notify: Notify = silently,
    ) -> Evaluation:
        """Retrieval quality and speed on the library's own photos, by what the user knows of them.

        `on_step` is told how far each measurement is, `notify` gets a line on what was left out. Raises UsageError
        for files that cannot be read or fit no photo, and NoTextError where words are asked of a space without text.
        """
        # Deferred for start-up time: no search needs it.
        from indexer.evaluation.run import evaluate

        return evaluate(cast("Library", self), space, options, on_step, notify)
