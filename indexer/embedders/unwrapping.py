"""Finds the trunk in a checkpoint: which layout, which keys, and timm's names for them."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from indexer.embedders.checkpoints import StateDict, strip_wrappers
from indexer.embedders.layouts import LAYOUTS, Layout
from indexer.errors import CheckpointError, UnknownModelError

__all__ = ["Found", "find"]

LOOSE = re.compile(
    r"(?:.*[._])?(proj|projector|projection|pred|predictor|prediction|prototypes|classifier|heads?"
    r"|queues?|criterion|loss|center|bank|knn|metrics?|acc\w*|momentum|ema|teacher|student|target"
    r"|query|key)(?=[._\d]|$)"
)
"""What frameworks call that which is not the trunk; matched outside the trunk only."""

COPIES = re.compile(r"(?:.*[._])?(momentum|ema|target|key|encoder_k|student|teacher)(?=[._]|$)")
NOT_TEACHER = re.compile(r"(?:.*[._])?(momentum|ema|target|key|encoder_k|student)(?=[._]|$)")

FIRST_LAYER = re.compile(r"(conv1(\.0)?|patch_embed\.proj(ection)?|0)\.weight$")
"""The first convolution of a ResNet, of a ViT, and of a ResNet as a list of its children."""

CHILDREN = ("conv1", "bn1", "layer1", "layer2", "layer3", "layer4", "fc")
"""The children of a ResNet that hold weights, in order."""

RENAMES = tuple(
    (re.compile(pattern), name)
    for pattern, name in (
        # kuangliu/pytorch-cifar, and lightly's ResNetGenerator after it
        (r"^(layer\d\.\d+)\.shortcut\.", r"\1.downsample."),
        # open-mmlab/mmpretrain: mmpretrain/models/backbones/vision_transformer.py
        (r"^layers\.(\d+)\.ln(\d)\.", r"blocks.\1.norm\2."),
        (r"^layers\.(\d+)\.attn\.", r"blocks.\1.attn."),
        (r"^layers\.(\d+)\.ffn\.layers\.0\.0\.", r"blocks.\1.mlp.fc1."),
        (r"^layers\.(\d+)\.ffn\.layers\.1\.", r"blocks.\1.mlp.fc2."),
        (r"^patch_embed\.projection\.", r"patch_embed.proj."),
        (r"^ln1\.", r"norm."),
        # facebookresearch/vissl: vissl/models/trunks/vision_transformer.py
        (r"^class_token$", r"cls_token"),
        (r"^pos_embedding$", r"pos_embed"),
        # Separius/SimCLRv2-Pytorch: resnet.py (a list of operations, without selective kernels)
        (r"^net\.0\.0\.", r"conv1."),
        (r"^net\.0\.1\.0\.", r"bn1."),
        (r"^net\.(\d)\.blocks\.(\d+)\.projection\.shortcut\.", r"layer\1.\2.downsample.0."),
        (r"^net\.(\d)\.blocks\.(\d+)\.projection\.bn\.0\.", r"layer\1.\2.downsample.1."),
        (r"^net\.(\d)\.blocks\.(\d+)\.net\.0\.", r"layer\1.\2.conv1."),
        (r"^net\.(\d)\.blocks\.(\d+)\.net\.1\.0\.", r"layer\1.\2.bn1."),
        (r"^net\.(\d)\.blocks\.(\d+)\.net\.2\.", r"layer\1.\2.conv2."),
        (r"^net\.(\d)\.blocks\.(\d+)\.net\.3\.0\.", r"layer\1.\2.bn2."),
        (r"^net\.(\d)\.blocks\.(\d+)\.net\.4\.", r"layer\1.\2.conv3."),
        (r"^net\.(\d)\.blocks\.(\d+)\.net\.5\.0\.", r"layer\1.\2.bn3."),
    )
)


@dataclass(frozen=True, slots=True)
class Found:
    """The trunk of a checkpoint under timm's names, perhaps with the trunk's own head."""

    layout: Layout
    method: str
    trunk: StateDict
    dropped: int
    """How many keys were heads, queues or momentum copies."""
    between: int | None = None
    """Of a ResNet as a list of its children: how many stand between stem and first layer."""


def find(state: Mapping[str, Any], layout: str = "", names: Sequence[str] = ()) -> Found:
    """Find the trunk; `layout` names one by force, `names` are those that the trunk should have.

    Raises CheckpointError where no layout fits, or a key is neither the trunk's nor known to be
    something else; UnknownModelError where no layout has that name.
    """
    rule, weights = _choose(state, layout)
    prefix = rule.trunk if rule.trunk is not None else re.escape(_prefix(weights, names))
    trunk: StateDict = {}
    unknown = []
    for key, tensor in weights.items():
        if re.match(rule.drop, key):
            continue
        inside = re.match(prefix, key)
        if inside and isinstance(tensor, torch.Tensor):
            trunk[key[inside.end() :]] = tensor
        elif inside or not (rule.loose and LOOSE.match(key)):
            unknown.append(key)
    if unknown:
        raise CheckpointError(
            f"layout {rule.name}: {len(unknown)} keys are neither the trunk nor a known head, "
            f"queue or copy: {listed(unknown)}"
        )
    method = rule.method or _recorded_method(state) or _method(weights)
    dropped, between = len(weights) - len(trunk), _between(trunk)
    return Found(rule, method, _canonical(trunk), dropped, between)


def listed(keys: Iterable[str]) -> str:
    """The first few keys, for a message."""
    names = list(keys)
    return ", ".join(names[:3]) + (" …" if len(names) > 3 else "")


def _choose(state: Mapping[str, Any], name: str) -> tuple[Layout, Mapping[str, Any]]:
    rules = [rule for rule in LAYOUTS if name in ("", rule.name)]
    if not rules:
        known = ", ".join(rule.name for rule in LAYOUTS)
        raise UnknownModelError(f"layout={name}: unknown; one of {known}")
    for rule in rules:
        for container in rule.containers:
            weights = _weights(state, container)
            if weights and _marked(rule, weights) and (not rule.beside or rule.beside in state):
                return rule, weights
    wanted = f"not in layout {name}" if name else "in no layout that is known"
    raise CheckpointError(f"{wanted} (it holds {listed(state) if state else 'nothing'})")


def _marked(rule: Layout, weights: Iterable[str]) -> bool:
    return all(any(re.match(mark, key) for key in weights) for mark in rule.marks)


def _weights(state: Mapping[str, Any], container: str) -> Mapping[str, Any]:
    inner: Any = state
    for name in filter(None, container.split("/")):
        inner = inner.get(name) if isinstance(inner, dict) else None
    if not isinstance(inner, dict) or not any(isinstance(v, torch.Tensor) for v in inner.values()):
        return {}
    return strip_wrappers(inner)


def _prefix(weights: Mapping[str, Any], names: Sequence[str]) -> str:
    """What stands before the one trunk that is no momentum copy, else before the teacher's."""
    prefixes = _before_names(weights, names) or _before_first_layers(weights)
    for copies in (COPIES, NOT_TEACHER):
        own = [prefix for prefix in prefixes if not copies.match(prefix)]
        if len(own) == 1:
            return own[0]
    seen = f"{len(prefixes)} networks ({listed(prefixes)})" if prefixes else "no known network"
    raise CheckpointError(
        f"{seen} in {listed(weights)}; name the layout with ?layout=, or a timm network with ?arch="
    )


