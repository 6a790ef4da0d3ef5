import math
from collections.abc import Sequence

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from indexer.errors import UsageError
from indexer.train.moco import KeyQueue, MoCo, MoCoConfig
from tests.train.parts import DIM, Rows, cosine, rows, state, trunk, views


def method(seed: int = 0, queue: int = 16, config: MoCoConfig | None = None) -> MoCo:
    return MoCo(trunk(seed), DIM, config or MoCoConfig(size=8, queue=queue))


def info_nce(queries: Rows, keys: Rows, queue: Rows, temperature: float) -> float:
    """Equation (1), averaged over the queries."""
    losses = []
    for query, key in zip(queries, keys, strict=True):
        positive = math.exp(cosine(query, key) / temperature)
        negatives = [math.exp(cosine(query, old) / temperature) for old in queue]
        losses.append(-math.log(positive / (positive + sum(negatives))))
    return sum(losses) / len(losses)


@pytest.mark.parametrize(
    "config", [MoCoConfig(queue=5), MoCoConfig.v1(queue=5)], ids=["version 2", "version 1"]
)
def test_the_loss_is_equation_1(config: MoCoConfig) -> None:
    moco = method(config=config).eval()
    first, second = views()
    queries = rows(moco.head(moco.trunk(first)))
    keys = rows(moco.key_head(moco.key_trunk(second)))
    expected = info_nce(queries, keys, rows(moco.queue.keys), config.temperature)
    assert float(moco.loss((first, second)).detach()) == pytest.approx(expected, abs=1e-5)


def test_version_1_has_a_linear_head_and_version_2_a_hidden_layer() -> None:
    linear = [
        m for m in method(config=MoCoConfig.v1(queue=5)).head.modules() if isinstance(m, nn.Linear)
    ]
    hidden = [m for m in method().head.modules() if isinstance(m, nn.Linear)]
    assert [tuple(m.weight.shape) for m in linear] == [(128, DIM)]
    assert [tuple(m.weight.shape) for m in hidden] == [(DIM, DIM), (128, DIM)]


def test_no_gradient_reaches_the_keys() -> None:
    moco = method()
    moco.loss(views()).backward()  # type: ignore[no-untyped-call]
    key_parameters = [*moco.key_trunk.parameters(), *moco.key_head.parameters()]
    assert all(p.grad is None and not p.requires_grad for p in key_parameters)
    assert all(p.grad is not None for p in [*moco.trunk.parameters(), *moco.head.parameters()])
    assert not moco.queue.keys.requires_grad


def test_the_key_encoder_follows_by_equation_2() -> None:
    moco = method(config=MoCoConfig(queue=16, momentum=0.9))
    expected = {name: rows(p) for name, p in moco.key_trunk.named_parameters()}
    for step in range(3):
        for parameter in moco.trunk.parameters():
            parameter.data.add_(step + 1.0)
        moco.after_step(step / 3)
        for name, parameter in moco.trunk.named_parameters():
            expected[name] = 0.9 * expected[name] + 0.1 * rows(parameter)
    for name, parameter in moco.key_trunk.named_parameters():
        np.testing.assert_allclose(rows(parameter), expected[name], atol=1e-5)


def test_the_head_of_the_keys_follows_too() -> None:
    moco = method(config=MoCoConfig(queue=16, momentum=0.75))
    for parameter in moco.head.parameters():
        parameter.data.add_(1.0)
    before = state(moco.key_head)
    moco.after_step(0.5)
    for name, tensor in moco.key_head.state_dict().items():
        assert torch.allclose(tensor, before[name] + 0.25)


def numbered(start: int, count: int) -> Tensor:
    """Keys that say which they are."""
    return torch.arange(start, start + count, dtype=torch.float32)[:, None].repeat(1, 2)


