"""Weights files, read without ever running what they hold.

A file is read as safetensors, by `torch.load(weights_only=True)`, or, where it is a TorchScript
archive, by `indexer.embedders.torchscript`; there is no other way, and no fall-back.
"""

import os
import re
import stat
import struct
import zipfile
from argparse import Namespace
from collections import OrderedDict
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import safetensors
import safetensors.torch
import torch

from indexer.embedders.torchscript import read_torchscript
from indexer.errors import CheckpointError, ModelUnavailableError

__all__ = ["StateDict", "is_torchscript", "read_state", "read_state_dict", "strip_wrappers"]

StateDict = dict[str, torch.Tensor]

SAFETENSORS_HEADER_LIMIT = 100_000_000
"""Bytes; the limit of the format's own library."""

FLAT_CONTAINERS = ("state_dict_ema", "model_ema", "state_dict", "model", "model_state_dict")
"""Where training scripts put the weights, averaged ones first, as timm reads them."""

ZIP = b"PK"

WRAPPERS = re.compile(r"(?:module\.|_orig_mod\.)+")
"""What DistributedDataParallel and torch.compile put before every key."""


class Inert:
    """Stands in for a foreign object in a pickle: keeps its attributes and runs nothing."""

    def __init__(self, *_arguments: object) -> None: ...

    def __setstate__(self, state: object) -> None:
        if isinstance(state, dict):
            self.__dict__.update(state)


def _plain_dict(*_arguments: object) -> OrderedDict[str, Any]:
    return OrderedDict()


# What published checkpoints hold beside tensors, and what is put in its place. Not one of these
# names is ever imported, so the list may be generous; a name that is not here is refused.
STAND_INS: dict[str, Callable[..., object]] = {
    # The command line of a training run: DINO, MoCo v3, DeiT and what descends from them.
    "argparse.Namespace": Namespace,
    **dict.fromkeys(
        ("pathlib.PosixPath", "pathlib.WindowsPath", "pathlib._local.PosixPath"),
        Inert,
    ),
    # Numbers and arrays of the training log, such as `best_acc1`.
    **dict.fromkeys(
        (
            "numpy.core.multiarray.scalar",
            "numpy._core.multiarray.scalar",
            "numpy.core.multiarray._reconstruct",
            "numpy._core.multiarray._reconstruct",
            "numpy.ndarray",
            "numpy.dtype",
        ),
        Inert,
    ),
    # Hyper-parameters as PyTorch Lightning and VISSL keep them. The unpickler fills these by key,
    # and it fills only true dicts.
    **dict.fromkeys(
        (
            "pytorch_lightning.utilities.parsing.AttributeDict",
            "lightning_fabric.utilities.data.AttributeDict",
            "lightning.fabric.utilities.data.AttributeDict",
            "vissl.config.attr_dict.AttrDict",
        ),
        OrderedDict,
    ),
    "collections.defaultdict": _plain_dict,
    # Early PyTorch Lightning names its callbacks by class.
    "pytorch_lightning.callbacks.model_checkpoint.ModelCheckpoint": Inert,
    # The configuration of Hydra and solo-learn, with the types it mentions.
    **dict.fromkeys(
        (
            "omegaconf.dictconfig.DictConfig",
            "omegaconf.listconfig.ListConfig",
            "omegaconf.base.ContainerMetadata",
            "omegaconf.base.Metadata",
            "omegaconf.nodes.AnyNode",
            "typing.Any",
            "builtins.dict",
            "builtins.list",
            "builtins.int",
            "builtins.float",
            "builtins.str",
            "builtins.bool",
        ),
        Inert,
    ),
    # MMEngine's log; its `getattr` is the stand-in too, and looks nothing up.
    "mmengine.logging.history_buffer.HistoryBuffer": Inert,
    "builtins.getattr": Inert,
}


def read_state(path: Path) -> dict[str, Any]:
    """Read the dict that a weights file holds: tensors, and dicts of them, under string keys.

    Raises ModelUnavailableError where there is no file, and CheckpointError for one that is
    damaged, is no weights file, or names anything that would have to be run.
    """
    head = _head(path)
    if path.suffix == ".pt2":
        raise CheckpointError(f"{path}: an exported program is code; give its state dict instead")
    if path.suffix == ".safetensors" or head[8:9] == b"{":
        _check_safetensors_header(path, head)
        state = _guarded(path, lambda: safetensors.torch.load_file(path))
    elif is_torchscript(path):
        state = _guarded(path, lambda: read_torchscript(path))
    else:
        state = _guarded(path, lambda: _torch_load(path, mapped=head.startswith(ZIP)))
    if not isinstance(state, dict):
        raise CheckpointError(f"{path}: holds a {type(state).__name__}, not a dict of weights")
    return {str(key): value for key, value in state.items()}


