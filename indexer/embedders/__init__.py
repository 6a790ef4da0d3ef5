"""Families of models, and the one place that chooses among them.

A family is registered by an entry point in the group `glimpse.embedders`: its name is the prefix,
its value a module as `indexer.embedders.base.Family` describes it. Ours are registered the same way.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from indexer.embedders.base import Family, Model, Notify
from indexer.embedders.names import did_you_mean
from indexer.errors import ModelError, UnknownModelError

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

__all__ = ["KnownModel", "all_names", "known_models", "load_model"]

GROUP = "glimpse.embedders"


@dataclass(frozen=True, slots=True)
class KnownModel:
    """One line of the list of models."""

    name: str
    dim: int
    reads_text: bool
    licence: str
    megabytes: int
    """Of the download; 0 where there is none."""
    on_disk: bool
    why: str


def load_model(name: str, notify: Notify) -> Model:
    """Load the model that a name stands for, such as `open_clip:ViT-B-32/openai`.

    Raises UnknownModelError, which names what is near, ModelUnavailableError or CheckpointError.
    """
    prefix, _, reference = name.strip().partition(":")
    entry = _families().get(prefix)
    if entry is None:
        raise UnknownModelError(f"no model is called {name!r}{_near(name)}")
    return _family(entry).load(reference, notify)


def known_models() -> Sequence[KnownModel]:
    """The models that we recommend; imports no framework, and touches no network."""
    # Deferred with huggingface_hub, of which only this list needs something.
    from indexer.embedders import hub
    from indexer.embedders.recommended import RECOMMENDED

    return [
        KnownModel(
            name=model.name,
            dim=model.dim,
            reads_text=model.reads_text,
            licence=model.licence,
            megabytes=model.megabytes,
            on_disk=model.request is None or hub.cached(model.request) is not None,
            why=model.why,
        )
        for model in RECOMMENDED
    ]


def all_names() -> Sequence[str]:
    """Every name that is known, some two thousand; imports every family, which takes seconds."""
    return [
        f"{prefix}:{reference}" if reference else prefix
        for prefix, entry in sorted(_families().items())
        for reference in _family(entry).references()
    ]


def _families() -> dict[str, "EntryPoint"]:
    # Deferred for start-up time: a library in use asks for no family.
    from importlib.metadata import entry_points

    return {entry.name: entry for entry in entry_points(group=GROUP)}


def _family(entry: "EntryPoint") -> Family:
    try:
        return cast("Family", entry.load())
    except ImportError as error:
        raise ModelError(f"models named {entry.name}:… need a package: {error}") from error


def _near(name: str) -> str:
    recommended = [model.name for model in known_models()]
    # The full lists cost seconds, which a name that is nearly one of ours need not wait for.
    return did_you_mean(name, recommended) or did_you_mean(name, all_names())
