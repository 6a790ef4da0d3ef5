"""Self-supervised checkpoints: `ssl:PATH`, or `ssl:PATH?arch=…&layout=…&size=…&heads=…`.

The layout, the network and its width are told by the keys and shapes in the file. The embedding is
what the authors' nearest-neighbour evaluation takes: the average over positions of a ResNet, the
class token after the last norm of a ViT.
"""

import os
import re
from argparse import Namespace
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import torch

from indexer.embedders.base import Model, Notify, Preprocessing
from indexer.embedders.checkpoints import StateDict, read_state
from indexer.embedders.layouts import AS_IS, IMAGENET, Layout, Normalisation
from indexer.embedders.towers import output_dim
from indexer.embedders.trunks import Trunk, named, recognise
from indexer.embedders.unwrapping import Found, find, listed
from indexer.errors import CheckpointError, UnknownModelError

__all__ = ["load", "references"]

HEADS = re.compile(r"(fc|head|linear|classifier)\.")
"""Heads that torchvision, timm and kuangliu/pytorch-cifar keep inside the network."""

SIZE_NAMES = ("image_size", "img_size", "input_size", "crop_size")
"""What training scripts call the edge of their pictures."""


@dataclass(frozen=True, slots=True)
class Options:
    """What the user may say about a file that does not say it itself."""

    arch: str = ""
    """A network by timm's name."""
    layout: str = ""
    size: int | None = None
    """Edge of the pictures, in pixels."""
    heads: int | None = None
    """Attention heads of a ViT, which no shape tells."""


def references() -> Sequence[str]:
    """None: every file is the user's own."""
    return []


def load(reference: str, notify: Notify) -> Model:
    """Load the trunk of a self-supervised checkpoint.

    Raises UnknownModelError for an option that is not understood, ModelUnavailableError where
    there is no file, CheckpointError where it is damaged, unsafe, or fits no known network.
    """
    path, options = _parse(reference)
    notify(f"reading {path}")
    state = read_state(path)
    try:
        found, trunk = _fitted(state, options)
    except CheckpointError as error:
        raise CheckpointError(f"{path}: {error}") from error
    except (ArithmeticError, AssertionError, LookupError, RuntimeError, ValueError) as error:
        # Shapes that no network has, such as a kernel without an edge.
        raise CheckpointError(f"{path}: shapes of no known network ({error!r})") from error
    preprocessing = _preprocessing(state, found, trunk, options.size)
    return Model(
        name=f"ssl:{reference}",
        dim=output_dim(trunk.module, preprocessing.size),
        preprocessing=preprocessing,
        image_tower=trunk.module,
        licence="unknown (your own file)",
        details={
            "layout": found.layout.name,
            "method": found.method,
            "arch": trunk.arch,
            "file": str(path),
            "dropped_keys": found.dropped,
        },
    )


def _parse(reference: str) -> tuple[Path, Options]:
    whole = Path(os.path.expanduser(reference))
    name, mark, query = reference.rpartition("?")
    if not mark or os.path.exists(whole):
        name, query = reference, ""
    if not name:
        raise UnknownModelError("ssl: names no file; write ssl:PATH")
    known = {field.name: field.type for field in fields(Options)}
    given: dict[str, Any] = {}
    for key, value in parse_qsl(query, keep_blank_values=True):
        if key not in known or not value:
            raise UnknownModelError(f"ssl: no option {key}={value}; one of {', '.join(known)}")
        given[key] = value if known[key] is str else _positive(key, value)
    return Path(os.path.expanduser(name)), Options(**given)


def _positive(key: str, value: str) -> int:
    if not value.isdecimal() or not 0 < int(value) <= 4096:
        raise UnknownModelError(f"ssl: {key}={value} is no whole number from 1 to 4096")
    return int(value)


def _fitted(state: Mapping[str, Any], options: Options) -> tuple[Found, Trunk]:
    """The trunk with the file's weights in it, ready for inference."""
    if options.arch:
        trunk = named(options.arch)
        found = find(state, options.layout, list(trunk.module.state_dict()))
    else:
        found = find(state, options.layout)
        trunk = recognise(
            found.trunk,
            norm_eps=found.layout.norm_eps,
            stem_padding=found.layout.stem_padding,
            between=found.between,
            heads=options.heads,
        )
    if trunk.transformer and options.size not in (None, trunk.size):
        raise CheckpointError(f"size={options.size}: these weights fit {trunk.size} pixels only")
    _fill(trunk, found)
    return found, trunk


