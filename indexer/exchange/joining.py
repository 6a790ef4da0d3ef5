"""The space that vectors from elsewhere belong to: one that the library has, or a new one for their model."""

from dataclasses import dataclass

from indexer.embedders import known_models
from indexer.embedders.base import Model, Notify
from indexer.errors import ModelError, ModelUnavailableError, UnknownModelError, UsageError
from indexer.exchange.manifest import Origin
from indexer.spaces import DEFAULT, Spaces, absolute_name, check_dim, free_name
from indexer.unseen import is_unseen, unseen_fingerprint
from storage.catalog import Catalog
from storage.records import SpaceRecord
from storage.view import View

__all__ = ["Joining"]

READS_TEXT = "open_clip"
"""The family whose every model reads words."""


@dataclass(slots=True)
class Joining:
    """Finds out which space is meant, and makes it once the library is being written to."""

    spaces: Spaces
    origin: Origin | None
    dim: int
    asked: str | None
    """The model that the user says made the vectors."""
    name: str | None
    """The space that the user names."""
    notify: Notify
    _found: SpaceRecord | None = None
    _model: Model | None = None

    def check(self, view: View | None) -> None:
        """Find the space, or the model for a new one. Raises UsageError, ModelError; nothing is written."""
        told = self.origin.model if self.origin else None
        model = absolute_name(self.asked) if self.asked else told
        if model is None:
            raise UsageError(
                "say which model made the vectors, as in: --model open_clip:ViT-B-32/openai (`glimpse models --all`)"
            )
        if model == "auto":
            raise UsageError("auto is no model that made vectors; name the one that did")
        self.asked = model
        self._found = self._find(view, model) if view else None
        if self._found is not None:
            self._check_found(self._found, model)
        else:
            self._model = self._load(model)

    def join(self, catalog: Catalog) -> SpaceRecord:
        """The space, made if it is new; the writer alone does this."""
        if self._found is not None:
            return self._seen(catalog, self._found)
        if self._model is not None:
            self.spaces.export(self._model, self.notify)
            with catalog.batch() as batch:
                return self.spaces.add(batch, self._model, self.name)
        assert self.asked is not None  # `check` came first
        fingerprint, reads_text = self._unseen(self.asked)
        with catalog.batch() as batch:
            known = batch.spaces()
            name = self.name or free_name(self.asked, {space.name for space in known})
            id = batch.add_space(name, self.asked, fingerprint, self.dim, reads_text)
            if not known:
                batch.set_meta(DEFAULT, name)
        return SpaceRecord(id, name, self.asked, fingerprint, self.dim, reads_text)

    def _find(self, view: View, model: str) -> SpaceRecord | None:
        spaces = view.spaces()
        if self.name is not None:
            return next((space for space in spaces if space.name == self.name), None)
        same = [s for s in spaces if self.origin and s.fingerprint == self.origin.fingerprint]
        return next(iter([*same, *(s for s in spaces if s.model == model)]), None)

    def _check_found(self, space: SpaceRecord, model: str) -> None:
        check_dim(f"space {space.name} ({space.model})", space.dim, self.dim)
        same = self.origin is not None and self.origin.fingerprint == space.fingerprint
        if model != space.model and not same:
            raise UsageError(
                f"space {space.name} holds vectors of {space.model}, not of {model}; name another with --space"
            )
        if self.origin and not (same or is_unseen(space) or _names_only(self.origin)):
            raise ModelError(
                f"these vectors were made by {self.origin.model} at weights or preprocessing that are not those of "
                f"space {space.name} ({space.model}); import them without --model, or with a --space of their own"
            )

    def _load(self, name: str) -> Model | None:
        """The model, if it is at hand; its vectors are of use without it, if their space is known."""
        try:
            model = self.spaces.load(name, self.notify)
        except ModelUnavailableError as error:
            _check_known_dim(name, self.dim)
            self._tell_unavailable(name, error)
            return None
        except (UnknownModelError, ModelError) as error:
            if self.origin is None:
                raise
            self._tell_unavailable(name, error)
            return None
        check_dim(model.name, model.dim, self.dim)
        known = self.origin and not _names_only(self.origin)
        if known and self.origin and model.fingerprint() != self.origin.fingerprint:
            raise ModelError(
                f"{name} is another model here than the one that made these vectors: its weights or preprocessing "
                f"differ; use the files that it was made with"
            )
        return model

    def _tell_unavailable(self, name: str, error: Exception) -> None:
        self.notify(str(error))
        self.notify(
            f"the vectors are taken in all the same; words can be asked once {name} is on this machine"
        )

    def _unseen(self, model: str) -> tuple[str, bool]:
        if self.origin is not None:
            return self.origin.fingerprint, self.origin.reads_text
        return unseen_fingerprint(model), model.partition(":")[0] == READS_TEXT

    def _seen(self, catalog: Catalog, space: SpaceRecord) -> SpaceRecord:
        """A space whose model was not at hand when it was made is looked at again."""
        try:
            return self.spaces.see(catalog, space, self.notify)
        except ModelUnavailableError as error:
            self._tell_unavailable(space.model, error)
            return space


def _names_only(origin: Origin) -> bool:
    """Whether the vectors were exported from a space whose model was never looked at."""
    return origin.fingerprint == unseen_fingerprint(origin.model)


def _check_known_dim(name: str, dim: int) -> None:
    for known in known_models():
        if known.name == name:
            check_dim(name, known.dim, dim)
