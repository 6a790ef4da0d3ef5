"""The loop with the real methods, over vectors and tiny pictures; a few steps each."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from indexer.errors import GlimpseError
from indexer.train.batches import Batches, VectorPairs
from indexer.train.byol import BYOL, BYOLConfig
from indexer.train.clip import HeadsConfig, HeadsOnly
from indexer.train.loop import Machine, Pace, Step, train
from indexer.train.method import Method
from indexer.train.runs import Run
from indexer.train.schedules import Cosine, Recipe, optimiser

RECIPE = Recipe("adamw", 0.01, 0.01, batch=None)


def pairs(count: int = 24) -> VectorPairs:
    generator = torch.Generator().manual_seed(3)
    things = torch.randn(count, 4, generator=generator)
    images, texts = torch.randn(4, 10, generator=generator), torch.randn(4, 6, generator=generator)
    return VectorPairs(things @ images, list((things @ texts).unsqueeze(1)), seed=0)


def heads(seed: int = 0) -> HeadsOnly:
    torch.manual_seed(seed)
    return HeadsOnly(HeadsConfig(10, 6, 6))


def learn(
    folder: Path,
    method: Method,
    pace: Pace,
    *,
    batch: int = 8,
    resume: bool = False,
    on_step: Callable[[Step], object] = lambda step: None,
    rate: float = 0.01,
    recipe: Recipe = RECIPE,
) -> list[Step]:
    steps: list[Step] = []

    def hear(step: Step) -> None:
        steps.append(step)
        on_step(step)

    run = Run(folder)
    if not resume:
        run.begin({}, resume=False)
    train(
        method,
        optimiser(method, recipe, batch),
        Cosine(rate, 0.1),
        Batches(pairs(), batch, seed=0),
        pace,
        run,
        seed=0,
        machine=Machine(),
        resume=resume,
        on_step=hear,
    )
    return steps


def losses(steps: list[Step]) -> list[float]:
    return [step.loss for step in steps]


def test_training_lowers_the_loss_and_takes_the_steps_asked_for(tmp_path: Path) -> None:
    steps = learn(tmp_path / "a", heads(), Pace(steps=60))
    assert [step.number for step in steps] == list(range(1, 61))
    assert steps[-1].loss < 0.6 * steps[0].loss
    assert (steps[-1].share, steps[-1].pictures) == (1.0, 480)


def test_a_run_that_was_stopped_takes_the_steps_that_it_would_have_taken(tmp_path: Path) -> None:
    class KilledError(Exception):
        pass

    def die(step: Step) -> None:
        if step.number == 13:
            raise KilledError

    always = Pace(steps=30, keep_every_s=0)
    whole = learn(tmp_path / "whole", heads(), always)
    with pytest.raises(KilledError):
        learn(tmp_path / "cut", heads(), always, on_step=die)
    rest = learn(tmp_path / "cut", heads(seed=9), always, resume=True)
    assert [step.number for step in rest] == list(range(13, 31))
    assert losses(rest) == losses(whole)[12:]
    curves = [Run(tmp_path / name).curve() for name in ("whole", "cut")]
    assert [row["loss"] for row in curves[0]] == [row["loss"] for row in curves[1]]


def test_weights_that_are_no_numbers_at_the_end_are_refused(tmp_path: Path) -> None:
    method = heads()

    def spoil(step: Step) -> None:
        if step.number == 5:
            next(iter(method.parameters())).data.fill_(torch.nan)

    with pytest.raises(GlimpseError, match="weights that are no numbers; lower --learning-rate"):
        learn(tmp_path / "a", method, Pace(steps=5), on_step=spoil)


def test_the_learning_rate_follows_the_schedule(tmp_path: Path) -> None:
    steps = learn(tmp_path / "a", heads(), Pace(steps=20))
    schedule = Cosine(0.01, 0.1)
    assert [step.learning_rate for step in steps] == [schedule(i / 20) for i in range(20)]


def test_accumulated_batches_make_one_step(tmp_path: Path) -> None:
    sgd = Recipe("sgd", 0.01, 0.0, batch=None)
    steps = learn(tmp_path / "a", heads(), Pace(steps=3, accumulate=3), batch=8, recipe=sgd)
    assert [step.pictures for step in steps] == [24, 48, 72]
    # The mean gradient of three batches, taken in a plain loop.
    method = heads()
    optimizer = torch.optim.SGD(method.parameters(), lr=Cosine(0.01, 0.1)(0 / 3), momentum=0.9)
    batches = iter(Batches(pairs(), 8, seed=0).starting(0))
    first = [method.loss(next(batches)) for _ in range(3)]
    torch.stack(first).mean().backward()  # type: ignore[no-untyped-call]
    optimizer.step()
    assert steps[0].loss == pytest.approx(float(torch.stack(first).mean().detach()))


def test_training_ends_when_the_minutes_are_over(tmp_path: Path) -> None:
    steps = learn(tmp_path / "a", heads(), Pace(minutes=0.01))
    assert 0.6 <= steps[-1].seconds < 3
    assert steps[-1].share == 1.0
    assert steps[-1].learning_rate < 0.001  # the schedule ends with the time


def test_what_follows_a_step_learns_how_much_of_training_is_done(tmp_path: Path) -> None:
    shares: list[float] = []

    class Heard(HeadsOnly):
        def after_step(self, progress: float) -> None:
            shares.append(progress)
            super().after_step(progress)

    learn(tmp_path / "a", Heard(HeadsConfig(10, 6, 6)), Pace(steps=4))
    assert shares == [0.25, 0.5, 0.75, 1.0]


def test_byols_target_stands_still_when_training_ends_by_the_clock() -> None:
    # tau is 1 at the end, whatever ends it: then the target moves no more.
    trunk = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(12, 4))
    method = BYOL(trunk, 4, BYOLConfig(hidden_dim=8, output_dim=4))
    with torch.no_grad():
        next(method.trunk.parameters()).add_(1)
    before = next(method.target_trunk.parameters()).clone()
    method.after_step(1.0)
    assert torch.equal(next(method.target_trunk.parameters()), before)


def test_a_loss_that_is_no_number_ends_training_with_a_reason(tmp_path: Path) -> None:
    method = heads()
    with torch.no_grad():
        next(method.image_head.parameters()).fill_(float("nan"))
    with pytest.raises(GlimpseError, match="no number after 0 steps; lower the learning rate"):
        learn(tmp_path / "a", method, Pace(steps=3))
