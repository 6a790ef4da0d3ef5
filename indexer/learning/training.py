"""The verb `train`, from folders to a run that is measured, and perhaps adopted."""

import math
import shutil
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lightly.utils.dist import rank, world_size

from indexer.config import Config
from indexer.embedders.base import Notify
from indexer.errors import GlimpseError, UsageError
from indexer.learning.adopting import adopt, default_space, refuse_what_is_in_vain
from indexer.learning.heldout import figures
from indexer.learning.lessons import (
    Asking,
    Lesson,
    PictureSource,
    forget_pictures,
    picture_lesson,
)
from indexer.learning.machine import agree, choose_machine, processes, threads, workers
from indexer.learning.options import TrainOptions, TrainReport
from indexer.learning.saving import save
from indexer.learning.vectors import vector_lesson
from indexer.planning import rules_of
from indexer.progress import OnStep
from indexer.roots import check_paths
from indexer.spaces import RUNS, load
from indexer.train import curves
from indexer.train.batches import Batches
from indexer.train.loop import Machine, Pace, Step, train
from indexer.train.runs import CURVE, Run
from indexer.train.schedules import Cosine, optimiser

if TYPE_CHECKING:
    from indexer.library import Library

__all__ = ["learn"]

EPOCHS = {"simclr": 100, "moco": 100, "byol": 100, "clip": 30}
BATCH, SMALL_BATCH, HEADS_BATCH = 256, 64, 4096
"""Small: on the processor with pictures of more than 64 pixels, where memory would run out."""
NOT_SETTINGS = ("resume", "adopt", "workers", "tensorboard", "keep_every_s")
"""Options that may differ when a run goes on."""
WARN_EVERY_S = 60.0

OnTrain = Callable[[Step], object]


def learn(
    library: "Library",
    config: Config,
    method: str,
    paths: Sequence[str | Path],
    options: TrainOptions,
    space: str | None,
    on_step: OnStep,
    on_train: OnTrain,
    notify: Notify,
) -> TrainReport:
    """Train, measure, keep; several processes do so together where torchrun started them.

    Raises UsageError, ModelError, or GlimpseError where training diverges.
    """
    options.check(method)
    if not paths:
        raise UsageError("no folder was named; try: glimpse train simclr ~/Pictures")
    machine = choose_machine(options, config.runtime.device)
    with (
        processes(machine.device),
        threads(config.runtime.threads, machine.device),
    ):
        leads = rank() == 0
        hears = (on_step, notify) if leads else (_to_nobody, _to_nobody)
        asking = Asking(library, space, machine.device, *hears)
        return _Training(config, method, paths, options, machine, asking, on_train).run()


