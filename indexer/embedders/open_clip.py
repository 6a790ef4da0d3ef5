"""CLIP and its descendants as open_clip builds them.

References: `ARCH/TAG`, `ARCH@FILE`, `local-dir:FOLDER`, `hf-hub:ORG/NAME` (or `…@REVISION`).
open_clip gives the architectures and the lists of tags; the weights are read by `checkpoints`, so
that no file can run anything, and fetched by `hub`, so that nothing hangs.
"""

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import open_clip
from open_clip.pretrained import get_pretrained_cfg
from open_clip.transform import PreprocessCfg, merge_preprocess_dict

from indexer.embedders import hub, open_clip_models, open_clip_tokenizer
from indexer.embedders.base import Model, Notify, Preprocessing, Tokenization
from indexer.embedders.checkpoints import read_state_dict
from indexer.embedders.names import did_you_mean
from indexer.embedders.recommended import CLIP_WEIGHTS, UNKNOWN_LICENCE, licence_of
from indexer.embedders.towers import misfit, output_dim
from indexer.errors import CheckpointError, ModelError, ModelUnavailableError, UnknownModelError

__all__ = ["Whole", "load", "load_whole", "references", "untrained"]

CONFIG = "open_clip_config.json"
WEIGHTS = (*CLIP_WEIGHTS, "model.safetensors", "pytorch_model.bin", "model.pth")
TOKENIZERS = ("tokenizer.json", "sentencepiece.bpe.model", "spiece.model", "vocab.txt")
TOKENIZER_PARTS = (
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "merges.txt",
    "vocab.json",
    "config.json",
)
REMEDY = (
    "`starter` works offline, or put the files into a folder with open_clip_config.json and use "
    "open_clip:local-dir:FOLDER, or give a weights file as open_clip:ARCH@FILE"
)


@dataclass(frozen=True, slots=True)
class _Source:
    """Where one model is described and where its weights lie."""

    reference: str
    config: dict[str, Any]
    preprocessing: dict[str, Any]
    weights: Path
    licence: str
    origin: str
    folder: Path | None = None
    """A folder of the user's, where the text side's files are looked for first."""


def references() -> Sequence[str]:
    """Every `ARCH/TAG` that open_clip lists."""
    return [f"{arch}/{tag}" for arch, tag in open_clip.list_pretrained()]


@dataclass(frozen=True, slots=True)
class Whole:
    """A model in one piece, as training needs it."""

    name: str
    model: Any
    """open_clip's own module, with both towers."""
    config: dict[str, Any]
    """Its `model_cfg`."""
    preprocessing: Preprocessing
    tokenization: Tokenization
    licence: str
    details: dict[str, Any]

    def split(self) -> Model:
        """Its towers, as every family hands them over; the model is used up."""
        image_tower, text_tower = open_clip_models.split(self.model)
        return Model(
            name=self.name,
            dim=output_dim(image_tower, self.preprocessing.size),
            preprocessing=self.preprocessing,
            image_tower=image_tower,
            licence=self.licence,
            text_tower=text_tower,
            tokenization=self.tokenization,
            details=self.details,
        )


def load(reference: str, notify: Notify) -> Model:
    """Load the model that `open_clip:reference` names; see the module for the forms."""
    return load_whole(reference, notify).split()


def load_whole(reference: str, notify: Notify) -> Whole:
    """The same model in one piece."""
    source = _locate(reference, notify)
    return _whole(source, _filled(source, notify), notify)


def untrained(architecture: str, size: int | None, notify: Notify) -> Whole:
    """One of open_clip's architectures at random weights, for pictures of `size` pixels.

    Raises UnknownModelError for a name that open_clip does not have.
    """
    config = _built_in(architecture)
    if size is not None:
        config["vision_cfg"]["image_size"] = size
    source = _Source(architecture, config, {}, Path(), "your own", "random weights")
    return _whole(source, _unfilled(source, notify), notify)


def _whole(source: _Source, model: Any, notify: Notify) -> Whole:
    return Whole(
        name=f"open_clip:{source.reference}",
        model=model,
        config=source.config,
        preprocessing=_preprocessing(source, model),
        tokenization=_tokenization(source, notify),
        licence=source.licence,
        details={"weights": source.weights.name, "from": source.origin},
    )


def _locate(reference: str, notify: Notify) -> _Source:
    scheme, _, rest = reference.partition(":")
    if scheme == "local-dir":
        return _from_folder(Path(os.path.expanduser(rest)).resolve())
    if scheme == "hf-hub":
        return _from_hub(rest, notify)
    arch, at, file = reference.partition("@")
    if at:
        return _from_file(arch, Path(os.path.expanduser(file)).resolve())
    return _from_tag(*_arch_and_tag(reference), notify)


def _from_folder(folder: Path) -> _Source:
    config, preprocessing = _read_config(folder / CONFIG)
    weights = next((folder / name for name in WEIGHTS if (folder / name).exists()), None)
    if weights is None:
        raise ModelUnavailableError(f"{folder} holds no {' or '.join(CLIP_WEIGHTS)}")
    reference = f"local-dir:{folder}"
    return _Source(
        reference, config, preprocessing, weights, UNKNOWN_LICENCE, str(folder), folder=folder
    )


def _from_hub(identifier: str, notify: Notify) -> _Source:
    repo, _, revision = identifier.partition("@")
    request = hub.Request(repo, ((CONFIG,), CLIP_WEIGHTS), ("README.md",), revision or "main")
    snapshot = hub.fetch(request, notify, REMEDY)
    config, preprocessing = _read_config(snapshot.folder / CONFIG)
    return _Source(
        f"hf-hub:{identifier}",
        config,
        preprocessing,
        snapshot.first(CLIP_WEIGHTS),
        licence_of(repo) or snapshot.licence() or UNKNOWN_LICENCE,
        f"{repo}@{snapshot.revision}",
    )


