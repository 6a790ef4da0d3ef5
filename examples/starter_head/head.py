"""The head: where it starts, what it learns, and how well it finds."""

import math
import tempfile
from pathlib import Path

import torch
from rich.progress import Progress
from torch import Tensor, nn
from torch.nn.functional import normalize

from examples.starter_head.pairs import Pairs
from indexer.embedders import starter
from indexer.train.batches import Batches, VectorPairs
from indexer.train.clip import HeadsConfig, HeadsOnly
from indexer.train.loop import Machine, Pace, train
from indexer.train.runs import Run
from indexer.train.schedules import Cosine, Recipe, optimiser

__all__ = ["Start", "learned", "recall"]

RECIPE = Recipe("adamw", learning_rate=1e-3, weight_decay=0.1, batch=None)
STEPS, BATCH, WARMUP = 200, 1024, 0.1
LOGIT_SCALE = 20.0
FEATURE_SCALE = 0.05
"""Brings features to the size of the embeddings beside them, so that one learning rate does for both."""
READOUT = 0.03
"""Weight of the readout of the logits at the start."""
SHARPNESS = 1.5
"""Weight of the readout of the probabilities in the head that ships beside the learned one."""


class Start:
    """The head before it learns, and the two forms that its inputs have."""

    def __init__(self, classifier: nn.Module, classes: Tensor, names: Tensor) -> None:
        """`classes` and their `names`: unit vectors (1000, 384)."""
        self.weight = classifier.get_parameter("classifier.weight").detach()
        self.bias = classifier.get_parameter("classifier.bias").detach()
        self.classes = classes
        self.names = names
        readout = _readout(classes) @ (self.weight - self.weight.mean(dim=0))
        self.head = torch.cat([torch.eye(starter.DIM), READOUT / FEATURE_SCALE * readout], dim=1)

    def described(self, features: Tensor) -> Tensor:
        """What the tower says of a picture: probabilities and features (n, 1000 + 1280)."""
        probabilities = (features @ self.weight.T + self.bias).softmax(dim=1)
        return torch.cat([probabilities, features], dim=1)

    def inputs(self, features: Tensor) -> Tensor:
        """What the head learns from: ConSE's answer, and the features (n, 384 + 1280)."""
        probabilities, _ = self.described(features).tensor_split([len(self.classes)], dim=1)
        return torch.cat([probabilities @ self.classes, FEATURE_SCALE * features], dim=1)

    def folded(self, head: Tensor) -> Tensor:
        """A head over `inputs` as one over `described` (384, 1000 + 1280)."""
        conse, features = head[:, : starter.DIM], head[:, starter.DIM :]
        return torch.cat([conse @ self.classes.T, FEATURE_SCALE * features], dim=1)

    def sharpened(self) -> Tensor:
        """The head at the start with a readout of the probabilities by the names (384, 1000 + 1280).

        ConSE's mean is near the names of all that is like what is seen. The readout adds what tells a name from the
        others, so that a class of which the classifier is half sure comes before what is only like it.
        """
        head = self.folded(self.head)
        head[:, : len(self.names)] += SHARPNESS * _readout(self.names)
        return head


def _readout(vectors: Tensor) -> Tensor:
    """The least squares solution x of `vectors @ x = scores`, as a matrix over the scores (384, n)."""
    gram = vectors.T @ vectors + torch.eye(vectors.shape[1])
    readout: Tensor = torch.linalg.solve(gram, vectors.T)
    return readout


def learned(start: Start, pairs: Pairs, vectors: Tensor, seed: int) -> Tensor:
    """The head at the end of training (384, 384 + 1280)."""
    torch.manual_seed(seed)
    inputs = start.inputs(pairs.features)
    method = HeadsOnly(HeadsConfig(inputs.shape[1], starter.DIM, starter.DIM, lock_text=True))
    with torch.no_grad():
        next(method.image_head.parameters()).copy_(start.head)
        method.logit_scale.fill_(math.log(LOGIT_SCALE))
    examples = VectorPairs(inputs, [vectors[numbers] for numbers in pairs.texts], seed)
    with tempfile.TemporaryDirectory() as folder, Progress() as progress:
        task = progress.add_task("training", total=STEPS)
        train(
            method,
            optimiser(method, RECIPE, BATCH),
            Cosine(RECIPE.peak(BATCH), WARMUP),
            Batches(examples, BATCH, seed),
            Pace(steps=STEPS),
            Run(Path(folder)),
            seed=seed,
            machine=Machine(),
            on_step=lambda step: progress.update(
                task, completed=step.number, description=f"training: loss {step.loss:.3f}"
            ),
        )
    return next(method.image_head.parameters()).detach().clone()


def recall(start: Start, heads: list[Tensor], pairs: Pairs, vectors: Tensor) -> dict[str, float]:
    """Share of first texts whose own picture is among the first answers of the folded heads together.

    The first picture stands for each text.
    """
    first = {numbers[0]: row for row, numbers in reversed(list(enumerate(pairs.texts)))}
    rows = list(first.values())
    described = start.described(pairs.features[rows])
    directions = torch.stack([normalize(described @ head.T, dim=1) for head in heads])
    pictures = normalize(directions.mean(dim=0), dim=1)
    scores = vectors[[pairs.texts[row][0] for row in rows]] @ pictures.T
    ranks = (scores > scores.diagonal()[:, None]).sum(dim=1)
    return {f"R@{k}": round(float((ranks < k).float().mean()), 4) for k in (1, 10)}
