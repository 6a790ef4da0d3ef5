import math

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn

from indexer.train.byol import BYOL, BYOLConfig, decay
from tests.train.parts import DIM, Rows, cosine, rows, state, trunk, views


def method(seed: int = 0, base_decay: float = 0.996, size: int = 8) -> BYOL:
    config = BYOLConfig(size=size, base_decay=base_decay, hidden_dim=16, output_dim=12)
    return BYOL(trunk(seed), DIM, config)


def squared_distance(prediction: Rows, target: Rows) -> float:
    """Equation (2), averaged over the batch."""
    unit = [
        (p / np.linalg.norm(p), t / np.linalg.norm(t))
        for p, t in zip(prediction, target, strict=True)
    ]
    return sum(float(((p - t) ** 2).sum()) for p, t in unit) / len(unit)


def outputs(byol: BYOL, view: Tensor) -> tuple[Rows, Rows]:
    """The online network's prediction and the target's projection of a view."""
    prediction = byol.predictor(byol.projector(byol.trunk(view)))
    return rows(prediction), rows(byol.target_projector(byol.target_trunk(view)))


def test_the_loss_is_equation_2_both_ways_round() -> None:
    byol, (first, second) = method(), views()
    loss = float(byol.loss((first, second)).detach())
    (prediction_1, target_1), (prediction_2, target_2) = outputs(byol, first), outputs(byol, second)
    one_way = squared_distance(prediction_1, target_2)
    other_way = squared_distance(prediction_2, target_1)
    assert loss == pytest.approx(one_way + other_way, abs=1e-5)
    assert abs(one_way - other_way) > 1e-3  # or the test would not tell them apart


def test_the_loss_is_symmetric_in_the_views() -> None:
    byol, (first, second) = method(), views(noise=1.0)
    assert torch.allclose(byol.loss((first, second)), byol.loss((second, first)), atol=1e-6)


def test_no_gradient_reaches_the_target() -> None:
    byol = method()
    byol.loss(views()).backward()  # type: ignore[no-untyped-call]
    target = [*byol.target_trunk.parameters(), *byol.target_projector.parameters()]
    online = [*byol.trunk.parameters(), *byol.projector.parameters(), *byol.predictor.parameters()]
    assert all(p.grad is None and not p.requires_grad for p in target)
    assert all(p.grad is not None for p in online)


def test_the_gradient_is_that_of_fixed_targets() -> None:
    byol, (first, second) = method(), views()
    byol.loss((first, second)).backward()  # type: ignore[no-untyped-call]
    gradients = [p.grad.clone() for p in byol.trunk.parameters() if p.grad is not None]
    targets = [torch.from_numpy(outputs(byol, view)[1]).float() for view in (second, first)]
    byol.zero_grad()
    predictions = [byol.predictor(byol.projector(byol.trunk(view))) for view in (first, second)]
    pairs = zip(predictions, targets, strict=True)
    similarities = [nn.functional.cosine_similarity(p, t).mean() for p, t in pairs]
    (4 - 2 * sum(similarities)).backward()  # type: ignore[union-attr]
    for gradient, parameter in zip(gradients, byol.trunk.parameters(), strict=True):
        assert torch.allclose(gradient, parameter.grad, atol=1e-5)  # type: ignore[arg-type]


@pytest.mark.parametrize(("progress", "tau"), [(0.0, 0.996), (0.5, 0.998), (1.0, 1.0)])
def test_tau_rises_from_its_base_to_1(progress: float, tau: float) -> None:
    assert decay(0.996, progress) == pytest.approx(tau, abs=1e-12)


def test_tau_rises_by_half_a_cosine() -> None:
    step, steps = 30, 120
    expected = 1 - (1 - 0.9) * (math.cos(math.pi * step / steps) + 1) / 2
    assert decay(0.9, step / steps) == pytest.approx(expected, abs=1e-12)