def _from_file(arch: str, file: Path) -> _Source:
    return _Source(f"{arch}@{file}", _built_in(arch), {}, file, UNKNOWN_LICENCE, str(file))


def _from_tag(arch: str, tag: str, notify: Notify) -> _Source:
    listed = get_pretrained_cfg(arch, tag)
    repo, _, file = listed["hf_hub"].rpartition("/")
    # Where open_clip's list names a pickle, the repository may hold the safe format beside it.
    names = (str(Path(file).with_suffix(".safetensors")), file) if file else CLIP_WEIGHTS
    snapshot = hub.fetch(hub.Request(repo, (names,), ("README.md",)), notify, REMEDY)
    config = _built_in(arch)
    # The tag tells how its weights were trained; open_clip itself only warns.
    config["quick_gelu"] = bool(config.get("quick_gelu") or listed.get("quick_gelu"))
    return _Source(
        f"{arch}/{tag}",
        config,
        listed,
        snapshot.first(names),
        licence_of(repo) or snapshot.licence() or UNKNOWN_LICENCE,
        f"{repo}@{snapshot.revision}",
    )


def _arch_and_tag(reference: str) -> tuple[str, str]:
    arch, _, tag = reference.rpartition("/")
    if not get_pretrained_cfg(arch, tag):
        near = did_you_mean(
            f"open_clip:{reference}", [f"open_clip:{known}" for known in references()]
        )
        raise UnknownModelError(f"open_clip has no model {reference!r}{near}")
    return arch, tag.lower().replace("-", "_")  # the form that open_clip's lists have


def _built_in(arch: str) -> dict[str, Any]:
    config: dict[str, Any] | None = open_clip.get_model_config(arch)
    if config is None:
        near = did_you_mean(arch, open_clip.list_models())
        raise UnknownModelError(f"open_clip has no architecture {arch!r}{near}")
    return config


def _read_config(path: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    if not path.exists():
        raise ModelUnavailableError(f"{path}: no such file")
    try:
        described = json.loads(path.read_text(encoding="utf-8"))
        config = described["model_cfg"]
        for side in ("vision_cfg", "text_cfg"):
            dict(**config[side])
        return config, dict(**described.get("preprocess_cfg", {}))
    except (ValueError, KeyError, TypeError) as error:
        raise ModelError(f"{path}: not a configuration of open_clip ({error!r})") from error


def _filled(source: _Source, notify: Notify) -> Any:
    state = read_state_dict(source.weights)
    if open_clip_models.is_openai(state):
        source.config["quick_gelu"] = True
    model = _unfilled(source, notify)
    try:
        open_clip_models.fill(model, state)
    except (RuntimeError, KeyError, AssertionError, AttributeError) as error:
        raise CheckpointError(
            f"{source.weights} does not fit {source.reference}: {misfit(error)}"
        ) from error
    return model


def _unfilled(source: _Source, notify: Notify) -> Any:
    text_folder = _text_folder(source, notify)
    try:
        return open_clip_models.build(source.config, text_folder)
    except (TypeError, ValueError, KeyError, AssertionError, RuntimeError, OSError) as error:
        raise ModelError(f"{source.reference}: cannot be built ({misfit(error)})") from error


def _text_folder(source: _Source, notify: Notify) -> str | None:
    """The folder with `config.json` of a Hugging Face text tower; None for another text tower."""
    name = source.config["text_cfg"].get("hf_model_name")
    if not name:
        return None
    folder = _folder_of(name, source, ("config.json",), (), notify)
    if "auto_map" in json.loads((folder / "config.json").read_text(encoding="utf-8")):
        raise ModelError(f"the text tower {name} asks to run code of its own; it is not opened")
    return str(folder)


def _tokenization(source: _Source, notify: Notify) -> Tokenization:
    text = source.config["text_cfg"]
    length, options = text.get("context_length", 77), text.get("tokenizer_kwargs") or {}
    name = text.get("hf_tokenizer_name")
    if not name:
        return open_clip_tokenizer.simple(length, options)
    folder = _folder_of(name, source, TOKENIZERS, TOKENIZER_PARTS, notify)
    return open_clip_tokenizer.from_folder(folder, length, options, text.get("tokenizer_mode"))


def _folder_of(
    name: str, source: _Source, files: tuple[str, ...], also: tuple[str, ...], notify: Notify
) -> Path:
    """Where the text side's files lie: in the user's folder, in a folder of that name, on the hub."""
    if source.folder:
        for folder in (source.folder, source.folder / name):
            if any((folder / file).exists() for file in files):
                return folder
    return hub.fetch(hub.Request(name, (files,), also), notify, REMEDY).folder


def _preprocessing(source: _Source, model: Any) -> Preprocessing:
    merged = merge_preprocess_dict(PreprocessCfg(), source.preprocessing)
    size = model.visual.image_size
    edges = {size} if isinstance(size, int) else set(size)
    if len(edges) != 1:
        raise ModelError(f"{source.reference}: the input of {size} pixels is not square")
    described = PreprocessCfg(**merged)
    return Preprocessing(
        size=edges.pop(),
        resize=described.resize_mode,
        # As open_clip's own transform: whatever is not bilinear is bicubic.
        interpolation="bilinear" if described.interpolation == "bilinear" else "bicubic",
        mean=_triple(described.mean),
        std=_triple(described.std),
        fill=described.fill_color,
    )


def _triple(values: float | Sequence[float]) -> tuple[float, float, float]:
    red, green, blue = [values] * 3 if isinstance(values, (int, float)) else values
    return float(red), float(green), float(blue)
