"""Photos that are the same, in groups: found aside once, and again when the library's photos have changed."""

from collections.abc import Iterable
from dataclasses import dataclass

from indexer import Filter, Library, Photo
from search_ui.tasks import job

__all__ = ["Copies", "extra_paths", "found", "task_for"]


@dataclass(frozen=True, slots=True)
class Copies:
    """A group of photos of which one is enough, the one worth keeping first."""

    kind: str
    """"exact": the same bytes; "near": the same picture."""
    photos: tuple[Photo, ...]
    reasons: tuple[str, ...]
    """Why the first is worth keeping, and what each other is to it."""

    @property
    def extra(self) -> tuple[Photo, ...]:
        """All but the first."""
        return self.photos[1:]

    @property
    def address(self) -> str:
        """What tells it from the other groups, in an address."""
        return str(self.photos[0].id)


_last: tuple[dict[str, str], list[Copies]] | None = None


def task_for(library: Library) -> dict[str, str]:
    """The task of finding the copies among all photos; another one when they have changed."""
    return {"duplicates": library.digest()}


def found(library: Library, task: dict[str, str]) -> list[Copies] | None:
    """What the task has found; None while it is still to be done."""
    global _last
    if _last is not None and _last[0] == task:
        return _last[1]
    done = job.latest("duplicates")
    if done is None or done.task != task or done.told.ended != "done":
        return None
    groups = done.told.found or ()
    only = tuple(id for _, ids, _ in groups for id in ids)
    known = {photo.id: photo for photo in library.photos(Filter(only=only))}
    copies = [
        Copies(kind, tuple(known[id] for id in ids), tuple(reasons))
        for kind, ids, reasons in groups
        if all(id in known for id in ids)
    ]
    _last = task, copies
    return copies


def extra_paths(groups: Iterable[Copies]) -> bytes:
    """The paths of all but the first photo of each group, one a line, as the system writes them."""
    return b"".join(bytes(photo.path) + b"\n" for group in groups for photo in group.extra)
