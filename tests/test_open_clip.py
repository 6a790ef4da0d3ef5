"""Models of open_clip: their embeddings and token ids must be open_clip's own."""

import json
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import open_clip
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from open_clip.push_to_hf_hub import save_for_hf
from open_clip.tokenizer import HFTokenizer
from safetensors.torch import save_file
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
from transformers import BertConfig, PreTrainedTokenizerFast

from indexer.embedders import load_model, open_clip_tokenizer
from indexer.embedders.tokenization import TextEncoder
from indexer.errors import CheckpointError, ModelError, ModelUnavailableError, UnknownModelError
from indexer.runtime import bundle
from indexer.runtime.export import export

TEXTS = ["a dog", "two cats asleep on a red sofa, seen from above", "it's 12 o'clock! 😀 " * 20]
HARD = [
    "",
    " ",
    "a photo of a dog",
    "It's the cat's, they'LL say; I'd've 'TIS",
    "naïve café, Ångström, Straße, ﬁne, İstanbul, ſ'ſ",
    "两只狗在海滩上 東京 서울",
    "👍🏽👨‍👩‍👧😀 and words",
    "1234 5½ ² ٣ x2y",
    "<end_of_text>",
    "a <START_OF_TEXT> b!!<end_of_text>s <end_of_text",
    "&amp;lt;b&amp;gt; &#65;&#x41; &eacute; a&b",
    "tab\tnew\nline\r\nand\x0bmore\x1f\x7f end",
    "schÃ¶n â€œquotedâ€\x9d",
    "word " * 200,
    "x" * 500,
    "!?!? ... --- ***",
    "_under_score_ [brackets] {and} more",
    "\u0345a\u0345b",
]
TINY: dict[str, Any] = {
    "embed_dim": 24,
    "vision_cfg": {"image_size": 32, "layers": 2, "width": 64, "head_width": 32, "patch_size": 16},
    "text_cfg": {"context_length": 16, "vocab_size": 49408, "width": 32, "heads": 2, "layers": 2},
}
Notices = list[str]


def random_model(config: dict[str, Any], **options: Any) -> Any:
    """A model whose random weights are large enough to tell two inputs apart."""
    torch.manual_seed(1)
    kinds = (open_clip.CLIP, open_clip.CustomTextCLIP, open_clip.CoCa)
    kind = kinds[2 if "multimodal_cfg" in config else bool(config.get("custom_text"))]
    config = {key: value for key, value in config.items() if key != "custom_text"}
    model = kind(**config, **options).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.ndim > 1:
                parameter.copy_(torch.randn_like(parameter) * 0.15)
    return model


def save(model: Any, config: dict[str, Any], folder: Path, **preprocessing: Any) -> Path:
    """The two files that open_clip itself writes for the hub."""
    folder.mkdir(parents=True, exist_ok=True)
    save_file(model.state_dict(), folder / "open_clip_model.safetensors")
    described = {"model_cfg": config, "preprocess_cfg": preprocessing}
    (folder / "open_clip_config.json").write_text(json.dumps(described))
    return folder


def unit(rows: torch.Tensor) -> NDArray[np.float32]:
    return torch.nn.functional.normalize(rows, dim=1).numpy()


def assert_answers_as_open_clip(folder: Path, bundle_folder: Path, texts: list[str] = TEXTS) -> None:
    """Compare a bundle with open_clip's own loading of the same folder."""
    model, _, transform = open_clip.create_model_and_transforms(f"local-dir:{folder}")
    tokens = open_clip.get_tokenizer(f"local-dir:{folder}")(texts)
    embedder = bundle.load(bundle_folder)
    size = embedder.preprocessing.size
    pixels = np.random.default_rng(0).integers(0, 256, (3, size, size, 3), np.uint8)
    normalise = transform.transforms[-1]
    with torch.no_grad():
        scaled = normalise(torch.from_numpy(pixels).permute(0, 3, 1, 2) / 255)
        images = unit(model.eval().encode_image(scaled, normalize=False))
        words = unit(model.encode_text(tokens, normalize=False))
    for ours, theirs in (
        (embedder.embed_images(pixels), images),
        (embedder.embed_texts(texts), words),
    ):
        assert (ours * theirs).sum(1).min() > 0.9999
        assert (theirs[0] @ theirs[1]) < 0.999  # or else any row would do


@pytest.fixture(scope="session")
def tiny_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tiny")
    return save(random_model(TINY), TINY, folder, mean=[0.1, 0.2, 0.3], std=[0.4, 0.5, 0.6])


@pytest.fixture(scope="session")
def tiny_arch(tmp_path_factory: pytest.TempPathFactory) -> str:
    """An architecture in open_clip's own list, as a user may add one."""
    path = tmp_path_factory.mktemp("configs") / "tiny-clip.json"
    path.write_text(json.dumps(TINY))
    open_clip.add_model_config(path)
    return path.stem


