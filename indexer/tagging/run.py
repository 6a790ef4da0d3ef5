"""Give tags: to all photos by a list that the library remembers, and to those that come later."""

import json
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from indexer.embedders.base import Embedder, Notify
from indexer.errors import ModelError, UsageError
from indexer.progress import OnStep, Watch, silently
from indexer.prompts import fill
from indexer.search.background import background_words
from indexer.spaces import Spaces, choose_space, require_text
from indexer.tagging.labels import Label, default_labels, parse_labels
from indexer.tagging.scoring import given, proven
from indexer.tagging.vectors import label_vectors
from storage import embedded, tagging
from storage.catalog import Catalog
from storage.records import SpaceRecord
from storage.view import View

__all__ = ["TEMPLATES", "THRESHOLD", "Recipe", "TagReport", "clear", "remembered", "tag", "tag_new"]

TEMPLATES = ("{}", "a photo of a {}.")
THRESHOLD = 0.5
REMEMBERED = "tagging"  # in the catalog's `meta`


@dataclass(frozen=True, slots=True)
class Recipe:
    """How a library's photos are tagged. Raises UsageError for what makes no sense."""

    labels: tuple[str, ...] | None = None
    """Lines of a list; None for the one that Glimpse comes with."""
    templates: tuple[str, ...] = TEMPLATES
    threshold: float = THRESHOLD
    space: str | None = None
    fingerprint: str = ""
    """Of the model that gave the tags."""
    seq: int = 0
    """The change up to which photos have their tags."""

    def __post_init__(self) -> None:
        if not 0 < self.threshold < 1:
            raise UsageError(f"a threshold of {self.threshold:g}; it lies between 0 and 1")
        if not self.templates:
            raise UsageError("no template; write such as 'a photo of a {}'")
        for template in self.templates:
            fill(template, "")

    def parsed(self) -> tuple[Label, ...]:
        """The labels. Raises UsageError."""
        return default_labels() if self.labels is None else parse_labels(self.labels)


@dataclass(frozen=True, slots=True)
class TagReport:
    """What tagging did."""

    photos: int
    """Compared with the labels; exact copies count once."""
    tags: int
    """Given to them."""
    labels: int
    """On the list."""


def remembered(view: View) -> Recipe | None:
    """How the library was tagged last; None where it was not."""
    told = view.get_meta(REMEMBERED)
    if not told:
        return None
    known: dict[str, Any] = json.loads(told)
    known["templates"] = tuple(known["templates"])
    known["labels"] = known["labels"] and tuple(known["labels"])
    return Recipe(**known)


def tag(
    catalog: Catalog, spaces: Spaces, recipe: Recipe, on_step: OnStep, notify: Notify
) -> TagReport:
    """Tag every photo anew; what another list or model gave before goes.

    Raises UsageError, NoTextError for a space that reads no words, ModelError, or LibraryLockedError.
    """
    with catalog.writer():
        with catalog.view() as view:
            space = choose_space(view, recipe.space)
            require_text(view, space)
        recipe = replace(recipe, space=space.name, fingerprint=space.fingerprint, seq=0)
        photos = _update(catalog, spaces, space, recipe, on_step, notify)
        with catalog.view() as view:
            return TagReport(photos, tagging.count_given(view), len(recipe.parsed()))


def tag_new(catalog: Catalog, spaces: Spaces, notify: Notify) -> None:
    """Tag the photos that came since `tag`, in the same way; the caller is the one writer.

    A model that cannot be had is told of, and the photos wait for the next time.
    """
    with catalog.view() as view:
        recipe = remembered(view)
        known = {space.name: space for space in view.spaces()}
    if recipe is None:
        return
    space = known.get(recipe.space or "")
    if space is None or space.fingerprint != recipe.fingerprint:
        notify(f"new photos get no tags: space {recipe.space} is another one now; run: glimpse tag")
        return
    try:
        _update(catalog, spaces, space, recipe, silently, notify)
    except ModelError as error:
        notify(f"new photos have no tags yet: {error}")


def clear(catalog: Catalog) -> None:
    """Take every tag away that a model gave, and forget how; what was done by hand stays."""
    with catalog.writer(), catalog.batch() as batch:
        tagging.drop_given(batch)
        batch.set_meta(REMEMBERED, "")


def _update(
    catalog: Catalog,
    spaces: Spaces,
    space: SpaceRecord,
    recipe: Recipe,
    on_step: OnStep,
    notify: Notify,
) -> int:
    """Tag the photos that the recipe has not seen; how many."""
    labels = recipe.parsed()
    with catalog.view() as view:
        ids, photos = embedded.rows(view, space, after=recipe.seq)
        done = replace(recipe, seq=view.change_seq())
    if not len(ids) and recipe.seq:
        return 0
    folder = spaces.folder(space)

    def embedder() -> Embedder:
        return spaces.embedder(space, notify)

    vectors = label_vectors(labels, recipe.templates, folder, embedder, on_step)
    words = background_words(folder, space.dim, embedder)
    rows, columns, sure = given(photos, vectors, words, recipe.threshold, Watch(on_step))
    with catalog.batch() as batch:
        tagging.drop_given(batch, ids.tolist() if recipe.seq else None)
        known = tagging.labels_given(batch)
        in_use = [number for number, label in enumerate(labels) if label.name in known]
        stand = proven(columns, sure, np.array(in_use, np.int64))
        tags = zip(
            ids[rows][stand].tolist(), columns[stand].tolist(), sure[stand].tolist(), strict=True
        )
        tagging.put_given(batch, ((id, labels[column].name, each) for id, column, each in tags))
        batch.set_meta(REMEMBERED, json.dumps(asdict(done)))
    return len(ids)
