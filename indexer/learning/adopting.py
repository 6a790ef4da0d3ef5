"""Whether a run's space takes the place of the library's default."""

import os
from collections.abc import Sequence
from pathlib import Path

from indexer.build_options import BuildOptions
from indexer.errors import LibraryNotFoundError, UsageError
from indexer.learning.heldout import is_better
from indexer.learning.lessons import Asking, Measured
from indexer.pipeline import Progress

__all__ = ["adopt", "default_space", "refuse_what_is_in_vain"]


def default_space(asking: Asking) -> str | None:
    """The library's default space; None where there is no library yet."""
    try:
        spaces = asking.library.status().spaces
    except LibraryNotFoundError:
        return None
    return next((space.name for space in spaces if space.is_default), None)


def refuse_what_is_in_vain(method: str, asking: Asking) -> None:
    """Raise UsageError where words would be lost: a space without them is never better than one with them."""
    default = default_space(asking)
    if default and method != "clip" and asking.library.space(default).reads_text:
        raise UsageError(
            f"--adopt: the default space {default} reads words, which {method} does not learn; "
            "leave it away, and adopt the run later with: glimpse build --model run:NAME --adopt"
        )


def adopt(
    model: str,
    folders: Sequence[bytes],
    after: Measured,
    theirs: Measured,
    seed: int,
    asking: Asking,
) -> bool:
    """Build the run's space and make it the default, where it is better than the default beyond chance."""
    default = default_space(asking)
    if default and not is_better(after, theirs, seed):
        asking.notify(f"not adopted: it is not better than {default} beyond chance")
        return False

    def tell(progress: Progress) -> None:
        asking.on_step(progress.stage, progress.done, progress.total)

    paths = () if default else [Path(os.fsdecode(folder)) for folder in folders]
    options = BuildOptions(model=model, adopt=True)
    asking.library.build(paths, options, on_progress=tell, notify=asking.notify)
    return True
