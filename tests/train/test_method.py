from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from indexer.train.byol import BYOL, BYOLConfig
from indexer.train.clip import HeadsConfig, HeadsOnly
from indexer.train.method import Method, full_precision
from indexer.train.moco import KeyQueue, MoCo, MoCoConfig
from indexer.train.simclr import SimCLR, SimCLRConfig
from tests.train.parts import DIM, trunk, views

METHODS: dict[str, Callable[[], Method]] = {
    "SimCLR": lambda: SimCLR(trunk(), DIM, SimCLRConfig(temperature=0.05)),
    "MoCo": lambda: MoCo(trunk(), DIM, MoCoConfig(queue=16)),
    "BYOL": lambda: BYOL(trunk(), DIM, BYOLConfig(hidden_dim=16)),
    "heads": lambda: HeadsOnly(HeadsConfig(192, 192, 12)),
}

each_method = pytest.mark.parametrize("name", METHODS)


def batch(name: str, seed: int = 1) -> tuple[Tensor, ...]:
    pair = views(16, seed=seed, noise=1.0)
    return tuple(view.flatten(1) for view in pair) if name == "heads" else pair


def without_layers(name: str) -> Method:
    """The method over vectors that no layer has put into half precision."""
    method, heads = METHODS[name](), ("head", "key_head", "projector", "predictor", "image_head")
    for part in (*heads, "target_projector", "text_head"):
        if hasattr(method, part):
            setattr(method, part, nn.Identity())
    for part in ("trunk", "key_trunk", "target_trunk"):
        if hasattr(method, part):
            setattr(method, part, nn.Flatten())
    if isinstance(method, MoCo):
        method.queue = KeyQueue(16, 192)
    return method.eval()


@each_method
def test_the_loss_is_as_exact_in_half_precision(name: str) -> None:
    method = without_layers(name)
    exact = method.loss(batch(name))
    with torch.autocast("cpu", torch.bfloat16):
        loss = method.loss(batch(name))
    assert loss.shape == ()
    assert loss.dtype == torch.float32
    assert torch.allclose(loss, exact, rtol=1e-5)


def test_full_precision_is_that_of_its_tensors() -> None:
    vectors = torch.eye(2)
    with torch.autocast("cpu", torch.bfloat16):
        assert (vectors @ vectors).dtype == torch.bfloat16
        with full_precision(vectors):
            assert (vectors @ vectors).dtype == torch.float32


@each_method
def test_figures_keep_their_names_and_healthy_training_gives_no_warning(name: str) -> None:
    method = METHODS[name]()
    names = method.figures().keys()
    for seed in range(30):
        method.loss(batch(name, seed))
        method.after_step(seed / 30)
    assert method.figures().keys() == names
    assert all(value == value for value in method.figures().values())  # none is NaN
    assert method.warning() is None


@each_method
def test_every_trained_parameter_gets_a_gradient(name: str) -> None:
    # Distributed training hangs on one that does not.
    method = METHODS[name]()
    method.loss(batch(name)).backward()  # type: ignore[no-untyped-call]
    trained = [p for p in method.parameters() if p.requires_grad]
    assert trained
    assert all(p.grad is not None for p in trained)
