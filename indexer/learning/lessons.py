"""What a run learns from and what it is measured with: pictures, or vectors that the library has."""

import json
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lightly.utils.dist import rank

from indexer.config import BuildConfig
from indexer.discovery import Rules
from indexer.embedders.base import Model, Notify, Preprocessing
from indexer.errors import UsageError
from indexer.evaluation.compare import Measurement
from indexer.learning.gathering import FEWEST, Decoding, find, hold_out, labels
from indexer.learning.heldout import HeldOut
from indexer.learning.learners import DEFAULT_SIZE, Learner, picture_learner
from indexer.learning.machine import agree
from indexer.learning.options import TrainOptions
from indexer.learning.pairs import clip_learner, token_ids
from indexer.progress import OnStep
from indexer.runtime.accelerator import TorchEmbedder
from indexer.runtime.devices import Device
from indexer.spaces import load
from indexer.train.batches import CaptionedViews, Examples, Views
from indexer.train.captions import SOURCES, TEMPLATES, gather
from indexer.train.method import PictureMethod
from indexer.train.runs import Run
from indexer.train.store import PictureStore, edge_to_keep

if TYPE_CHECKING:
    from indexer.library import Library

__all__ = ["Asking", "Lesson", "Measured", "PictureSource", "forget_pictures", "picture_lesson"]

LEARNING, HELD_OUT, FACTS = "pictures", "held-out", "pictures.json"
HELD_OUT_EDGE = 384
"""Longest edge, in pixels, of the pictures to measure with: enough for any model that they are shown to."""

Measured = list[Measurement]


@dataclass(frozen=True)
class Asking:
    """The library that a run is made in, and who is told of it."""

    library: "Library"
    space: str | None
    device: Device
    on_step: OnStep
    notify: Notify


@dataclass
class Lesson:
    """All that a run needs besides time; what is asked is asked about what was held out."""

    learner: Learner
    examples: Examples
    held_out: int
    failed: int
    before: Callable[[], Measured]
    """Asks the model that training starts from."""
    after: Callable[[Model], Measured]
    """Asks the model that came of it."""
    against: Callable[[str], Measured]
    """Asks a space of the library."""


@dataclass(frozen=True)
class PictureSource:
    """Where pictures come from."""

    folders: Sequence[bytes]
    rules: Rules
    config: BuildConfig
    on_step: OnStep

    def gather(
        self, run: Run, size: int, sources: Sequence[str] | None, options: TrainOptions
    ) -> None:
        """Keep the pictures in the run's folder, some of them apart; `sources` are those of captions."""
        paths = find(self.folders, self.rules)
        said: dict[bytes, list[str]] = {}
        if sources is not None:
            templates = options.template or TEMPLATES
            given = gather(paths, sources, self.folders, templates=templates, on_step=self.on_step)
            said = {path: texts for path, texts in zip(paths, given, strict=True) if texts}
            paths = sorted(said)
            if len(paths) < FEWEST:
                raise UsageError(
                    f"{len(paths)} pictures have captions, which are too few to learn from; "
                    f"name where they are with --captions (a file, {', '.join(SOURCES)})"
                )
        learning, held = hold_out(len(paths), options.hold_out, options.seed)
        failed = self._decode(run, LEARNING, [paths[i] for i in learning], edge_to_keep(size))
        failed += self._decode(run, HELD_OUT, [paths[i] for i in held], HELD_OUT_EDGE)
        facts = {
            "failed": failed,
            "captions": [said.get(p, []) for p in PictureStore(run.folder / LEARNING).paths],
            "held_captions": [said.get(p, []) for p in PictureStore(run.folder / HELD_OUT).paths],
        }
        run.write(FACTS, json.dumps(facts))

    def _decode(self, run: Run, name: str, paths: Sequence[bytes], edge: int) -> int:
        what = "reading pictures" if name == LEARNING else "reading pictures to measure with"
        decoding = Decoding(
            self.config,
            Preprocessing(size=edge, resize="longest"),
            lambda done, total, seconds: self.on_step(what, done, total),
        )
        PictureStore.write(run.folder / name, decoding.pictures(paths))
        return len(decoding.failed)


def picture_lesson(
    method: str, options: TrainOptions, source: PictureSource, run: Run, asking: Asking
) -> Lesson:
    """SimCLR, MoCo, BYOL or CLIP on pictures; the leading process gathers them, unless a run goes on."""
    is_clip = method == "clip"
    library = asking.library.folder
    learner = clip_learner(options, library, asking.notify) if is_clip else None
    begins = options.start if not is_clip else None
    start = load(library, begins, asking.notify) if begins else None
    known = learner or start
    size = known.preprocessing.size if known else options.size or DEFAULT_SIZE
    if rank() == 0 and not (run.folder / FACTS).exists():
        source.gather(run, size, (options.captions or SOURCES) if is_clip else None, options)
    agree(None)
    store = PictureStore(run.folder / LEARNING)
    if len(store) < FEWEST // 2:
        raise UsageError(f"{len(store)} different pictures could be read: too few to learn from")
    facts = json.loads((run.folder / FACTS).read_text(encoding="utf-8"))
    learnt = learner or picture_learner(method, options, start, len(store))
    assert isinstance(learnt.method, PictureMethod)
    views = Views(store, range(len(store)), learnt.method.views(), options.seed)
    examples: Examples = views
    if learner is not None:
        examples = CaptionedViews(
            views, token_ids(learner.encoder, facts["captions"]), options.seed
        )
    held = _unseen(run, source.folders, store, facts["held_captions"])
    return Lesson(
        learnt,
        examples,
        len(held.pictures),
        facts["failed"],
        before=lambda: held.ask(TorchEmbedder(learnt.model(), asking.device)),
        after=lambda model: held.ask(TorchEmbedder(model, asking.device)),
        against=lambda space: held.ask(asking.library.embedder(space, notify=asking.notify)),
    )


def _unseen(
    run: Run, folders: Sequence[bytes], learnt: PictureStore, captions: Sequence[list[str]]
) -> HeldOut:
    """What was held out, without exact copies of what is learned from."""
    held, seen = PictureStore(run.folder / HELD_OUT), set(learnt.sha256)
    unseen = [i for i, sha256 in enumerate(held.sha256) if sha256 not in seen]
    pictures = [held[i] for i in unseen] if rank() == 0 else []
    named = labels([held.paths[i] for i in unseen], folders)
    return HeldOut(named, [captions[i] for i in unseen], pictures)


def forget_pictures(run: Run) -> None:
    """Delete what only training needed."""
    for name in (LEARNING, HELD_OUT):
        shutil.rmtree(run.folder / name, ignore_errors=True)
    (run.folder / FACTS).unlink(missing_ok=True)
