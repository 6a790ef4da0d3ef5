"""CLIP from options: towers that learn from pictures with captions, or heads over vectors that are there already."""

import copy
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import torch
from torch import Tensor, nn

from indexer.embedders import open_clip
from indexer.embedders.base import Model, Notify, Preprocessing
from indexer.embedders.tokenization import TextEncoder
from indexer.errors import UsageError
from indexer.evaluation.ranking import Vectors
from indexer.learning.learners import Learner, configured, recipe
from indexer.learning.options import TrainOptions
from indexer.spaces import run_folder
from indexer.train import clip

__all__ = ["HeadsLearner", "Over", "clip_learner", "heads_learner", "token_ids"]

FAMILY = "open_clip:"
DEFAULT_ARCHITECTURE = "ViT-B-32"
CONFIG = "open_clip_config.json"
FINE_TUNING_RATE, HEADS_RATE = 1e-5, 3e-4
"""Peaks of the learning rate; the paper's is for weights at random."""


@dataclass
class ClipLearner(Learner):
    """Both towers; kept as open_clip keeps a model, which can load it too."""

    whole: open_clip.Whole

    @property
    def encoder(self) -> TextEncoder:
        """Of captions."""
        return TextEncoder(self.whole.tokenization)

    def model(self) -> Model:
        """Both towers as they are now."""
        return copy.deepcopy(self.whole).split()

    def weights(self) -> dict[str, Tensor]:
        """Both towers, by open_clip's names."""
        assert isinstance(self.method, clip.CLIP)
        return dict(self.method.model.state_dict())


def clip_learner(options: TrainOptions, library: Path, notify: Notify) -> ClipLearner:
    """CLIP over an architecture at random weights, or over one of open_clip's models."""
    torch.manual_seed(options.seed)
    if options.start is None:
        whole = open_clip.untrained(options.backbone or DEFAULT_ARCHITECTURE, options.size, notify)
        clip.reset_scale(whole.model)
    else:
        whole = _started(options, library, notify)
    config = clip.CLIPConfig(lock_image=options.lock == "image", lock_text=options.lock == "text")
    method = clip.CLIP(whole.model, configured(config, options.set))
    of_paper = (
        replace(clip.RECIPE, learning_rate=FINE_TUNING_RATE) if options.start else clip.RECIPE
    )
    return ClipLearner(
        method,
        recipe(of_paper, options),
        {"open_clip": whole.config, "start": options.start},
        whole.preprocessing,
        whole.config["embed_dim"],
        whole,
    )


def _started(options: TrainOptions, library: Path, notify: Notify) -> open_clip.Whole:
    name = options.start or ""
    if (run := run_folder(library, name)) and (run / CONFIG).exists():
        name = f"{FAMILY}local-dir:{run}"
    if not name.startswith(FAMILY):
        raise UsageError(
            f"--start {name}: clip goes on from open_clip's models only (open_clip:…); "
            "for another one learn heads over its vectors with --heads-only"
        )
    whole = open_clip.load_whole(name.removeprefix(FAMILY), notify)
    if options.size not in (None, whole.preprocessing.size):
        raise UsageError(
            f"--size {options.size}: {name} sees {whole.preprocessing.size} pixels; leave --size away"
        )
    return whole


def token_ids(encoder: TextEncoder, captions: Sequence[Sequence[str]]) -> list[Tensor]:
    """For each picture the ids of its captions: int64 (captions, length), as long for all."""
    ids = [torch.from_numpy(encoder.encode(said)) for said in captions]
    longest = max(each.shape[1] for each in ids)
    return [torch.nn.functional.pad(each, (0, longest - each.shape[1])) for each in ids]


@dataclass(frozen=True)
class Over:
    """The model whose vectors heads learn from."""

    model: str
    """Its name."""
    image_dim: int
    text_dim: int
    preprocessing: Preprocessing


@dataclass
class HeadsLearner(Learner):
    """Two heads over vectors that a model made."""

    def weights(self) -> dict[str, Tensor]:
        """Both heads."""
        return dict(self.method.state_dict())

    @torch.inference_mode()
    def images(self, vectors: Vectors) -> Vectors:
        """The pictures' head over float32 (n, image_dim): L2-normalised."""
        assert isinstance(self.method, clip.HeadsOnly)
        return _unit(self.method.image_head, vectors)

    @torch.inference_mode()
    def texts(self, vectors: Vectors) -> Vectors:
        """The texts' head over float32 (n, text_dim): L2-normalised."""
        assert isinstance(self.method, clip.HeadsOnly)
        return _unit(self.method.text_head, vectors)


def _unit(head: nn.Module, vectors: Vectors) -> Vectors:
    device = next((each.device for each in head.parameters()), torch.device("cpu"))
    rows = head.eval()(torch.from_numpy(vectors).to(device))
    unit: Vectors = nn.functional.normalize(rows, dim=1).cpu().numpy()
    return unit


def heads_learner(options: TrainOptions, over: Over) -> HeadsLearner:
    """Heads over the vectors of a model; where they are linear, they begin as what it answers already."""
    torch.manual_seed(options.seed)
    if options.lock == "image":
        raise UsageError(
            "--lock image: with --heads-only the text side alone can be locked (--lock text)"
        )
    config = clip.HeadsConfig(
        over.image_dim, over.text_dim, dim=over.text_dim, lock_text=options.lock == "text"
    )
    method = clip.HeadsOnly(configured(config, options.set))
    for head in (method.image_head, method.text_head):
        if isinstance(head, nn.Linear) and head.in_features == head.out_features:
            nn.init.eye_(head.weight)
    of_paper = replace(clip.RECIPE, learning_rate=HEADS_RATE)
    network = {"heads": asdict(method.config), "over": over.model}
    return HeadsLearner(
        method, recipe(of_paper, options), network, over.preprocessing, method.config.dim
    )
