"""`auto`: the recommended model where it can be had, and the one that comes with Glimpse elsewhere.

What it returns has the name of the model that it found, so a library stays with that one.
"""

from collections.abc import Sequence

from indexer.embedders import hub, load_model
from indexer.embedders.base import Model, Notify
from indexer.embedders.recommended import DEFAULT
from indexer.errors import ModelUnavailableError, UnknownModelError

__all__ = ["load", "references"]


def references() -> Sequence[str]:
    """Nothing: `auto` stands alone."""
    return [""]


def load(reference: str, notify: Notify) -> Model:
    """The recommended model from the disk or the hub, or else `starter`."""
    if reference:
        raise UnknownModelError(f"`auto` takes nothing after it, not {reference!r}")
    assert DEFAULT.request is not None
    try:
        # Before open_clip is imported, which takes longer than an unreachable hub may.
        hub.fetch(DEFAULT.request, notify, "using `starter`, which needs no network")
    except ModelUnavailableError as error:
        notify(str(error))
        return load_model("starter", notify)
    return load_model(DEFAULT.name, notify)