def _before_names(weights: Mapping[str, Any], names: Sequence[str]) -> list[str]:
    """The prefixes under which most of these names are found."""
    ends = [key.removesuffix(names[0]) for key in weights if names and key.endswith(names[0])]
    found = {end: sum(end + name in weights for name in names) for end in ends}
    return [end for end, count in found.items() if count == max(found.values())]


def _before_first_layers(weights: Mapping[str, Any]) -> list[str]:
    matches = [FIRST_LAYER.search(key) for key, tensor in weights.items() if _reads_rgb(tensor)]
    return [match.string[: match.start()] for match in matches if match]


def _reads_rgb(tensor: object) -> bool:
    return isinstance(tensor, torch.Tensor) and tensor.ndim == 4 and tensor.shape[1] == 3


def _canonical(trunk: StateDict) -> StateDict:
    """The same tensors under timm's names."""
    numbers = _numbers(trunk)
    if numbers:
        names = dict(zip(map(str, numbers), CHILDREN, strict=False))
        split = {key: key.split(".", 1) for key in trunk}
        trunk = {f"{names.get(n, n)}.{rest}": trunk[key] for key, (n, rest) in split.items()}
    renamed = {_renamed(key): tensor for key, tensor in trunk.items()}
    return {key: _unsplit(key, tensor, renamed) for key, tensor in renamed.items()}


def _numbers(trunk: Iterable[str]) -> list[int]:
    """Which children of a network hold weights, where its keys are `nn.Sequential`'s."""
    heads = {key.split(".")[0] for key in trunk}
    return sorted(map(int, heads)) if all(head.isdecimal() for head in heads) else []


def _between(trunk: Iterable[str]) -> int | None:
    match _numbers(trunk):
        case [_conv1, bn1, layer1, *_]:
            return layer1 - bn1 - 1
    return None


def _renamed(key: str) -> str:
    for pattern, name in RENAMES:
        key, changed = pattern.subn(name, key, count=1)
        if changed:
            return key
    return key


def _unsplit(key: str, tensor: torch.Tensor, trunk: StateDict) -> torch.Tensor:
    """One set of statistics for lightly's SplitBatchNorm, which trains with several.

    In evaluation it takes their mean: lightly/models/batchnorm.py.
    """
    weight = trunk.get(re.sub(r"running_(mean|var)$", "weight", key), tensor)
    splits, rest = divmod(tensor.numel(), max(weight.numel(), 1))
    if not re.search(r"running_(mean|var)$", key) or rest or splits < 2:
        return tensor
    return tensor.view(splits, -1).mean(dim=0)


def _recorded_method(state: Mapping[str, Any]) -> str:
    settings = state.get("hyper_parameters")
    method = settings.get("method", "") if isinstance(settings, dict) else ""
    return method if isinstance(method, str) else ""


def _method(weights: Iterable[str]) -> str:
    """What the heads and copies in a framework's checkpoint were for."""
    names = list(weights)
    copied = any(COPIES.match(name) for name in names)
    parts = {part for name in names for part in re.split(r"[._]", name)}
    if "prototypes" in parts:
        return "SwAV"
    if {"last", "layer", "student"} <= parts or "dino" in parts:
        return "DINO"
    if parts & {"predictor", "prediction"}:
        return "BYOL or MoCo v3" if copied else "SimSiam"
    if copied or parts & {"queue", "bank", "query"}:
        return "MoCo"
    if parts & {"projector", "projection", "neck"}:
        return "SimCLR or alike"
    return "not recorded"
