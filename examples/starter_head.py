"""Train the head of the starter model: CLIP's objective over vectors, with both towers locked.

    apt-get install openclipart-png openclipart-svg fonts-noto-color-emoji fonts-liberation fonts-dejavu-core
    python -m examples.starter_head /usr/share/openclipart --out starter_head.safetensors

The head is one matrix over what the classifier says of a picture: 1,000 probabilities and 1,280 features. It starts
as ConSE (Norouzi et al., arXiv 1312.5650) with a readout of the logits beside it, learns from pairs of a picture and
its texts, and ends between the two (WiSE-FT: Wortsman et al., arXiv 2109.01903). The pairs:

- clip art, with title, file name, keywords and description;
- characters of fonts, with their names in Unicode: emoji, letters, digits, symbols;
- features that a picture of an ImageNet class could have, with its names and its WordNet definition: features of
  clip art, moved along the weights of that class and of a second one.
"""

import argparse
import hashlib
import json
import math
import os
import platform
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from open_clip.zero_shot_metadata import IMAGENET_CLASSNAMES
from safetensors.torch import save_file
from timm.data import ImageNetInfo
from torch import Tensor, nn
from torch.nn.functional import normalize

from examples.words_and_pictures import SOURCES, Captioned, characters, clip_art
from indexer.embedders import starter
from indexer.embedders.tokenization import TextEncoder
from indexer.pictures.decoding import Source, load_picture
from indexer.pictures.limits import Limits
from indexer.pictures.preprocessing import edge_needed, preprocess
from indexer.train.batches import Batches, VectorPairs
from indexer.train.clip import HeadsConfig, HeadsOnly
from indexer.train.loop import Machine, Pace, train
from indexer.train.runs import Run
from indexer.train.schedules import Cosine, Recipe, optimiser

RECIPE = Recipe("adamw", learning_rate=1e-3, weight_decay=0.1, batch=None)
STEPS, BATCH, WARMUP = 200, 1024, 0.1
LOGIT_SCALE = 30.0
FEATURE_SCALE = 0.05
"""Brings features to the size of the embeddings beside them, so that one learning rate does for both."""
READOUT = 0.03
"""Weight of the readout of the logits at the start."""
MIX = 0.35
"""0: the head stays as it starts; 1: it is what was learned."""
MADE_UP = 8
"""Made-up pictures of each class."""
COPIES = 3
"""Pictures with the same first text; more say no more."""
TOO_NEAR = 0.7
"""Cosine of features, less their mean, from which clip art counts as one of the pictures of --apart-from."""
LIMITS = Limits(max_megapixels=1000)
"""One of the drawings has 623."""
HELD_OUT = 10
"""One text in so many is held out, by its hash."""


@dataclass
class Words:
    """Texts, each once, by number."""

    number: dict[str, int] = field(default_factory=dict)

    def add(self, texts: Sequence[str]) -> list[int]:
        """The numbers of the texts."""
        return [self.number.setdefault(text[:300], len(self.number)) for text in texts]

    @torch.inference_mode()
    def vectors(self) -> Tensor:
        """Unit vectors (texts, 384) by number; texts of like length share a batch."""
        tower, encoder = starter.sentences(), TextEncoder(starter.tokenization())
        texts = list(self.number)
        order = sorted(range(len(texts)), key=lambda i: len(texts[i]))
        vectors = torch.empty(len(texts), starter.DIM)
        for start in _told(range(0, len(order), 64), "texts"):
            rows = order[start : start + 64]
            vectors[rows] = tower(torch.from_numpy(encoder.encode([texts[i] for i in rows])))
        return normalize(vectors, dim=1).clone()


@dataclass
class Pairs:
    """Features (n, 1280) of pictures, and for each the numbers of its texts, the plainest first."""

    features: Tensor
    texts: list[list[int]]

    def __add__(self, more: "Pairs") -> "Pairs":
        return Pairs(torch.cat([self.features, more.features]), self.texts + more.texts)

    def only(self, rows: Sequence[int]) -> "Pairs":
        """Those of the numbers."""
        return Pairs(self.features[list(rows)], [self.texts[row] for row in rows])


