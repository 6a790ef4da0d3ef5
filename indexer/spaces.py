"""Embedding spaces: which model a library uses, and the embedder that runs it.

A model is loaded with PyTorch once, exported into the library, and from then on runs from that export.
"""

import difflib
import os
import re
from dataclasses import replace
from pathlib import Path

from indexer.config import RuntimeConfig
from indexer.embedders import load_model
from indexer.embedders.base import Embedder, Model, Notify
from indexer.errors import ModelError, NoTextError, UsageError
from indexer.runtime import bundle
from indexer.runtime.devices import Device, pick_device
from indexer.unseen import is_unseen, needs_model
from storage.batch import Batch
from storage.catalog import Catalog
from storage.records import SpaceRecord
from storage.view import View

__all__ = [
    "MODELS",
    "RUNS",
    "Spaces",
    "absolute_name",
    "check_dim",
    "choose_space",
    "free_name",
    "load",
    "require_text",
    "run_folder",
]

MODELS, RUNS = "models", "runs"
DEFAULT = "default_space"


def choose_space(view: View, name: str | None = None) -> SpaceRecord:
    """The space of that name, or the default one. Raises UsageError."""
    spaces = view.spaces()
    if name is None:
        name = view.get_meta(DEFAULT)
        if name is None:
            raise UsageError("this library has no photos yet; add some with: glimpse build PATH")
    for space in spaces:
        if space.name == name:
            return space
    names = [space.name for space in spaces]
    near = difflib.get_close_matches(name, names, n=1)
    remedy = f"did you mean {near[0]}?" if near else f"there are: {', '.join(names) or 'none'}"
    raise UsageError(f"no space is called {name}; {remedy}")


def require_text(view: View, space: SpaceRecord) -> None:
    """Raise NoTextError, with a remedy, where the space's model reads no words."""
    if space.reads_text:
        return
    if is_unseen(space):
        raise needs_model(space)
    readers = [each.name for each in view.spaces() if each.reads_text]
    remedy = (
        f"ask with --space {readers[0]}"
        if readers
        else "build one that reads text with: glimpse build --model starter"
    )
    raise NoTextError(
        f"space {space.name} ({space.model}) compares pictures only and reads no words; {remedy}"
    )


def check_dim(model: str, dim: int, found: int) -> None:
    """Raise ModelError where vectors of `found` numbers cannot be the model's."""
    if dim != found:
        raise ModelError(
            f"the vectors have {found} numbers, and those of {model} have {dim}: they were made by another model"
        )


def load(folder: Path, name: str, notify: Notify) -> Model:
    """Load a model by its name in the library in `folder`, which knows its own runs by theirs."""
    run = run_folder(folder, name)
    if run is None:
        return load_model(name, notify)
    model = load_model(f"run:{run}", notify)
    model.name = name
    return model


def run_folder(library: Path, model: str) -> Path | None:
    """The folder of a run that the library made; None for another model."""
    prefix, _, run = model.partition(":")
    if prefix != "run" or not run or os.sep in run:
        return None
    return library / RUNS / run


