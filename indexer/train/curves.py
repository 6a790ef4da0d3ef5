"""The curves of a run: a picture of them, and events for TensorBoard."""

from collections.abc import Callable, Sequence
from pathlib import Path

from indexer.train.loop import Step

__all__ = ["draw", "tensorboard"]

AXIS = ("step", "seconds", "pictures")


def draw(rows: Sequence[dict[str, float]], path: Path, title: str) -> None:
    """A PNG with one panel for each thing that was watched."""
    # Deferred: a second, which training itself need not wait for. The object interface opens no window.
    from matplotlib.figure import Figure

    names = [name for name in rows[0] if name not in AXIS]
    figure = Figure(figsize=(8, 2.2 * len(names)), layout="constrained")
    figure.suptitle(title)
    pictures = [row["pictures"] for row in rows]
    for number, name in enumerate(names, start=1):
        panel = figure.add_subplot(len(names), 1, number)
        panel.plot(pictures, [row[name] for row in rows], linewidth=1)
        panel.set_ylabel(name.replace("_", " "))
        panel.grid(alpha=0.3)
        if number == len(names):
            panel.set_xlabel("pictures seen")
    figure.savefig(path, dpi=110)


def tensorboard(folder: Path, first: int) -> Callable[[Step], None]:
    """A listener that writes each step for TensorBoard; a run that resumes replaces what came after `first`."""
    from torch.utils.tensorboard import SummaryWriter  # deferred: an optional package

    writer = SummaryWriter(str(folder), purge_step=first)

    def write(step: Step) -> None:
        for name, value in step.row().items():
            if name not in AXIS:
                writer.add_scalar(name, value, step.number)
        if step.share >= 1:
            writer.close()

    return write