class Start:
    """The head before it learns, and the two forms that its inputs have."""

    def __init__(self, classifier: nn.Module, classes: Tensor) -> None:
        """`classes`: unit vectors (1000, 384)."""
        self.weight = classifier.get_parameter("classifier.weight").detach()
        self.bias = classifier.get_parameter("classifier.bias").detach()
        self.classes = classes
        # What the logits say in the space of the texts: the least squares solution of classes @ x = logits.
        inverse = torch.linalg.solve(classes.T @ classes + torch.eye(starter.DIM), classes.T)
        readout = inverse @ (self.weight - self.weight.mean(dim=0))
        self.head = torch.cat([torch.eye(starter.DIM), READOUT / FEATURE_SCALE * readout], dim=1)

    def inputs(self, features: Tensor) -> Tensor:
        """What the head learns from: ConSE's answer, and the features (n, 384 + 1280)."""
        probabilities = (features @ self.weight.T + self.bias).softmax(dim=1)
        return torch.cat([probabilities @ self.classes, FEATURE_SCALE * features], dim=1)

    def folded(self, head: Tensor) -> Tensor:
        """The same head over probabilities and features (384, 1000 + 1280)."""
        conse, features = head[:, : starter.DIM], head[:, starter.DIM :]
        return torch.cat([conse @ self.classes.T, FEATURE_SCALE * features], dim=1)


def main() -> None:
    """Read, embed, train, measure, write."""
    arguments = _arguments()
    began = time.perf_counter()
    classifier, words = starter.classifier(), Words()
    art = _few(clip_art(arguments.clipart))
    pairs = Pairs(_features(classifier, art, "clip art"), [words.add(one.texts) for one in art])
    pairs = pairs.only(_unlike(pairs.features, classifier, arguments.apart_from))
    texts = list(words.number)
    held = [row for row, numbers in enumerate(pairs.texts) if _is_held_out(texts[numbers[0]])]
    learnt = pairs.only([row for row in range(len(pairs.texts)) if row not in set(held)])
    glyphs = list(characters())
    drawn = Pairs(
        _features(classifier, glyphs, "characters"), [words.add(one.texts) for one in glyphs]
    )
    names, definitions, kinds = _classes(words)
    vectors = words.vectors()
    classes = vectors[[n[0] for n in kinds]] + vectors[names] + 2 * vectors[definitions]
    start = Start(classifier, normalize(classes, dim=1))
    imagined = _made_up(learnt.features, start.weight, kinds, MADE_UP, arguments.seed)
    learned = _train(start, learnt + drawn + imagined, vectors, arguments.seed)
    mixed = (1 - MIX) * start.head + MIX * learned
    unseen = _made_up(pairs.only(held).features, start.weight, kinds, 1, arguments.seed + 1)
    heads = {"start": start.head, "learned": learned, "shipped": mixed}
    measured = {
        name: {
            "held_out_clip_art": _recall(start, head, pairs.only(held), vectors),
            "made_up_classes": _recall(start, head, unseen, vectors),
        }
        for name, head in heads.items()
    }
    save_file({"weight": start.folded(mixed).half().contiguous()}, arguments.out)
    described = {
        "pairs": {
            "clip art": len(learnt.texts),
            "characters": len(drawn.texts),
            "made up": len(imagined.texts),
        },
        "held_out": len(held),
        "left_out_as_too_near": len(art) - len(pairs.texts),
        "sources": SOURCES,
        "recall": measured,
        "seed": arguments.seed,
        "versions": {"python": platform.python_version(), "torch": torch.__version__},
        "machine": f"{platform.machine()}, {os.cpu_count()} cores",
        "minutes": round((time.perf_counter() - began) / 60, 1),
        "sha256": hashlib.sha256(arguments.out.read_bytes()).hexdigest(),
    }
    arguments.out.with_suffix(".json").write_text(json.dumps(described, indent=2) + "\n")


def _few(art: Iterator[Captioned]) -> list[Captioned]:
    """At most `COPIES` with the same first text."""
    seen: dict[str, int] = {}
    kept = []
    for one in art:
        seen[one.texts[0]] = seen.get(one.texts[0], 0) + 1
        if seen[one.texts[0]] <= COPIES:
            kept.append(one)
    return kept


def _unlike(features: Tensor, classifier: nn.Module, folder: Path | None) -> list[int]:
    """The rows that show none of the pictures in the folder."""
    if folder is None:
        return list(range(len(features)))
    files = [Captioned(path.name, path, ()) for path in sorted(folder.rglob("*.png"))]
    mean = features.mean(dim=0)
    others = normalize(_features(classifier, files, "pictures to stay apart from") - mean, dim=1)
    nearest = (normalize(features - mean, dim=1) @ others.T).amax(dim=1)
    return torch.nonzero(nearest < TOO_NEAR).flatten().tolist()


@torch.inference_mode()
def _features(classifier: nn.Module, pictures: Sequence[Captioned], what: str) -> Tensor:
    """Float32 (n, 1280), as the starter model sees the pictures."""
    tower, batches = starter.HeadedTower(classifier, nn.Identity()), []
    for start in _told(range(0, len(pictures), 16), what):
        pixels = np.stack([_pixels(one.picture) for one in pictures[start : start + 16]])
        scaled = torch.from_numpy(pixels).permute(0, 3, 1, 2).float() / 127.5 - 1
        batches.append(tower.describe(scaled)[:, len(IMAGENET_CLASSNAMES) :])
    return torch.cat(batches).clone()


