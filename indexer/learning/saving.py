"""A finished run: the weights, and what says where they come from."""

import json
import platform
from collections.abc import Mapping
from dataclasses import asdict
from importlib.metadata import version
from typing import Any

from safetensors.torch import save_file

from indexer.learning.learners import Learner
from indexer.train.runs import Run

__all__ = ["save", "versions"]

WEIGHTS = "weights.safetensors"
CLIP_WEIGHTS, CLIP_CONFIG = "open_clip_model.safetensors", "open_clip_config.json"
PACKAGES = ("glimpse", "torch", "torchvision", "timm", "open_clip_torch", "lightly")


def save(run: Run, learner: Learner, described: Mapping[str, Any]) -> None:
    """Make a model of the run: `described` goes into `run.json` with what the learner knows itself.

    Weights first: the description is what makes the folder a model.
    """
    is_clip = "open_clip" in learner.network
    tensors = {name: t.detach().cpu().contiguous().clone() for name, t in learner.weights().items()}
    aside = run.folder / ".weights.tmp"
    save_file(tensors, aside)
    aside.replace(run.folder / (CLIP_WEIGHTS if is_clip else WEIGHTS))
    if is_clip:
        run.write(CLIP_CONFIG, json.dumps(_as_open_clip(learner), indent=2) + "\n")
    run.finish(
        {
            "format": 1,
            **described,
            "network": learner.network,
            "preprocessing": asdict(learner.preprocessing),
            "dim": learner.dim,
            "versions": versions(),
        }
    )


def versions() -> dict[str, str]:
    """Of what a run depends on."""
    return {"python": platform.python_version(), **{name: version(name) for name in PACKAGES}}


def _as_open_clip(learner: Learner) -> dict[str, Any]:
    """What open_clip reads from a local folder."""
    how = learner.preprocessing
    return {
        "model_cfg": learner.network["open_clip"],
        "preprocess_cfg": {
            "size": how.size,
            "mean": how.mean,
            "std": how.std,
            "interpolation": how.interpolation,
            "resize_mode": how.resize,
        },
    }