@pytest.fixture(scope="session")
def words_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small BERT and a word-piece tokenizer, as transformers keeps them."""
    folder = tmp_path_factory.mktemp("words") / "bert"
    pieces = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[BOS]", "[EOS]", "a", "dog", "two", "cat", "##s"]
    pieces += ["on", "red", "so", "##fa", "it", "'", "s", "12", "o", "clock", "!", ",", "from"]
    tokenizer = Tokenizer(models.WordPiece({p: i for i, p in enumerate(pieces)}, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    special = {f"{name}_token": f"[{name.upper()}]" for name in ("pad", "unk", "cls", "sep")}
    special |= {"bos_token": "[BOS]", "eos_token": "[EOS]"}
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, **special).save_pretrained(folder)
    BertConfig(
        vocab_size=len(pieces),
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=64,
    ).save_pretrained(folder)
    return folder


def test_a_clip_answers_as_in_open_clip(tiny_folder: Path, tmp_path: Path) -> None:
    model = load_model(f"open_clip:local-dir:{tiny_folder}", lambda _: None)
    assert model.name == f"open_clip:local-dir:{tiny_folder}"
    assert (model.dim, model.preprocessing.size) == (24, 32)
    assert model.preprocessing.mean == (0.1, 0.2, 0.3)
    assert_answers_as_open_clip(tiny_folder, export(model, tmp_path))


@pytest.mark.slow
def test_a_clip_of_full_size_answers_as_in_open_clip(tmp_path: Path) -> None:
    config = open_clip.get_model_config("ViT-B-32")
    folder = save(random_model(config), config, tmp_path / "vit")
    model = load_model(f"open_clip:local-dir:{folder}", lambda _: None)
    assert_answers_as_open_clip(folder, export(model, tmp_path / "models"))


def test_a_hugging_face_text_tower_answers_as_in_open_clip(
    words_folder: Path, tmp_path: Path
) -> None:
    text = {
        "hf_model_name": str(words_folder),
        "hf_tokenizer_name": str(words_folder),
        "hf_pooler_type": "mean_pooler",
        "hf_model_pretrained": False,
        "context_length": 12,
    }
    config = TINY | {"text_cfg": text, "custom_text": True}
    folder = tmp_path / "model"
    tokenizer = HFTokenizer(str(words_folder), context_length=12)
    save_for_hf(random_model(config), tokenizer, config, str(folder), safe_serialization=True)
    model = load_model(f"open_clip:local-dir:{folder}", lambda _: None)
    assert_answers_as_open_clip(folder, export(model, tmp_path / "models"))


def test_a_siglip_answers_as_in_open_clip(words_folder: Path, tmp_path: Path) -> None:
    text = TINY["text_cfg"] | {
        "hf_tokenizer_name": "somewhere/else",
        "tokenizer_kwargs": {"clean": "canonicalize"},
        "no_causal_mask": True,
        "proj_bias": True,
        "pool_type": "last",
    }
    vision = {
        "image_size": 160,
        "timm_model_name": "test_vit",
        "timm_pool": "map",
        "timm_proj": "none",
    }
    config = {"embed_dim": 64, "init_logit_bias": -10, "vision_cfg": vision, "text_cfg": text}
    config["custom_text"] = True
    folder = save(
        random_model(config), config, tmp_path / "model", resize_mode="squash", mean=0.5, std=0.5
    )
    HFTokenizer(str(words_folder), context_length=16).save_pretrained(folder)
    model = load_model(f"open_clip:local-dir:{folder}", lambda _: None)
    assert model.preprocessing.resize == "squash"
    assert_answers_as_open_clip(folder, export(model, tmp_path / "models"))


def test_a_coca_answers_as_in_open_clip(tmp_path: Path) -> None:
    vision = TINY["vision_cfg"] | {
        "attentional_pool": True,
        "attn_pooler_heads": 2,
        "output_tokens": True,
    }
    text = TINY["text_cfg"] | {"embed_cls": True, "output_tokens": True, "context_length": 15}
    config = TINY | {"vision_cfg": vision, "text_cfg": text, "custom_text": True}
    config["multimodal_cfg"] = {"context_length": 15, "width": 24, "heads": 2, "layers": 1}
    folder = save(random_model(config), config, tmp_path / "model")
    model = load_model(f"open_clip:local-dir:{folder}", lambda _: None)
    assert_answers_as_open_clip(folder, export(model, tmp_path / "models"))


def test_a_training_checkpoint_is_the_same_model(
    tiny_arch: str, tiny_folder: Path, tmp_path: Path
) -> None:
    state = {f"module.{key}": value for key, value in random_model(TINY).state_dict().items()}
    torch.save({"epoch": 3, "state_dict": state}, tmp_path / "epoch_3.pt")
    trained = load_model(f"open_clip:{tiny_arch}@{tmp_path / 'epoch_3.pt'}", lambda _: None)
    saved = load_model(f"open_clip:local-dir:{tiny_folder}", lambda _: None)
    pixels = torch.rand(2, 3, 32, 32)
    with torch.no_grad():
        torch.testing.assert_close(trained.image_tower(pixels), saved.image_tower(pixels))
    assert trained.preprocessing.mean == pytest.approx((0.481, 0.458, 0.408), abs=1e-3)


def test_openai_archives_get_the_activation_that_they_were_trained_with(
    tiny_arch: str, tmp_path: Path
) -> None:
    model = random_model(TINY, quick_gelu=True)
    for name, value in (("input_resolution", 32), ("context_length", 16), ("vocab_size", 49408)):
        module = torch.nn.Module.register_buffer
        module(model.visual if name == "input_resolution" else model, f"{name}_", torch.tensor(value))
    archive(model, tmp_path / "openai.pt")
    loaded = load_model(f"open_clip:{tiny_arch}@{tmp_path / 'openai.pt'}", lambda _: None)
    pixels, ids = torch.rand(2, 3, 32, 32), open_clip.tokenize(TEXTS, 16)
    assert loaded.text_tower is not None
    with torch.no_grad():
        torch.testing.assert_close(loaded.image_tower(pixels), model.encode_image(pixels))
        torch.testing.assert_close(loaded.text_tower(ids), model.encode_text(ids))


def archive(model: Any, path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # tracing is deprecated, but such files are about
        torch.jit.save(open_clip.model.trace_model(model, batch_size=2), str(path))
