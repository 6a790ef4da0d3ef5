"""Which network a state dict belongs to, told by the names and shapes in it, and that network.

Names are timm's, which for a ResNet are torchvision's. `layouts` brings other writers' names to
these before anything here looks at them.
"""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass

import timm
import torch
from timm.layers import LayerNorm
from timm.models.resnet import BasicBlock, Bottleneck, ResNet
from timm.models.vision_transformer import VisionTransformer
from torch import nn

from indexer.embedders.names import did_you_mean
from indexer.errors import CheckpointError, UnknownModelError

__all__ = ["Trunk", "named", "recognise"]

RESNET_DEPTHS: dict[tuple[bool, tuple[int, ...]], str] = {
    (False, (1, 1, 1, 1)): "resnet9",
    (False, (2, 2, 2, 2)): "resnet18",
    (False, (3, 4, 6, 3)): "resnet34",
    (True, (3, 4, 6, 3)): "resnet50",
    (True, (3, 4, 23, 3)): "resnet101",
    (True, (3, 8, 36, 3)): "resnet152",
    (True, (3, 24, 36, 3)): "resnet200",
}
"""(bottleneck, blocks in each layer) -> name."""

VIT_WIDTHS = {192: "tiny", 384: "small", 768: "base", 1024: "large", 1280: "huge"}

Shapes = Mapping[str, torch.Tensor]


@dataclass(frozen=True, slots=True)
class Trunk:
    """A network without its head."""

    arch: str
    module: nn.Module
    size: int
    """Edge of the pictures that it is made for, in pixels."""
    transformer: bool = False
    """Whether it is one; no other `size` fits its weights then."""
    small_stem: bool = False
    """Whether it is a ResNet for pictures of 32 pixels."""


def named(arch: str) -> Trunk:
    """Build the network that timm has under that name; UnknownModelError without one."""
    if not timm.is_model(arch):
        near = did_you_mean(arch, timm.list_models())
        raise UnknownModelError(f"arch={arch}: timm has no such network{near}")
    module = timm.create_model(arch, pretrained=False, num_classes=0)
    size = int(module.pretrained_cfg.get("input_size", (3, 224, 224))[-1])
    return Trunk(arch, module, size, transformer=hasattr(module, "pos_embed"))


def recognise(
    state: Shapes,
    *,
    norm_eps: float = 1e-6,
    stem_padding: int = 1,
    stem_stride: int = 1,
    between: int | None = None,
    heads: int | None = None,
) -> Trunk:
    """Build the network that these tensors fit; CheckpointError where none does.

    No shape tells `norm_eps` and `heads` of a ViT, nor padding and stride of a 3x3 stem and how many
    operations (ReLU, max pool) stand `between` a ResNet's stem and its first layer.
    """
    if {"layer1.0.conv1.weight", "layer4.0.conv1.weight"} <= state.keys():
        return _resnet(state, stem_padding, stem_stride, between)
    if {"patch_embed.proj.weight", "pos_embed", "cls_token"} <= state.keys():
        return _vit(state, norm_eps, heads)
    seen = ", ".join(list(state)[:3]) or "nothing"
    raise CheckpointError(
        f"unknown network ({len(state)} tensors: {seen} …); name a timm network with ?arch="
    )


def _resnet(state: Shapes, stem_padding: int, stem_stride: int, between: int | None) -> Trunk:
    stem = state.get("conv1.weight")
    if stem is None or stem.ndim != 4 or stem.shape[1] != 3 or stem.shape[-1] not in (3, 7):
        seen = [f"{k} {_shape(v)}" for k, v in state.items() if k.startswith("conv1.")]
        raise CheckpointError(
            f"a ResNet with an unknown stem ({', '.join(seen[:2])}); name a timm network with ?arch="
        )
    bottleneck = "layer1.0.conv3.weight" in state
    depths = tuple(_blocks(state, rf"layer{layer}\.(\d+)\.") for layer in range(1, 5))
    planes = tuple(
        state[f"layer{layer}.0.conv{3 if bottleneck else 2}.weight"].shape[0]
        // (Bottleneck if bottleneck else BasicBlock).expansion
        for layer in range(1, 5)
    )
    inner = state["layer1.0.conv1.weight"].shape[0]
    groups = inner // state["layer1.0.conv2.weight"].shape[1]
    module = ResNet(
        Bottleneck if bottleneck else BasicBlock,
        depths,
        num_classes=0,
        channels=planes,
        cardinality=groups,
        base_width=64 * inner // (planes[0] * groups),
        # Any width can follow a deep stem only; the stem itself is replaced below.
        stem_type="deep",
        stem_width=stem.shape[0] // 2,
    )
    small = stem.shape[-1] == 3
    stride, padding = (stem_stride, stem_padding) if small else (2, 3)
    module.conv1 = nn.Conv2d(
        3, stem.shape[0], stem.shape[-1], stride=stride, padding=padding, bias=False
    )
    if small or between in (0, 1):
        # The stem for pictures of 32 pixels, as in the CIFAR-10 runs of SimCLR's appendix B.9.
        module.maxpool = nn.Identity()
    if between == 0:
        # lightly's small ResNet calls ReLU as a function, so a list of its children has none here.
        module.act1 = nn.Identity()
    arch = RESNET_DEPTHS.get((bottleneck, depths), f"resnet{list(depths)}")
    width = _width(planes[0], inner, groups)
    name = arch + width + ("-small-stem" if small else "")
    return Trunk(name, module, 32 if small else 224, small_stem=small)


