"""The tensors of a TorchScript archive, without running the program that comes with them.

OpenAI publishes CLIP as such archives: zip files with a pickle of the module tree (`data.pkl`),
one entry a storage (`data/N`), and source code, which is never read here.
"""

import pickle
import zipfile
from collections import OrderedDict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch

from indexer.errors import CheckpointError

__all__ = ["read_torchscript"]

PICKLE_LIMIT = 64_000_000
"""Bytes of `data.pkl`, which holds names and shapes only; CLIP's largest is under one megabyte."""

DTYPES = {
    "BFloat16Storage": torch.bfloat16,
    "BoolStorage": torch.bool,
    "ByteStorage": torch.uint8,
    "CharStorage": torch.int8,
    "DoubleStorage": torch.float64,
    "FloatStorage": torch.float32,
    "HalfStorage": torch.float16,
    "IntStorage": torch.int32,
    "LongStorage": torch.int64,
    "ShortStorage": torch.int16,
}


class ScriptObject:
    """One module of the archive: its attributes, and none of its code."""

    def __setstate__(self, state: dict[str, object]) -> None:
        self.__dict__.update(state)


def read_torchscript(path: Path) -> dict[str, torch.Tensor]:
    """Read every tensor attribute of the module tree, keyed as in its `state_dict()`.

    A tensor that is neither parameter nor buffer is included, which `state_dict()` would not do.
    """
    with zipfile.ZipFile(path) as archive:
        root = next(name for name in archive.namelist() if name.endswith("/data.pkl"))
        if archive.getinfo(root).file_size > PICKLE_LIMIT:
            raise CheckpointError(f"{path}: {root} is larger than {PICKLE_LIMIT:,} bytes")
        with archive.open(root) as file:
            module = _Unpickler(file, archive, root.removesuffix(".pkl")).load()
    return dict(_tensors(module, "", ()))


def _tensors(
    module: object, prefix: str, above: tuple[int, ...]
) -> Iterator[tuple[str, torch.Tensor]]:
    # A module that contains itself cannot be scripted, but it can be written by hand.
    if not isinstance(module, ScriptObject) or id(module) in above:
        return
    for name, value in vars(module).items():
        if isinstance(value, torch.Tensor):
            yield prefix + name, value
        else:
            yield from _tensors(value, f"{prefix}{name}.", (*above, id(module)))


class _Unpickler(pickle.Unpickler):
    """Builds tensors and inert objects; every other name in the pickle is refused.

    The standard unpickler is safe to the extent that `find_class` is: it calls nothing else.
    """

    def __init__(self, file: Any, archive: zipfile.ZipFile, storages: str) -> None:
        super().__init__(file)
        self._archive = archive
        self._folder = storages
        self._storages: dict[str, torch.Tensor] = {}

    def find_class(self, module: str, name: str) -> Any:
        if module.startswith("__torch__"):
            return ScriptObject
        if module == "torch" and name in DTYPES:
            return DTYPES[name]
        match f"{module}.{name}":
            case "torch._utils._rebuild_tensor_v2":
                return _view
            case "torch.jit._pickle.restore_type_tag":
                return _untagged
            case "torch.jit._pickle.build_intlist" | "torch.jit._pickle.build_doublelist":
                return list
            case "torch.jit._pickle.build_boollist" | "torch.jit._pickle.build_tensorlist":
                return list
            case "torch.device":
                return str
            case "collections.OrderedDict":
                return OrderedDict
        raise pickle.UnpicklingError(f"unsupported GLOBAL {module}.{name}")

    def persistent_load(self, pid: Any) -> torch.Tensor:
        _kind, dtype, key, _location, length = pid
        if key not in self._storages:
            self._storages[key] = self._read(key, dtype, length)
        return self._storages[key]

    def _read(self, key: str, dtype: torch.dtype, length: int) -> torch.Tensor:
        info = self._archive.getinfo(f"{self._folder}/{key}")
        # Storages are written uncompressed; one that is not could unpack to any size.
        if info.compress_type != zipfile.ZIP_STORED or info.file_size != length * dtype.itemsize:
            raise pickle.UnpicklingError(f"storage {key} is not the size it claims")
        if length == 0:
            return torch.empty(0, dtype=dtype)
        # A bytearray, because PyTorch warns of memory that may not be written to.
        return torch.frombuffer(bytearray(self._archive.read(info)), dtype=dtype)


def _view(
    storage: torch.Tensor, offset: int, size: tuple[int, ...], stride: tuple[int, ...], *_: object
) -> torch.Tensor:
    return torch.as_strided(storage, size, stride, offset)


def _untagged(value: object, _type: str) -> object:
    return value