@pytest.mark.parametrize(
    ("length", "batches"),
    [
        (6, [2, 2, 2, 2]),
        (6, [4, 4, 4]),
        (5, [3, 3, 3, 3, 3]),
        (4, [1, 11, 2]),
        (3, [3]),
        (1, [2, 1]),
    ],
    ids=[
        "dividing",
        "wrapping",
        "wrapping often",
        "longer than the queue",
        "once full",
        "a single key",
    ],
)
def test_the_queue_holds_exactly_the_latest_keys_in_order(
    length: int, batches: Sequence[int]
) -> None:
    queue, given, noise = KeyQueue(length, 2), 0, KeyQueue(1, 2).keys[0]
    queue.keys.copy_(noise)
    for count in batches:
        queue.enqueue(numbered(given, count))
        given += count
        oldest_first = queue.keys.roll(-int(queue.position), dims=0)
        latest = numbered(0, given)[-length:]
        assert torch.equal(oldest_first[-len(latest) :], latest)
        assert int(queue.filled) == min(given, length)
        assert queue.keys.eq(noise).all(dim=1).sum() == length - len(latest)


def test_keys_join_the_queue_normalised_in_the_order_of_the_batch_after_the_loss() -> None:
    moco = method().eval()
    moco.training = True  # but not its batch norms, which shuffling would make hard to follow
    before = moco.queue.keys.clone()
    first, second = views()
    keys = nn.functional.normalize(moco.key_head(moco.key_trunk(second)), dim=1)
    expected = info_nce(rows(moco.head(moco.trunk(first))), rows(keys), rows(before), 0.2)
    assert float(moco.loss((first, second)).detach()) == pytest.approx(expected, abs=1e-5)
    assert torch.allclose(moco.queue.keys[:6], keys, atol=1e-6)
    assert torch.equal(moco.queue.keys[6:], before[6:])
    assert moco.figures()["queue"] == pytest.approx(6 / 16)


def test_evaluating_leaves_the_queue_alone() -> None:
    moco = method().eval()
    before = moco.queue.keys.clone()
    moco.loss(views())
    assert torch.equal(moco.queue.keys, before)


class Statistics(nn.Module):
    """A trunk whose features are what batch norm would see of its batch: the mean of each channel."""

    def forward(self, pixels: Tensor) -> Tensor:
        return pixels.mean(dim=(0, 2, 3)).expand(len(pixels), -1)


def test_the_statistics_of_a_key_come_from_other_pictures_than_those_of_its_query() -> None:
    torch.manual_seed(0)
    moco = MoCo(Statistics(), 3, MoCoConfig(queue=16, bn_batch=4, mlp=False))
    moco.head, moco.key_head = nn.Identity(), nn.Identity()
    pixels = torch.arange(16.0)[:, None, None, None].repeat(1, 3, 2, 2)
    queries, keys = moco._queries(pixels)[:, 0].tolist(), moco._keys(pixels)[:, 0].tolist()
    assert queries == [1.5] * 4 + [5.5] * 4 + [9.5] * 4 + [13.5] * 4
    assert len(set(keys)) == 4
    assert all(len(set(keys[start : start + 4])) > 1 for start in range(0, 16, 4))


def test_a_key_is_that_of_its_own_picture_in_spite_of_the_shuffling() -> None:
    torch.manual_seed(0)
    moco = MoCo(nn.Flatten(), 3, MoCoConfig(queue=16, bn_batch=4))
    moco.key_head = nn.Identity()
    pixels = torch.arange(16.0)[:, None, None, None].repeat(1, 3, 1, 1)
    assert torch.equal(moco._keys(pixels), pixels.flatten(1))


def test_a_method_restored_from_its_state_has_the_same_queue_and_the_same_loss() -> None:
    moco, other = method(), method(seed=5)
    for seed in range(3):
        moco.loss(views(seed=seed))
    other.load_state_dict(state(moco))
    torch.manual_seed(1)
    loss = moco.loss(views(seed=9))
    torch.manual_seed(1)
    assert torch.equal(other.loss(views(seed=9)), loss)
    assert torch.equal(other.queue.keys, moco.queue.keys)


def test_a_few_pictures_get_a_shorter_queue_and_a_notice(caplog: pytest.LogCaptureFixture) -> None:
    assert MoCoConfig(queue=4096).fitted(400).queue == 100
    assert caplog.messages == ["MoCo: 100 keys queued, not 4096, for 400 pictures"]
    caplog.clear()
    assert MoCoConfig(queue=64).fitted(400) == MoCoConfig(queue=64)
    assert not caplog.messages


def test_too_few_pictures_for_a_queue_are_refused() -> None:
    with pytest.raises(UsageError, match="MoCo needs at least 8 pictures to learn from, not 7"):
        MoCoConfig().fitted(7)