def test_the_target_follows_by_equation_1() -> None:
    byol = method(base_decay=0.5)
    before = {n: rows(p) for n, p in byol.named_parameters() if n.startswith("target")}
    for parameter in [*byol.trunk.parameters(), *byol.projector.parameters()]:
        parameter.data.add_(1.0)
    online = {
        f"target_{n}": rows(p) for n, p in byol.named_parameters() if not n.startswith("target")
    }
    byol.after_step(0.5)  # tau is 0.75 there
    for name, parameter in byol.named_parameters():
        if name.startswith("target"):
            np.testing.assert_allclose(
                rows(parameter), 0.75 * before[name] + 0.25 * online[name], atol=1e-6
            )


def test_the_target_stands_still_at_the_end() -> None:
    byol = method()
    byol.trunk.conv.weight.data.add_(1.0)  # type: ignore[union-attr, operator]
    before = state(byol.target_trunk)
    byol.after_step(1.0)
    assert all(
        torch.equal(tensor, before[name]) for name, tensor in byol.target_trunk.state_dict().items()
    )


def test_a_method_restored_from_its_state_gives_the_same_loss() -> None:
    byol, other = method(), method(seed=5)
    byol.loss(views())
    byol.after_step(0.1)
    other.load_state_dict(state(byol))
    assert torch.equal(other.loss(views(seed=2)), byol.loss(views(seed=2)))


class Constant(nn.Module):
    """What a collapsed network does: all pictures become one point, but for a trifle."""

    def forward(self, features: Tensor) -> Tensor:
        return torch.ones(len(features), 12) + 1e-3 * features.mean(dim=1, keepdim=True)


def test_a_healthy_network_is_not_called_collapsed() -> None:
    byol = method()
    for seed in range(60):
        byol.loss(views(16, seed=seed))
    assert byol.warning() is None
    assert 0.4 < byol.figures()["spread"] < 1.1


def test_a_collapsed_network_is_reported_after_some_steps() -> None:
    byol = method()
    byol.projector = Constant()
    byol.loss(views())
    assert byol.figures()["spread"] == pytest.approx(0, abs=1e-3)
    assert byol.warning() is None
    for seed in range(60):
        byol.loss(views(seed=seed))
    assert (byol.warning() or "").startswith(
        "collapsed: all pictures look alike to the model (spread 0.0"
    )


def test_only_the_second_view_is_solarised_and_that_in_one_of_five() -> None:
    # Jittered, white stays above 153 of 255; solarised, it falls below 103.
    white, augment = Image.new("RGB", (8, 8), (255, 255, 255)), method().views()
    torch.manual_seed(0)
    np.random.seed(0)
    drawn = [[bool(view.mean() < 0) for view in augment(white)] for _ in range(400)]
    solarised = np.mean(drawn, axis=0)
    assert solarised[0] == 0
    assert solarised[1] == pytest.approx(0.2, abs=0.06)


def test_the_first_view_is_blurrier(photo: Image.Image) -> None:
    sharp = photo.resize((16, 12)).resize((640, 480), Image.Resampling.NEAREST)
    augment = method(size=96).views()
    torch.manual_seed(0)
    np.random.seed(0)
    drawn = [[float(view.diff(dim=2).abs().max()) for view in augment(sharp)] for _ in range(40)]
    first, second = np.mean(drawn, axis=0)
    assert first < 0.75 * second


def test_views_of_a_picture_agree_after_training() -> None:
    byol, batch = method(base_decay=0.9), views(16, noise=0.5)
    optimizer = torch.optim.Adam([p for p in byol.parameters() if p.requires_grad], lr=0.01)
    losses = []
    for step in range(40):
        optimizer.zero_grad()
        loss = byol.loss(batch)
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        byol.after_step(step / 40)
        losses.append(float(loss.detach()))
    assert losses[-1] < 0.25 * losses[0]
    assert cosine(*rows(byol.trunk(torch.cat(batch)))[[0, 16]]) > 0.9