def read_state_dict(path: Path) -> StateDict:
    """Read one flat state dict, out of the container and the wrapper that training put round it.

    Raises what `read_state` raises, and CheckpointError where anything but tensors is in there.
    """
    state: Mapping[str, Any] = read_state(path)
    container = next((name for name in FLAT_CONTAINERS if _holds_dict(state, name)), None)
    if container:
        state = state[container]
    strays = [key for key, value in state.items() if not isinstance(value, torch.Tensor)]
    if strays:
        raise CheckpointError(f"{path}: {strays[0]!r} is no tensor; not a flat state dict")
    if not state:
        raise CheckpointError(f"{path}: holds no tensors")
    return strip_wrappers(state)


def strip_wrappers(state: Mapping[str, torch.Tensor]) -> StateDict:
    """Drop what distributed training and compilation put before every key."""
    if not all(WRAPPERS.match(key) for key in state):
        return dict(state)
    return {WRAPPERS.sub("", key, count=1): tensor for key, tensor in state.items()}


def _holds_dict(state: Mapping[str, Any], name: str) -> bool:
    return isinstance(state.get(name), dict)


def _head(path: Path) -> bytes:
    try:
        # Asked first, because opening a pipe would wait for a writer.
        if not stat.S_ISREG(path.stat().st_mode):
            raise CheckpointError(f"{path}: not a file")
        with path.open("rb") as file:
            head = file.read(16)
    except FileNotFoundError as error:
        raise ModelUnavailableError(f"{path}: no such file") from error
    except (OSError, ValueError) as error:
        raise CheckpointError(f"{path}: cannot be read ({error})") from error
    if not head:
        raise CheckpointError(f"{path}: empty (0 bytes)")
    return head


def _check_safetensors_header(path: Path, head: bytes) -> None:
    """Refuse an absurd header before anything sets memory aside for it."""
    length = struct.unpack("<Q", head[:8])[0] if len(head) >= 8 else 0
    limit = min(SAFETENSORS_HEADER_LIMIT, path.stat().st_size - 8)
    if not 0 < length <= limit:
        raise CheckpointError(f"{path}: damaged safetensors (header of {length:,} bytes)")


def is_torchscript(path: Path) -> bool:
    """Whether the file is a TorchScript archive, as OpenAI publishes CLIP in.

    Raises what `read_state` raises for a file that cannot be read.
    """
    if not _head(path).startswith(ZIP):
        return False
    return any(name.endswith("/constants.pkl") for name in _guarded(path, lambda: _names(path)))


def _names(path: Path) -> list[str]:
    with zipfile.ZipFile(path) as archive:
        return archive.namelist()


def _torch_load(path: Path, mapped: bool) -> object:
    # Mapping leaves on disk what is not used: most of a training checkpoint is optimizer state.
    # Only the zip format can be mapped.
    with torch.serialization.safe_globals([(value, name) for name, value in STAND_INS.items()]):
        return torch.load(os.fspath(path), map_location="cpu", weights_only=True, mmap=mapped)


def _guarded(path: Path, read: Callable[[], object]) -> Any:
    """Turn whatever a reader raises into one line."""
    try:
        return read()
    except CheckpointError:
        raise
    except Exception as error:  # bytes that are not what they claim can raise anything
        raise CheckpointError(f"{path}: {_reason(error)}") from error


def _reason(error: Exception) -> str:
    named = re.search(r"GLOBAL (\S+)", str(error))
    if named:
        hint = "save its state_dict() and give that"
        if re.match(r"(jax|haiku|flax|dill|byol)", named[1]):
            hint = "a JAX checkpoint must be converted to PyTorch first"
        return f"not opened, because it asks to run {named[1]}; {hint}"
    first_line = str(error).strip().split("\n")[0][:120]
    return f"damaged or not a weights file ({type(error).__name__}: {first_line})"
