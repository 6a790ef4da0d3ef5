import math

import numpy as np
import pytest
import torch
from PIL import Image

from indexer.train.simclr import SimCLR, SimCLRConfig
from tests.train.parts import DIM, Rows, cosine, rows, state, trunk, views


def method(seed: int = 0, **options: float) -> SimCLR:
    return SimCLR(trunk(seed), DIM, SimCLRConfig(size=8, **options))  # type: ignore[arg-type]


def nt_xent(first: Rows, second: Rows, temperature: float) -> float:
    """Equation (1) and algorithm 1, term by term."""
    z = np.empty((2 * len(first), first.shape[1]))
    z[0::2], z[1::2] = first, second

    def loss(i: int, j: int) -> float:
        others = [math.exp(cosine(z[i], z[k]) / temperature) for k in range(len(z)) if k != i]
        return -math.log(math.exp(cosine(z[i], z[j]) / temperature) / sum(others))

    total = sum(loss(k, k + 1) + loss(k + 1, k) for k in range(0, len(z), 2))
    return total / len(z)


@pytest.mark.parametrize("temperature", [0.1, 0.5])
def test_the_loss_is_equation_1(temperature: float) -> None:
    simclr = method(temperature=temperature)
    batch = views()
    loss = float(simclr.loss(batch).detach())
    projections = rows(simclr.head(simclr.trunk(torch.cat(batch))))
    expected = nt_xent(projections[:6], projections[6:], temperature)
    assert loss == pytest.approx(expected, abs=1e-5)


def test_the_loss_falls_on_a_few_pictures() -> None:
    simclr, batch = method(), views(8, noise=1.0)
    optimizer = torch.optim.Adam(simclr.parameters(), lr=0.01)
    losses = []
    for _ in range(40):
        optimizer.zero_grad()
        loss = simclr.loss(batch)
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        losses.append(float(loss.detach()))
    # No less is possible: every negative as far as it can be, which for 8 pictures is cosine -1/7.
    least = math.log(1 + 14 * math.exp((-1 / 7 - 1) / 0.5))
    assert losses[0] > 1.8
    assert least < losses[-1] < 1.3


def test_a_method_restored_from_its_state_gives_the_same_loss() -> None:
    simclr, other = method(), method(seed=5)
    simclr.loss(views())
    other.load_state_dict(state(simclr))
    assert torch.equal(other.loss(views(seed=2)), simclr.loss(views(seed=2)))


def test_the_head_is_no_part_of_what_is_kept() -> None:
    simclr = method()
    assert simclr.trunk(views()[0]).shape == (6, DIM)
    assert simclr.head(simclr.trunk(views()[0])).shape == (6, 128)


def test_colours_are_distorted_more_in_large_pictures_than_in_small_ones(
    photo: Image.Image,
) -> None:
    def moved(size: int, strength: float | None = None) -> float:
        config = SimCLRConfig(size=size, strength=strength)
        augment = SimCLR(trunk(), DIM, config).views()
        torch.manual_seed(0)
        np.random.seed(0)
        means = [augment(photo)[0].mean(dim=(1, 2)) for _ in range(60)]
        return float(torch.stack(means).std(dim=0).mean())

    assert moved(32, 0.0) < moved(32) < moved(32, 1.0)
    assert moved(32) == moved(32, 0.5)
    assert moved(72) == moved(72, 1.0)
