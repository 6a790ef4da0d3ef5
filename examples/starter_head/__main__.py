r"""Train the head of the starter model: CLIP's objective over vectors, with both towers locked.

    apt-get install openclipart-png openclipart-svg librsvg2-bin fonts-noto-color-emoji fonts-dejavu-core \
        fonts-liberation fonts-lato fonts-open-sans fonts-comic-neue fonts-quicksand fonts-cantarell fonts-ebgaramond
    npm install --prefix emoji @iconify-json/fxemoji @iconify-json/noto-v1 @iconify-json/twemoji \
        @iconify-json/fluent-emoji-flat @iconify-json/emojione @lobehub/fluent-emoji-3d emojibase-data
    python -m examples.starter_head /usr/share/openclipart emoji/node_modules --out starter_head.safetensors

A head is a matrix over what the classifier says of a picture: 1,000 probabilities and 1,280 features. It starts as
ConSE (Norouzi et al., arXiv 1312.5650) with a readout of the logits beside it, and learns from pairs of a picture and
its texts. The model has two, the one that was learned and the one at the start, sharpened by a readout of the
probabilities, and the mean of the directions that they give; so it keeps what the classifier knows of photos
(Wortsman et al., arXiv 2109.01903, whose ensemble of outputs this is). The pairs:

- clip art, with title, file name, keywords and description;
- emoji by several hands, with CLDR's labels and tags;
- characters of fonts, with their names in Unicode: letters, digits, symbols, emoji again;
- features that a picture of an ImageNet class could have, with its names and its WordNet definition: features of
  clip art, moved along the weights of that class and of a second one.
"""

import argparse
import hashlib
import json
import os
import platform
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor
from torch.nn.functional import normalize

from examples.starter_head.captioned import SOURCES, Captioned
from examples.starter_head.characters import characters
from examples.starter_head.clip_art import clip_art
from examples.starter_head.emoji import emoji
from examples.starter_head.head import Start, learned, recall
from examples.starter_head.pairs import Classes, Pairs, Words, made_up
from examples.starter_head.pictures import features
from indexer.embedders import starter

MADE_UP = 32
"""Made-up pictures of each class."""
COPIES = 3
"""Pictures with the same first text; more say no more."""
TOO_NEAR = 0.7
"""Cosine of features, less their mean, from which a drawing counts as one of the pictures of --apart-from."""


@dataclass
class Drawings:
    """Pictures and their texts, in several views, of which the first is the picture as it is."""

    views: list[Pairs]
    given: int
    """How many there were at first."""

    @classmethod
    def of(
        cls, pictures: Iterable[Captioned], what: str, words: Words, views: int, mirrored: bool
    ) -> "Drawings":
        """What the tower sees in them."""
        shown = list(pictures)
        texts = [words.add(one.texts) for one in shown]
        seen = features(shown, what, views=views, mirrored=mirrored)
        return cls([Pairs(each, texts) for each in seen], len(shown))

    def unlike(self, others: Tensor, mean: Tensor) -> "Drawings":
        """Without those that show one of the pictures with these features, by the mean of many."""
        centred = normalize(self.views[0].features - mean, dim=1)
        nearest = (centred @ normalize(others - mean, dim=1).T).amax(dim=1)
        rows = torch.nonzero(nearest < TOO_NEAR).flatten().tolist()
        return Drawings([each.only(rows) for each in self.views], self.given)

    def split(self, words: Words) -> tuple[Pairs, Pairs]:
        """All views of what is learned from, and what is held out as it is."""
        held = self.views[0].held_out(words)
        learnt = sorted(set(range(len(self.views[0].texts))) - set(held))
        first, *others = (each.only(learnt) for each in self.views)
        return sum(others, first), self.views[0].only(held)


def main() -> None:
    """Read, embed, train, measure, write."""
    arguments = _arguments()
    began = time.perf_counter()
    words = Words()
    few = _few(clip_art(arguments.clipart))
    art = Drawings.of(few, "clip art", words, views=5, mirrored=True)
    faces = Drawings.of(emoji(arguments.emoji), "emoji", words, views=2, mirrored=True)
    glyphs = Drawings.of(characters(), "characters", words, views=2, mirrored=False)
    if arguments.apart_from:
        mean = art.views[0].features.mean(dim=0)
        others = _seen(arguments.apart_from)
        art, faces = art.unlike(others, mean), faces.unlike(others, mean)
    described = _taught(words, art, faces, glyphs, arguments.seed, arguments.out)
    described |= {
        "left_out_as_too_near": {
            "clip art": art.given - len(art.views[0].texts),
            "emoji": faces.given - len(faces.views[0].texts),
        },
        "sources": SOURCES,
        "seed": arguments.seed,
        "versions": {"python": platform.python_version(), "torch": torch.__version__},
        "machine": f"{platform.machine()}, {os.cpu_count()} cores",
        "minutes": round((time.perf_counter() - began) / 60, 1),
        "sha256": hashlib.sha256(arguments.out.read_bytes()).hexdigest(),
    }
    arguments.out.with_suffix(".json").write_text(json.dumps(described, indent=2) + "\n")


def _taught(
    words: Words, art: Drawings, faces: Drawings, glyphs: Drawings, seed: int, out: Path
) -> dict[str, Any]:
    """Train, write the heads, and say what they learned from and how well they find."""
    classes, classifier = Classes(words), starter.classifier()
    vectors = words.vectors()
    start = Start(classifier, classes.meanings(vectors), vectors[classes.names])
    (drawn, held), (faced, held_faces) = art.split(words), faces.split(words)
    every = sum(glyphs.views[1:], glyphs.views[0])
    imagined = made_up(drawn.features, start.weight, classes, MADE_UP, seed)
    taught = drawn * 2 + faced * 2 + every * 4 + imagined
    sharpened, head = start.sharpened(), start.folded(learned(start, taught, vectors, seed))
    save_file({"weight": torch.cat([sharpened, head]).half().contiguous()}, out)
    unseen = {
        "clip art": held,
        "emoji": held_faces,
        "made up": made_up(held.features, start.weight, classes, 1, seed + 1),
    }
    together = {"sharpened": [sharpened], "learned": [head], "shipped": [sharpened, head]}
    return {
        "pairs": {
            "clip art": len(drawn.texts) // len(art.views),
            "emoji": len(faced.texts) // len(faces.views),
            "characters": len(glyphs.views[0].texts),
            "made up": len(imagined.texts),
        },
        "held_out": {what: len(pairs.texts) for what, pairs in unseen.items()},
        "recall": {
            name: {what: recall(start, heads, pairs, vectors) for what, pairs in unseen.items()}
            for name, heads in together.items()
        },
    }


def _few(pictures: Iterable[Captioned]) -> Iterator[Captioned]:
    """At most `COPIES` with the same first text."""
    seen = Counter[str]()
    for one in pictures:
        seen[one.texts[0]] += 1
        if seen[one.texts[0]] <= COPIES:
            yield one


def _seen(folder: Path) -> Tensor:
    """Features of the PNG files in a folder."""
    files = [Captioned(path, ()) for path in sorted(folder.rglob("*.png"))]
    return features(files, "pictures to stay apart from")[0]


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("clipart", type=Path, help="with the folders png and svg")
    parser.add_argument("emoji", type=Path, help="the node_modules with the packages above")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--apart-from", type=Path, help="folder of PNG files to measure with later")
    parser.add_argument("--seed", type=int, default=0)
    return parser.parse_args()


if __name__ == "__main__":
    main()