class Spaces:
    """The spaces of one library and their embedders, each loaded once."""

    def __init__(self, folder: Path, config: RuntimeConfig) -> None:
        self._library = folder
        self._models = folder / MODELS
        self._config = config
        self._embedders: dict[str, bundle.OnnxEmbedder] = {}
        self._builders: dict[str, Embedder] = {}

    def find(self, view: View, model: str | None, name: str | None) -> SpaceRecord | None:
        """The space to build, where there is one: by its name, its model, or as the default."""
        spaces = view.spaces()
        if name is not None and model is None and spaces:
            return choose_space(view, name)  # a name mistyped must not become a new space
        if name is not None:
            return next((space for space in spaces if space.name == name), None)
        if model is not None:
            return next((space for space in spaces if space.model == model), None)
        return choose_space(view) if spaces else None

    def add(self, batch: Batch, model: Model, name: str | None) -> SpaceRecord:
        """A new space for a model, or the one that has the same weights; the first is the default."""
        fingerprint = model.fingerprint()
        spaces = batch.spaces()
        for space in spaces:
            if space.fingerprint == fingerprint and name in (None, space.name):
                return space
        name = name or free_name(model.name, {space.name for space in spaces})
        id = batch.add_space(name, model.name, fingerprint, model.dim, model.reads_text)
        if not spaces:
            batch.set_meta(DEFAULT, name)
        return SpaceRecord(id, name, model.name, fingerprint, model.dim, model.reads_text)

    def export(self, model: Model, notify: Notify) -> None:
        """Keep the model in the library in the form in which it runs."""
        # Deferred: it imports torch, which a library in use never needs.
        from indexer.runtime.export import export

        notify(f"preparing {model.name} for this machine (once)")
        export(model, self._models)

    def embedder(self, space: SpaceRecord, notify: Notify) -> bundle.OnnxEmbedder:
        """The space's embedder on the processor; a model whose export is gone is exported again."""
        if is_unseen(space):
            raise needs_model(space)
        if space.fingerprint not in self._embedders:
            folder = self.folder(space)
            try:
                embedder = bundle.load(folder, self._config.threads)
            except ModelError as error:
                if folder.exists():
                    notify(str(error))
                self.export(self._load(space, notify), notify)
                embedder = bundle.load(folder, self._config.threads)
            self._embedders[space.fingerprint] = embedder
        return self._embedders[space.fingerprint]

    def export_again(self, space: SpaceRecord, notify: Notify) -> None:
        """Keep a space's model anew, without the network. Raises ModelError, or UnknownModelError."""
        # Deferred: only what loads a model imports the hub's client.
        from indexer.embedders.hub import nothing_fetched

        with nothing_fetched():
            self.export(self._load(space, notify), notify)

    def is_ready(self, space: SpaceRecord) -> bool:
        """Whether the space's model lies in the library as it runs: where vectors were imported, it may not."""
        return self.folder(space).exists()

    def see(self, catalog: Catalog, space: SpaceRecord, notify: Notify) -> SpaceRecord:
        """The space with its model's fingerprint, where it had none yet. Raises ModelError; for the one writer."""
        if not is_unseen(space):
            return space
        model = self.load(space.model, notify)
        check_dim(model.name, model.dim, space.dim)
        self.export(model, notify)
        seen = replace(space, fingerprint=model.fingerprint(), reads_text=model.reads_text)
        with catalog.batch() as batch:
            batch.set_model(seen)
        return seen

    def load_ahead(self, view: View, name: str | None, notify: Notify) -> None:
        """Begin to load what reads words in the space of that name, while vectors are loaded; nothing for others."""
        name = view.get_meta(DEFAULT) if name is None else name
        space = next((space for space in view.spaces() if space.name == name), None)
        if space is None or not space.reads_text or not self.folder(space).exists():
            return
        self.embedder(space, notify).load_ahead()

    def builder(self, space: SpaceRecord, notify: Notify) -> Embedder:
        """The embedder to build with: on an accelerator where there is one, in half precision where that may be."""
        if space.fingerprint not in self._builders:
            device = pick_device(self._config.device)
            self._builders[space.fingerprint] = (
                self._on_processor(space, notify)
                if device == "cpu"
                else self._on_accelerator(space, device, notify)
            )
        return self._builders[space.fingerprint]

    def _on_processor(self, space: SpaceRecord, notify: Notify) -> Embedder:
        embedder = self.embedder(space, notify)
        if self._config.precision == "full":
            return embedder
        from indexer.runtime import half  # deferred: imports OpenVINO, which only building needs

        if not half.works_here():
            return embedder
        return half.HalfEmbedder(bundle.read(self.folder(space)), self._config.threads)

    def _on_accelerator(self, space: SpaceRecord, device: Device, notify: Notify) -> Embedder:
        from indexer.runtime.accelerator import TorchEmbedder  # imports torch

        notify(f"embedding on {device}")
        half = self._config.precision != "full"
        return TorchEmbedder(self._load(space, notify), device, half)

    def check_source(self, space: SpaceRecord, notify: Notify) -> None:
        """Raise ModelError where the space's weights lie in a file of the user's that is another one now."""
        source = run_folder(self._library, space.model) or _local_source(space.model)
        exported = self.folder(space)
        if source is None or not exported.exists():
            return
        if _newest_change(source) > exported.stat().st_mtime:
            self._load(space, notify)
            os.utime(exported)

    def load(self, name: str, notify: Notify) -> Model:
        """A model by its name."""
        return load(self._library, name, notify)

    def _load(self, space: SpaceRecord, notify: Notify) -> Model:
        model = self.load(space.model, notify)
        if model.fingerprint() != space.fingerprint:
            raise ModelError(
                f"{space.model} has other weights or preprocessing than space {space.name} was built with; "
                f"give it a space of its own with: glimpse build --model {space.model} --space NAME"
            )
        return model

    def folder(self, space: SpaceRecord) -> Path:
        """Where the space's model lies as it runs."""
        return self._models / bundle.folder_name(space.fingerprint)


def absolute_name(model: str) -> str:
    """The model's name with the path in it absolute, so that it means the same in every folder."""
    source = _local_source(model)
    if source is None:
        return model
    prefix, _, reference = model.partition(":")
    path, mark, options = reference.partition("?")
    start, at, written = path.rpartition("@")
    folder = "local-dir:" if written.startswith("local-dir:") else ""
    return f"{prefix}:{start}{at}{folder}{source.resolve()}{mark}{options}"


def _local_source(model: str) -> Path | None:
    """The file or folder of the user's that a model's name points to."""
    reference = model.partition(":")[2].partition("?")[0]
    parts = (reference, reference.rpartition("@")[2], reference.removeprefix("local-dir:"))
    paths = (Path(os.path.expanduser(part)) for part in parts if part)
    return next((path for path in paths if path.exists()), None)


def _newest_change(source: Path) -> float:
    files = [source, *source.glob("*")] if source.is_dir() else [source]
    return max(file.stat().st_ctime for file in files)


def free_name(model: str, taken: set[str]) -> str:
    """A name for a space of the model that no other has."""
    stem = re.sub(r"[^a-z0-9]+", "-", model.lower()).strip("-")
    name, number = stem, 2
    while name in taken:
        name, number = f"{stem}-{number}", number + 1
    return name
