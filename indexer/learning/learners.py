"""From options to what the loop trains: a method over a network, with its examples, and how it is saved.

Here embedders and training meet, which know nothing of each other.
"""

import dataclasses
import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, TypeVar

import torch
from pydantic import ValidationError
from torch import Tensor, nn

from indexer.embedders.base import Model, Preprocessing
from indexer.errors import UsageError
from indexer.learning.options import TrainOptions
from indexer.spaces import absolute_name
from indexer.train import byol, clip, moco, simclr
from indexer.train.augmentations import MEAN, STD
from indexer.train.method import Method, PictureMethod
from indexer.train.schedules import Recipe
from indexer.train.trunks import make_trunk

__all__ = ["DEFAULT_BACKBONE", "DEFAULT_SIZE", "Learner", "configured", "picture_learner", "recipe"]

DEFAULT_BACKBONE, DEFAULT_SIZE = "resnet18", 224
GIVEN = ("size", "image_dim", "text_dim", "lock_image", "lock_text")
"""Fields of configurations that have options of their own, or follow from the model."""

USUAL = {each.kind: each for each in (simclr.RECIPE, moco.RECIPE, clip.RECIPE)}
"""Each optimiser as the paper says that uses it."""

Config = TypeVar("Config")


@dataclass
class Learner:
    """What is trained, and what is kept of it."""

    method: Method
    recipe: Recipe
    network: Mapping[str, Any]
    """How the family `run:` builds the network that the weights belong to."""
    preprocessing: Preprocessing
    dim: int

    def weights(self) -> dict[str, Tensor]:
        """What is kept, by name."""
        assert isinstance(self.method, PictureMethod)
        return self.method.trunk.state_dict()

    def model(self) -> Model:
        """The model as it is now; its towers are those that learn."""
        assert isinstance(self.method, PictureMethod)
        return Model("run", self.dim, self.preprocessing, self.method.trunk, "your own")


def picture_learner(
    method: str, options: TrainOptions, start: Model | None, pictures: int
) -> Learner:
    """SimCLR, MoCo or BYOL, over an untrained network or over a model's image tower."""
    torch.manual_seed(options.seed)
    trunk: Any
    if start is None:
        name, size = options.backbone or DEFAULT_BACKBONE, options.size or DEFAULT_SIZE
        trunk, dim = make_trunk(name, size)
        preprocessing = Preprocessing(size=size, mean=MEAN, std=STD)
        stem = getattr(trunk, "conv1", None)  # of a ResNet, whose stride no weight tells
        stride = stem.stride[0] if isinstance(stem, nn.Conv2d) else None
        network = {"trunk": name, "size": size, "stem_stride": stride}
    else:
        if options.size not in (None, start.preprocessing.size):
            raise UsageError(
                f"--size {options.size}: {start.name} sees {start.preprocessing.size} pixels; leave --size away"
            )
        trunk, dim, preprocessing = start.image_tower, start.dim, start.preprocessing
        network = {"like": absolute_name(start.name)}
    trunk.requires_grad_(True)
    found = _method(method, options, trunk, dim, preprocessing.size, pictures)
    found.normalisation = preprocessing.mean, preprocessing.std
    recipes = {"simclr": simclr.RECIPE, "moco": moco.RECIPE, "byol": byol.RECIPE}
    return Learner(found, recipe(recipes[method], options), network, preprocessing, dim)


def _method(
    method: str, options: TrainOptions, trunk: Any, dim: int, size: int, pictures: int
) -> PictureMethod:
    match method:
        case "simclr":
            return simclr.SimCLR(
                trunk, dim, configured(simclr.SimCLRConfig(size=size), options.set)
            )
        case "moco":
            config = configured(moco.MoCoConfig(size=size), options.set)
            return moco.MoCo(trunk, dim, config.fitted(pictures))
        case _:
            return byol.BYOL(trunk, dim, configured(byol.BYOLConfig(size=size), options.set))


def recipe(of_paper: Recipe, options: TrainOptions) -> Recipe:
    """The paper's optimiser, with what the user says otherwise; another one brings its own rate and decay."""
    if options.optimizer not in (None, of_paper.kind):
        of_paper = USUAL[options.optimizer]
    said = {"learning_rate": options.learning_rate, "weight_decay": options.weight_decay}
    changes: dict[str, Any] = {name: value for name, value in said.items() if value is not None}
    return replace(of_paper, **changes)


def configured(config: Config, said: Sequence[str]) -> Config:
    """A method's configuration with KEY=VALUE pairs in it. Raises UsageError."""
    known = [each.name for each in fields(config) if each.name not in GIVEN]  # type: ignore[arg-type]
    changes: dict[str, str] = {}
    for pair in said:
        key, mark, text = pair.partition("=")
        if key not in known or not mark:
            near = difflib.get_close_matches(key, known, n=1)
            there = f"there are {', '.join(known)}" if known else "it has none at all"
            hint = f"did you mean {near[0]}?" if near else there
            raise UsageError(f"--set {pair}: this method has no {key}; {hint}")
        changes[key] = text
    try:
        return dataclasses.replace(config, **changes)  # type: ignore[type-var]
    except ValidationError as error:
        wrong = error.errors()[0]
        name, why = str(wrong["loc"][0]), wrong["msg"].partition(",")[0]
        raise UsageError(f"--set {name}={changes[name]}: {why.replace('Input', 'it')}") from None
