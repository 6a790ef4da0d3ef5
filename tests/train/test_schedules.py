import math

import numpy as np
import pytest
import torch

from indexer.errors import UsageError
from indexer.learning.learners import recipe
from indexer.learning.options import TrainOptions
from indexer.train import byol, clip, moco, simclr
from indexer.train.method import parameter_groups
from indexer.train.schedules import Cosine, Recipe, cosine, optimiser
from indexer.train.simclr import SimCLR
from tests.train.parts import DIM, rows, state, trunk, views


def method() -> SimCLR:
    return SimCLR(trunk(), DIM)


def test_the_rate_rises_in_a_line_then_falls_in_half_a_cosine() -> None:
    rate, steps, warmup = Cosine(peak=2.0, warmup=0.1), 100, 10
    for step in range(steps + 1):
        risen = 2.0 * step / warmup
        fallen = 2.0 * 0.5 * (1 + math.cos(math.pi * (step - warmup) / (steps - warmup)))
        assert rate(step / steps) == pytest.approx(min(risen, fallen) if step < warmup else fallen)


def test_without_warm_up_the_rate_begins_at_its_peak() -> None:
    rate = Cosine(peak=3.0)
    assert [rate(0.0), rate(0.5), rate(1.0)] == pytest.approx([3.0, 1.5, 0.0])


def test_training_that_is_all_warm_up_ends_at_the_peak() -> None:
    rate = Cosine(peak=3.0, warmup=1.0)
    assert [rate(0.5), rate(1.0)] == [1.5, 3.0]


def test_the_rate_never_leaves_its_bounds_past_the_end() -> None:
    assert Cosine(peak=3.0)(1.2) == 0.0
    assert cosine(-0.5) == 1.0


@pytest.mark.parametrize(
    ("recipe", "batch", "peak"),
    [
        (simclr.RECIPE, 4096, 4.8),
        (byol.RECIPE, 4096, 3.2),
        (moco.RECIPE, 256, 0.03),
        (clip.RECIPE, 64, 5e-4),
    ],
    ids=["SimCLR", "BYOL", "MoCo", "CLIP"],
)
def test_the_rate_at_the_papers_batch_is_the_papers(
    recipe: Recipe, batch: int, peak: float
) -> None:
    assert recipe.peak(batch) == pytest.approx(peak)
    assert optimiser(method(), recipe, batch).param_groups[0]["lr"] == pytest.approx(peak)


def test_biases_and_norms_do_not_decay_and_each_parameter_is_in_one_group() -> None:
    simclr_, kept = method(), {"head.layers.0.weight", "head.layers.3.weight", "trunk.conv.weight"}
    names = {id(p): name for name, p in simclr_.named_parameters()}
    groups = {
        g["weight_decay"]: {names[id(p)] for p in g["params"]}
        for g in parameter_groups(simclr_, 0.1)
    }
    assert groups == {0.1: kept, 0.0: set(names.values()) - kept}


def test_parameters_without_a_gradient_are_not_optimised() -> None:
    simclr_ = method()
    simclr_.trunk.requires_grad_(False)
    optimised = [p for group in parameter_groups(simclr_, 0.1) for p in group["params"]]
    assert {id(p) for p in optimised} == {id(p) for p in simclr_.head.parameters()}


def test_lars_moves_weights_by_equation_6_and_norms_by_plain_sgd() -> None:
    simclr_, decay, rate, eta, momentum = method(), 0.1, 0.5, 0.001, 0.9
    lars = optimiser(simclr_, Recipe("lars", rate, decay), 256)
    expected = {name: rows(p) for name, p in simclr_.named_parameters()}
    velocity = {name: np.zeros_like(w) for name, w in expected.items()}
    for seed in range(3):
        lars.zero_grad()
        simclr_.loss(views(seed=seed)).backward()  # type: ignore[no-untyped-call]
        for name, parameter in simclr_.named_parameters():
            assert parameter.grad is not None
            weight, gradient = expected[name], rows(parameter.grad)
            if weight.ndim > 1:
                norm, slope = np.linalg.norm(weight), np.linalg.norm(gradient)
                local_rate = eta * norm / (slope + decay * norm)
                gradient = local_rate * (gradient + decay * weight)
            velocity[name] = momentum * velocity[name] + gradient
            expected[name] = weight - rate * velocity[name]
        lars.step()
    for name, parameter in simclr_.named_parameters():
        np.testing.assert_allclose(rows(parameter), expected[name], atol=1e-6)


def test_lars_without_decay_is_refused() -> None:
    with pytest.raises(UsageError, match="LARS with a weight decay of 0 adapts nothing"):
        optimiser(method(), Recipe("lars", 0.1, 0.0), 256)


def test_sgd_has_momentum_and_adamw_the_betas_of_the_recipe() -> None:
    sgd = optimiser(method(), moco.RECIPE, 256)
    adamw = optimiser(method(), clip.RECIPE, 256)
    assert isinstance(sgd, torch.optim.SGD)
    assert sgd.param_groups[0]["momentum"] == 0.9
    assert isinstance(adamw, torch.optim.AdamW)
    assert adamw.param_groups[0]["betas"] == (0.9, 0.98)


def test_decay_alone_shrinks_weights_and_leaves_norms() -> None:
    simclr_ = method()
    before = state(simclr_)
    sgd = optimiser(simclr_, Recipe("sgd", 0.1, 0.5), 256)
    for parameter in simclr_.parameters():
        parameter.grad = torch.zeros_like(parameter)
    sgd.step()
    for name, parameter in simclr_.named_parameters():
        shrunk = 0.95 if parameter.ndim > 1 else 1.0
        assert torch.allclose(parameter, shrunk * before[name])


def test_another_optimiser_brings_its_own_rate_and_decay() -> None:
    assert recipe(simclr.RECIPE, TrainOptions(optimizer="lars")) == simclr.RECIPE
    assert recipe(simclr.RECIPE, TrainOptions(optimizer="sgd")) == moco.RECIPE
    assert recipe(simclr.RECIPE, TrainOptions(optimizer="adamw")) == clip.RECIPE
    said = recipe(simclr.RECIPE, TrainOptions(optimizer="sgd", learning_rate=0.5))
    assert (said.kind, said.learning_rate, said.weight_decay) == ("sgd", 0.5, 1e-4)