def _pixels(picture: Source) -> NDArray[np.uint8]:
    how = starter.PREPROCESSING
    return preprocess(load_picture(picture, LIMITS, at_least=edge_needed(how)), how)


def _classes(words: Words) -> tuple[list[int], list[int], list[list[int]]]:
    """Numbers of the names, the definitions, and of all the texts of each ImageNet class."""
    info = ImageNetInfo("imagenet-1k")
    names, definitions, kinds = [], [], []
    for i, name in enumerate(IMAGENET_CLASSNAMES):
        lemmas, _, definition = info.index_to_description(i, detailed=True).partition(": ")
        synonyms = lemmas.split(", ")
        texts = [synonyms[0], name, name, *synonyms[:3], f"{name}: {definition}", definition]
        kinds.append(words.add(texts))
        names += words.add([name])
        definitions += words.add([definition])
    return names, definitions, kinds


def _made_up(
    grounds: Tensor, weight: Tensor, kinds: Sequence[list[int]], copies: int, seed: int
) -> Pairs:
    """Features of pictures that show a class, and perhaps less clearly a second one."""
    random = torch.Generator().manual_seed(seed)
    count = copies * len(kinds)
    ground = grounds[torch.randint(len(grounds), (count,), generator=random)]
    first = torch.arange(len(kinds)).repeat(copies)
    second = torch.randint(len(kinds), (count,), generator=random)
    share, near, far = (torch.rand(count, 1, generator=random) for _ in range(3))
    towards = normalize(weight, dim=1)
    moved = (
        (0.3 + 0.6 * share) * ground + (1 + 4 * near) * towards[first] + 5 * far * towards[second]
    )
    return Pairs(moved.clamp(0, 6), [kinds[kind] for kind in first.tolist()])  # as ReLU6 does


def _train(start: Start, pairs: Pairs, vectors: Tensor, seed: int) -> Tensor:
    """What the head learned (384, 384 + 1280)."""
    torch.manual_seed(seed)
    inputs = start.inputs(pairs.features)
    method = HeadsOnly(HeadsConfig(inputs.shape[1], starter.DIM, starter.DIM, lock_text=True))
    with torch.no_grad():
        next(method.image_head.parameters()).copy_(start.head)
        method.logit_scale.fill_(math.log(LOGIT_SCALE))
    examples = VectorPairs(inputs, [vectors[numbers] for numbers in pairs.texts], seed)
    with tempfile.TemporaryDirectory() as folder:
        train(
            method,
            optimiser(method, RECIPE, BATCH),
            Cosine(RECIPE.peak(BATCH), WARMUP),
            Batches(examples, BATCH, seed),
            Pace(steps=STEPS),
            Run(Path(folder)),
            seed=seed,
            machine=Machine(),
            on_step=lambda step: print(
                f"\rstep {step.number} of {STEPS}: loss {step.loss:.3f}", end="", file=sys.stderr
            ),
        )
    return next(method.image_head.parameters()).detach().clone()


def _recall(start: Start, head: Tensor, pairs: Pairs, vectors: Tensor) -> dict[str, float]:
    """Share of first texts whose own picture is among the first answers; the first picture of each text."""
    rows = list(
        {numbers[0]: row for row, numbers in reversed(list(enumerate(pairs.texts)))}.values()
    )
    pictures = normalize(start.inputs(pairs.features[rows]) @ head.T, dim=1)
    scores = vectors[[pairs.texts[row][0] for row in rows]] @ pictures.T
    ranks = (scores > scores.diagonal()[:, None]).sum(dim=1)
    return {f"R@{k}": round(float((ranks < k).float().mean()), 4) for k in (1, 10)}


def _is_held_out(text: str) -> bool:
    return hashlib.sha256(text.encode()).digest()[0] % HELD_OUT == 0


def _told(numbers: range, what: str) -> Iterator[int]:
    """The numbers, and on stderr how many are done."""
    for number in numbers:
        print(f"\r{what}: {number} of {numbers.stop}", end="", file=sys.stderr, flush=True)
        yield number
    print(f"\r{what}: {numbers.stop} of {numbers.stop}", file=sys.stderr)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("clipart", type=Path, help="with the folders png and svg")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--apart-from", type=Path, help="folder of PNG files to measure with later")
    parser.add_argument("--seed", type=int, default=0)
    return parser.parse_args()


if __name__ == "__main__":
    main()