def _width(planes: int, inner: int, groups: int) -> str:
    if groups > 1:
        return f"-{groups}x{inner // groups}d"
    inner_width = f"-inner-x{inner // planes}" if inner != planes else ""
    return (f"-x{planes / 64:g}" if planes != 64 else "") + inner_width


def _vit(state: Shapes, norm_eps: float, heads: int | None) -> Trunk:
    width, _, _, patch = state["patch_embed.proj.weight"].shape
    positions = state["pos_embed"]
    edge = math.isqrt(positions.shape[1] - 1)
    if edge * edge != positions.shape[1] - 1:
        raise CheckpointError(f"pos_embed {_shape(positions)} is no square of patches and a token")
    heads = heads or _heads(width, positions)
    if width % heads:
        raise CheckpointError(f"heads={heads} does not divide the {width} channels of this ViT")
    module = VisionTransformer(
        img_size=edge * patch,
        patch_size=patch,
        num_classes=0,
        embed_dim=width,
        depth=_blocks(state, r"blocks\.(\d+)\."),
        num_heads=heads,
        mlp_ratio=state["blocks.0.mlp.fc1.weight"].shape[0] / width,
        qkv_bias="blocks.0.attn.qkv.bias" in state,
        norm_layer=lambda dim, **options: LayerNorm(dim, eps=norm_eps, **options),
        weight_init="skip",
    )
    arch = f"vit-{VIT_WIDTHS.get(width, width)}-patch{patch}-{edge * patch}"
    return Trunk(arch, module, edge * patch, transformer=True)


def _heads(width: int, positions: torch.Tensor) -> int:
    """How many attention heads; no shape tells.

    Everybody takes one for every 64 channels, but MoCo v3 takes 12 up to ViT-Base (`vits.py` of
    facebookresearch/moco-v3). Its position embedding is fixed, so it can be known by that.
    """
    if width == 1280:
        return 16
    if width <= 768 and _is_moco_v3(positions):
        return 12
    if width % 64:
        raise CheckpointError(f"a ViT of width {width} with an unknown number of heads: ?heads=")
    return width // 64


def _is_moco_v3(positions: torch.Tensor) -> bool:
    """Whether these are the sines and cosines of facebookresearch/moco-v3 `vits.py`.

    Per position (row, column) and frequency w: sin(w row), cos(w row), sin(w column),
    cos(w column), each for width / 4 frequencies 10000^(-4k / width); the token's is zero.
    """
    width, edge = positions.shape[-1], math.isqrt(positions.shape[1] - 1)
    if width % 4:
        return False
    frequencies = 10000.0 ** (-torch.arange(width // 4) / (width // 4))
    row, column = torch.meshgrid(torch.arange(edge), torch.arange(edge), indexing="ij")
    angles = [axis.reshape(-1, 1) * frequencies for axis in (row, column)]
    waves = torch.cat([wave(angle) for angle in angles for wave in (torch.sin, torch.cos)], dim=1)
    expected = torch.cat([torch.zeros(1, width), waves])
    return torch.allclose(positions[0].float(), expected, atol=1e-3)


def _blocks(state: Shapes, pattern: str) -> int:
    # Counted, not the highest number: a file can claim any number.
    return len({match[1] for key in state if (match := re.match(pattern, key))})


def _shape(tensor: torch.Tensor) -> str:
    return "x".join(map(str, tensor.shape))