def _fill(trunk: Trunk, found: Found) -> None:
    """Load strictly: every tensor has its place, and every place its tensor."""
    wanted = trunk.module.state_dict()
    given = {key: t for key, t in found.trunk.items() if key in wanted or not HEADS.match(key)}
    if faults := "; ".join(_faults(wanted, given)):
        raise CheckpointError(f"layout {found.layout.name}, network {trunk.arch}: {faults}")
    trunk.module.load_state_dict(given)
    trunk.module.eval().requires_grad_(False)
    if not all(bool(tensor.isfinite().all()) for tensor in trunk.module.state_dict().values()):
        raise CheckpointError("NaN or infinite weights; that training run diverged")


def _faults(wanted: StateDict, given: StateDict) -> Iterator[str]:
    # A counter that inference does not use; files from before PyTorch 0.4.1 lack it.
    missing = [k for k in wanted if k not in given and not k.endswith("num_batches_tracked")]
    unknown = [k for k in given if k not in wanted]
    differing = [
        f"{k} {tuple(given[k].shape)} for {tuple(wanted[k].shape)}"
        for k in wanted
        if k in given and given[k].shape != wanted[k].shape
    ]
    for what, keys in (("missing", missing), ("unknown", unknown), ("misshapen", differing)):
        if keys:
            yield f"{len(keys)} {what}: {listed(keys)}"


def _preprocessing(
    state: Mapping[str, Any], found: Found, trunk: Trunk, size: int | None
) -> Preprocessing:
    settings, layout = _settings(state), found.layout
    if trunk.transformer:
        size = trunk.size
    size = size or _recorded_size(settings) or layout.size or trunk.size
    mean, std = _recorded_normalisation(settings) or _normalisation(layout, trunk, found.trunk)
    return Preprocessing(
        size=size,
        # Data sets of small pictures, such as CIFAR-10 and STL-10, are evaluated uncropped.
        resize_to=round(size * 256 / 224) if size > 128 else 0,
        interpolation=layout.interpolation or ("bicubic" if trunk.transformer else "bilinear"),
        mean=mean,
        std=std,
    )


def _normalisation(layout: Layout, trunk: Trunk, weights: StateDict) -> Normalisation:
    known = layout.small_normalisation if trunk.small_stem else layout.normalisation
    return known or (AS_IS if _trained_on_values_as_is(weights) else IMAGENET)


def _trained_on_values_as_is(weights: StateDict) -> bool:
    """Whether the first batch norm has seen pictures of values 0–1, not normalised ones.

    A convolution's mean output is the sum of its kernel times the mean input, for each channel, so
    the running means tell the mean input: near 0 if normalised, near 0.45 if not. Checked on
    EfficientNet-Lite2's released weights, where the fit explains over 99.9 % of the variance.
    """
    kernels, means = weights.get("conv1.weight"), weights.get("bn1.running_mean")
    if kernels is None or means is None:
        return False
    sums, means = kernels.float().sum(dim=(2, 3)), means.float()
    inputs = torch.linalg.lstsq(sums, means[:, None]).solution[:, 0]
    unexplained = (sums @ inputs - means).square().sum() / means.square().sum()
    return bool(unexplained < 0.1) and bool(((inputs > 0.2) & (inputs < 0.8)).all())


def _settings(state: Mapping[str, Any]) -> Mapping[str, Any]:
    """The hyper-parameters that a training script left in the file."""
    for name in ("hyper_parameters", "args"):
        settings = state.get(name)
        if isinstance(settings, Namespace):
            return vars(settings)
        if isinstance(settings, dict):
            return settings
    return {}


def _recorded_size(settings: Mapping[str, Any]) -> int | None:
    sizes = (settings.get(name) for name in SIZE_NAMES)
    return next((size for size in sizes if isinstance(size, int) and 16 <= size <= 1024), None)


def _recorded_normalisation(settings: Mapping[str, Any]) -> Normalisation | None:
    match settings.get("mean"), settings.get("std"):
        case [float(m0), float(m1), float(m2)], [float(s0), float(s1), float(s2)]:
            # Elsewhere values run to 255; that is not what these numbers are for here.
            if max(m0, m1, m2) <= 1 and min(s0, s1, s2) > 0:
                return (m0, m1, m2), (s0, s1, s2)
    return None
