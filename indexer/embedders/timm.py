"""Any timm trunk with pretrained weights: `timm:NAME`, or `timm:NAME@FILE` for a file of one's own.

The embedding is timm's own: pooled features, with the classifier left out. timm adapts the weights
to its layout; `checkpoints` reads them and `hub` fetches them, as for the other families.
"""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import timm
from timm.data import resolve_data_config
from timm.models import get_pretrained_cfg

from indexer.embedders import hub
from indexer.embedders.base import Model, Notify, Preprocessing
from indexer.embedders.checkpoints import StateDict, read_state_dict
from indexer.embedders.names import did_you_mean
from indexer.embedders.recommended import TIMM_WEIGHTS, UNKNOWN_LICENCE
from indexer.embedders.towers import misfit, output_dim
from indexer.errors import CheckpointError, ModelError, ModelUnavailableError, UnknownModelError

__all__ = ["load", "references"]

REMEDY = "`starter` works offline, or give a weights file as timm:NAME@FILE"


def references() -> Sequence[str]:
    """Every `NAME.TAG` that timm has weights for."""
    names: list[str] = timm.list_models(pretrained=True)
    return names


def load(reference: str, notify: Notify) -> Model:
    """Load the model that `timm:reference` names."""
    asked, at, file = reference.partition("@")
    described = _describe(asked)
    # The tag says which weights; timm may make others the default one day.
    name = f"{described.architecture}.{described.tag}" if described.tag else asked
    preprocessing = _preprocessing(name, described)
    licence = UNKNOWN_LICENCE
    if at:
        weights = Path(os.path.expanduser(file)).resolve()
        full, origin = f"{name}@{weights}", str(weights)
    else:
        snapshot = _fetch(described, name, notify)
        weights = snapshot.first(TIMM_WEIGHTS)
        full, origin = name, f"{described.hf_hub_id}@{snapshot.revision}"
        licence = described.license or licence
    trunk = _fill(name, described, weights)
    return Model(
        name=f"timm:{full}",
        dim=output_dim(trunk, preprocessing.size),
        preprocessing=preprocessing,
        image_tower=trunk,
        licence=licence,
        details={"weights": weights.name, "from": origin},
    )


def _describe(name: str) -> Any:
    """Timm's own description of a name with or without its tag."""
    try:
        return get_pretrained_cfg(name, allow_unregistered=False)
    except RuntimeError as error:
        near = did_you_mean(f"timm:{name}", [f"timm:{known}" for known in references()])
        raise UnknownModelError(f"timm has no model {name!r}{near}") from error


def _fetch(described: Any, name: str, notify: Notify) -> hub.Snapshot:
    if not described.hf_hub_id:
        where = f"they are at {described.url}; " if described.url else ""
        raise ModelUnavailableError(f"timm:{name} has no weights on the hub; {where}{REMEDY}")
    return hub.fetch(hub.Request(described.hf_hub_id, (TIMM_WEIGHTS,)), notify, REMEDY)


def _fill(name: str, described: Any, weights: Path) -> Any:
    state = read_state_dict(weights)
    classes = _classes(described, state)
    try:
        # With the classifier that the file has, so that timm may be strict about every key.
        trunk = timm.create_model(
            name,
            pretrained=True,
            num_classes=classes,
            pretrained_cfg_overlay={
                "state_dict": state,
                "num_classes": classes,
                "label_offset": None,
                "custom_load": False,
            },
        )
    except (RuntimeError, KeyError, ValueError, TypeError, AssertionError) as error:
        raise CheckpointError(f"{weights} does not fit timm:{name}: {misfit(error)}") from error
    trunk.reset_classifier(0)
    trunk.pretrained_cfg.pop("state_dict")
    return trunk.eval()


def _classes(described: Any, state: StateDict) -> int:
    """How many classes the classifier in the file tells apart; 0 where it has none."""
    names = described.classifier or ()
    first = names if isinstance(names, str) else next(iter(names), "")
    weight = state.get(f"{first}.weight")
    return 0 if weight is None else len(weight)


_RESIZE: dict[str, Literal["shortest", "squash", "longest"]] = {
    "center": "shortest",
    "squash": "squash",
    "border": "longest",
}


def _preprocessing(name: str, described: Any) -> Preprocessing:
    config = resolve_data_config(pretrained_cfg=described.to_dict())
    channels, height, width = config["input_size"]
    if channels != 3 or height != width:
        raise ModelError(f"timm:{name} takes {channels} x {height} x {width}, not a square in RGB")
    return Preprocessing(
        size=width,
        resize=_RESIZE[config["crop_mode"]],
        resize_to=int(width / config["crop_pct"]),
        interpolation=config["interpolation"],
        mean=config["mean"],
        std=config["std"],
        # timm fills with the mean; the models that do have the same mean in every channel.
        fill=round(255 * sum(config["mean"]) / 3),
    )