class _Training:
    def __init__(
        self,
        config: Config,
        method: str,
        paths: Sequence[str | Path],
        options: TrainOptions,
        machine: Machine,
        asking: Asking,
        on_train: OnTrain,
    ) -> None:
        self._config = config
        self._method = method
        self._folders = check_paths(paths, [])
        self._options = options
        self._machine = machine
        self._asking = asking
        self._on_train = on_train
        runs = asking.library.folder / RUNS
        self._run = Run(agree(runs / (options.name or _free_name(runs, method, options.resume))))

    def run(self) -> TrainReport:
        if self._options.adopt:
            refuse_what_is_in_vain(self._method, self._asking)
        settings = self._settings()
        if rank() == 0:
            self._run.begin(settings, self._options.resume)
        agree(None)
        lesson = self._begun()
        before = figures(lesson.before()) if rank() == 0 else {}
        self._train(lesson)
        report = self._finish(lesson, before, settings) if rank() == 0 else None
        return agree(report)  # type: ignore[return-value]

    def _settings(self) -> dict[str, Any]:
        said = {k: v for k, v in asdict(self._options).items() if k not in NOT_SETTINGS}
        folders = [folder.decode("utf-8", "surrogateescape") for folder in self._folders]
        return {"method": self._method, "folders": folders, **said, "processes": world_size()}

    def _begun(self) -> Lesson:
        """The lesson; a run that cannot even begin leaves no folder, and its name stays free."""
        try:
            return self._lesson()
        except GlimpseError:
            if rank() == 0 and not self._options.resume:
                shutil.rmtree(self._run.folder)
            raise

    def _lesson(self) -> Lesson:
        options = self._options
        if options.heads_only:
            return vector_lesson(options, self._folders, self._asking)
        build = self._config.build
        rules = rules_of(
            self._asking.library.folder, build, options.exclude, options.include_hidden
        )
        source = PictureSource(self._folders, rules, build, self._asking.on_step)
        return picture_lesson(self._method, options, source, self._run, self._asking)

    def _train(self, lesson: Lesson) -> None:
        options, method = self._options, lesson.learner.method
        batches = self._batches(lesson)
        recipe = lesson.learner.recipe
        whole = batches.batch * options.accumulate
        resume = options.resume and self._run.has_state
        first = self._run.load_state()["step"] if resume else 0
        listeners = self._listeners(first)

        def tell(step: Step) -> None:
            for listener in listeners:
                listener(step)

        train(
            method,
            optimiser(method, recipe, whole),
            Cosine(recipe.peak(whole), options.warmup),
            batches,
            self._pace(batches),
            self._run,
            seed=options.seed,
            machine=self._machine,
            resume=resume,
            on_step=tell,
        )

    def _batches(self, lesson: Lesson) -> Batches:
        options, count = self._options, len(lesson.examples)
        batch = min(options.batch or self._usual_batch(lesson), count)
        if batch % world_size():
            batch -= batch % world_size()
        if options.batch and batch < options.batch:
            self._asking.notify(
                f"{count} pictures are fewer than a batch of {options.batch}: {batch} are taken"
            )
        drawers = 0 if options.heads_only else workers(options, self._machine.device)
        return Batches(
            lesson.examples, batch, options.seed, drawers, rank=rank(), world=world_size()
        )

    def _usual_batch(self, lesson: Lesson) -> int:
        if self._options.heads_only:
            return HEADS_BATCH
        is_small = lesson.learner.preprocessing.size <= 64
        return BATCH if is_small or self._machine.device != "cpu" else SMALL_BATCH

    def _pace(self, batches: Batches) -> Pace:
        options = self._options
        epochs = options.epochs or (None if options.minutes else EPOCHS[self._method])
        steps = math.ceil(epochs * batches.per_epoch / options.accumulate) if epochs else None
        return Pace(steps, options.minutes, options.accumulate, options.keep_every_s)

    def _listeners(self, first: int) -> list[OnTrain]:
        if rank() != 0:
            return []
        found: list[OnTrain] = [self._on_train, _Warnings(self._asking.notify)]
        if self._options.tensorboard:
            found.append(curves.tensorboard(self._run.folder / "tensorboard", first))
        return found

    def _finish(
        self, lesson: Lesson, before: dict[str, float], settings: dict[str, Any]
    ) -> TrainReport:
        run, asking = self._run, self._asking
        rows = run.curve()
        image = run.folder / CURVE.replace("csv", "png")
        curves.draw(rows, image, f"{self._method}, run:{run.name}")
        data = {
            "pictures": len(lesson.examples),
            "held_out": lesson.held_out,
            "failed": lesson.failed,
        }
        taken = {"steps": int(rows[-1]["step"]), "seconds": rows[-1]["seconds"]}
        save(
            run,
            lesson.learner,
            {
                "method": self._method,
                "seed": self._options.seed,
                "data": data,
                "settings": settings,
                "recipe": asdict(lesson.learner.recipe),
                "precision": self._machine.precision,
                **taken,
            },
        )
        model = f"run:{run.name}"
        after = lesson.after(load(asking.library.folder, model, asking.notify))
        default = default_space(asking)
        theirs = lesson.against(default) if default else []
        retrieval = {"before": before, "after": figures(after)}
        if theirs:
            retrieval[f"space {default}"] = figures(theirs)
        seed = self._options.seed
        adopted = self._options.adopt and adopt(model, self._folders, after, theirs, seed, asking)
        run.close(retrieval=retrieval)
        forget_pictures(run)
        return TrainReport(
            model,
            run.folder,
            self._method,
            **data,
            **taken,  # type: ignore[arg-type]
            loss=rows[-1]["loss"],
            retrieval=retrieval,
            adopted=adopted,
        )


class _Warnings:
    """Tells of what goes wrong, once in a while."""

    def __init__(self, notify: Notify) -> None:
        self._notify = notify
        self._due = 0.0

    def __call__(self, step: Step) -> None:
        if step.warning and step.seconds >= self._due:
            self._due = step.seconds + WARN_EVERY_S
            self._notify(f"step {step.number}: {step.warning}")


def _to_nobody(*_: object) -> None:
    """What the leading process says already."""


def _free_name(runs: Path, method: str, resume: bool) -> str:
    """A name that no run has; to resume, that of the last run that was not finished."""
    names = [method, *(f"{method}-{number}" for number in range(2, 1000))]
    if resume:
        begun = [name for name in names if Run(runs / name).can_resume]
        return begun[-1] if begun else method
    return next(name for name in names if not Run(runs / name).exists)
