import pytest
import torch
from timm.models.resnet import ResNet
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from indexer.embedders.run import trunk_of
from indexer.embedders.trunks import recognise
from indexer.errors import ModelError, UnknownModelError
from indexer.learning.learners import picture_learner
from indexer.learning.options import TrainOptions
from indexer.train.loop import share_batch_norm
from indexer.train.trunks import NARROW, make_trunk


def megaflops(trunk: nn.Module, size: int) -> float:
    """Of the forward pass of one picture; a multiplication and an addition are two."""
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        trunk.eval()(torch.zeros(1, 3, size, size))
    return float(counter.get_total_flops()) / 1e6


@pytest.mark.parametrize(
    ("name", "size", "dim"),
    [
        (NARROW, 32, 256),
        (NARROW, 96, 256),
        ("resnet18", 32, 512),
        ("resnet18", 96, 512),
        ("resnet26d", 32, 2048),
        ("mobilenetv3_small_050", 96, 1024),
        ("vit_tiny_patch16_224", 64, 192),
    ],
)
def test_a_trunk_gives_a_row_of_its_dimension_for_each_picture(
    name: str, size: int, dim: int
) -> None:
    trunk, told = make_trunk(name, size)
    assert told == dim
    assert trunk.training
    assert trunk(torch.zeros(2, 3, size, size)).shape == (2, dim)


@pytest.mark.parametrize(("name", "kept"), [(NARROW, 16), ("resnet18", 32)])
def test_small_pictures_keep_their_resolution_up_to_the_first_layer(name: str, kept: int) -> None:
    small, large = make_trunk(name, 32)[0], make_trunk(name, 96)[0]
    assert isinstance(small, ResNet)
    assert isinstance(large, ResNet)
    for trunk, edge in ((small, kept), (large, 8)):
        stem = trunk.maxpool(trunk.conv1(torch.zeros(1, 3, 32, 32)))
        assert stem.shape[-1] == edge


@pytest.mark.parametrize(("name", "stride"), [(NARROW, 2), ("resnet18", 1)])
def test_the_weights_are_recognised_by_whoever_loads_them(name: str, stride: int) -> None:
    trunk = make_trunk(name, 32)[0].eval()
    other = recognise(trunk.state_dict(), stem_stride=stride)
    other.module.load_state_dict(trunk.state_dict())
    pixels = torch.randn(2, 3, 32, 32)
    assert other.small_stem
    assert torch.equal(other.module.eval()(pixels), trunk(pixels))


def test_the_narrow_trunk_costs_a_thirty_fifth_of_a_resnet_18() -> None:
    narrow, usual = (megaflops(make_trunk(name, 32)[0], 32) for name in (NARROW, "resnet18"))
    assert usual == pytest.approx(1111, rel=0.01)
    assert narrow == pytest.approx(usual / 35, rel=0.02)


def test_an_unknown_network_is_refused_with_the_nearest_names() -> None:
    with pytest.raises(UnknownModelError, match="no network named resnet81; did you mean .*resnet"):
        make_trunk("resnet81", 32)


def test_a_size_that_a_network_does_not_take_is_refused() -> None:
    with pytest.raises(ModelError, match="mixer_s16_224 does not take pictures of 40 pixels"):
        make_trunk("mixer_s16_224", 40)


@pytest.mark.parametrize(
    ("name", "size"),
    [
        (NARROW, 32),
        (NARROW, 96),
        ("resnet18", 32),
        ("resnet18d", 32),
        ("resnet18d", 96),
        ("resnet10t", 96),
        ("resnetblur18", 96),
        ("legacy_seresnet18", 64),
        ("mobilenetv3_small_050", 96),
    ],
)
def test_a_run_is_loaded_as_the_network_that_was_trained(name: str, size: int) -> None:
    options = TrainOptions(backbone=name, size=size)
    learner = picture_learner("simclr", options, None, pictures=100)
    trunk = learner.model().image_tower.eval()
    for weight in trunk.parameters():
        if weight.ndim == 1:  # a block's last gamma is 0 at first, and hides what the block does
            nn.init.uniform_(weight, 0.5, 1.5)
    loaded = trunk_of(learner.network, trunk.state_dict())
    loaded.load_state_dict(trunk.state_dict())
    pixels = torch.randn(2, 3, size, size)
    assert torch.equal(loaded.eval()(pixels), trunk(pixels))


@pytest.mark.parametrize("name", ["resnet18", "efficientnet_b0", "tf_efficientnet_lite2"])
@torch.no_grad()
def test_a_network_over_several_cards_is_the_same_network(name: str) -> None:
    trunk = make_trunk(name, 96)[0].eval()
    pixels = torch.randn(2, 3, 96, 96)
    before = trunk(pixels)
    torch.testing.assert_close(share_batch_norm(trunk).eval()(pixels), before)
