"""What a user may say about training: each option once, for the command and for Python alike."""

import math
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from indexer.errors import UsageError
from indexer.options import option

__all__ = ["METHODS", "TrainOptions", "TrainReport"]

METHODS = ("simclr", "moco", "byol", "clip")


@dataclass(frozen=True, slots=True)
class TrainOptions:
    """How to train; None stands for what the method's paper or the machine suggests."""

    name: str | None = option(None, "The run is called run:NAME; default: the method.")
    resume: bool = option(False, "Go on with a run that was interrupted.")
    epochs: float | None = option(None, "Train until every picture came so often.")
    minutes: float | None = option(None, "Train for so long, if the epochs are not over before.")
    backbone: str | None = option(
        None, "A timm network (default resnet18), or for clip an open_clip architecture."
    )
    start: str | None = option(None, "Begin with this model's weights; see `glimpse models`.")
    size: int | None = option(None, "Edge of the pictures that the network sees, in pixels.")
    lock: Literal["image", "text"] | None = option(None, "clip: a tower that stays as it is.")
    heads_only: bool = option(
        False, "clip: learn heads over the vectors that the library has; decodes nothing."
    )
    captions: tuple[str, ...] = option(
        (), "clip: a TSV, CSV or JSONL file, or sidecar, embedded, folders; repeatable."
    )
    template: tuple[str, ...] = option(
        (), "clip: a sentence with {} for a folder's name; repeatable."
    )
    batch: int | None = option(None, "Pictures that are compared with each other.")
    accumulate: int = option(1, "Batches whose gradients make one step.")
    optimizer: Literal["lars", "sgd", "adamw"] | None = option(None, "The optimiser.")
    learning_rate: float | None = option(
        None, "The peak; LARS and SGD: for 256 pictures, in proportion to the batch."
    )
    weight_decay: float | None = option(None, "Of all weights but biases, norms and scales.")
    warmup: float = option(0.1, "Share of training in which the learning rate rises.")
    set: tuple[str, ...] = option(
        (), "KEY=VALUE of the method, such as temperature=0.2; repeatable."
    )
    precision: Literal["auto", "fp32", "bf16", "fp16"] = option(
        "auto", "auto: half precision where the machine computes in it."
    )
    hold_out: float = option(0.1, "Share of the pictures that is kept for measuring.")
    seed: int = option(0, "Of everything that is drawn.")
    workers: int | None = option(None, "Processes that draw views.")
    keep_every_s: float = option(60.0, "Seconds between states that --resume goes on from.")
    tensorboard: bool = option(False, "Also write the curves for TensorBoard.")
    adopt: bool = option(False, "Make it the library's default space if it is better there.")
    exclude: tuple[str, ...] = option((), "Leave out, in gitignore's syntax; repeatable.")
    include_hidden: bool = option(False, "Also .names.")

    def check(self, method: str) -> None:
        """Raise UsageError for what no run can be made of."""
        if method not in METHODS:
            raise UsageError(f"{method} is no method; there are {', '.join(METHODS)}")
        for name, least in (("epochs", 0), ("minutes", 0), ("batch", 1), ("size", 7)):
            value = getattr(self, name)
            if value is not None and not value > least:
                raise UsageError(f"--{name} {value} is too little; more than {least} is needed")
        self._check_numbers()
        if self.accumulate < 1:
            raise UsageError(f"--accumulate {self.accumulate} is too little; 1 is the least")
        for name in ("hold_out", "warmup"):
            if not 0 <= getattr(self, name) < 1:
                raise UsageError(
                    f"--{name.replace('_', '-')} {getattr(self, name)} is no share; from 0 to below 1"
                )
        if method != "clip" and (self.lock or self.heads_only or self.captions or self.template):
            raise UsageError(
                f"{method} learns from pictures alone; --lock, --heads-only, --captions and --template go with clip"
            )
        if self.backbone and self.start:
            raise UsageError("--start brings its own network; leave --backbone away")
        if self.name is not None and not re.fullmatch(r"[^\W_][\w.-]*", self.name):
            raise UsageError(
                f"--name {self.name}: a run's name has letters, digits and . _ - only, the first a letter or digit"
            )

    def _check_numbers(self) -> None:
        for name in ("epochs", "minutes", "learning_rate", "weight_decay", "seed"):
            value = getattr(self, name)
            if value is not None and not 0 <= value < math.inf:
                raise UsageError(
                    f"--{name.replace('_', '-')} {value} makes no sense; give a finite number from 0 on"
                )
        if self.learning_rate == 0:
            raise UsageError("--learning-rate 0 learns nothing; give more")


@dataclass(frozen=True, slots=True)
class TrainReport:
    """What came of training."""

    model: str
    """`run:NAME`, for `build --model`."""
    folder: Path
    method: str
    pictures: int
    """That were learned from."""
    failed: int
    """Files that could not be read."""
    held_out: int
    steps: int
    seconds: float
    loss: float
    """Of the last step."""
    retrieval: dict[str, dict[str, float]]
    """On the pictures that were held out, by model: `before`, `after`, and `space NAME` for the library's default."""
    adopted: bool = False
