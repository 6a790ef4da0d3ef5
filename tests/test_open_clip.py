"""Models of open_clip: their embeddings and token ids must be open_clip's own."""

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import open_clip
import pytest
import torch
from numpy.typing import NDArray
from open_clip.push_to_hf_hub import save_for_hf
from open_clip.tokenizer import HFTokenizer
from PIL import Image
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
from transformers import BertConfig, PreTrainedTokenizerFast

from indexer.embedders import load_model, open_clip_tokenizer
from indexer.embedders.open_clip import untrained
from indexer.embedders.tokenization import TextEncoder
from indexer.errors import UnknownModelError
from indexer.pictures.preprocessing import preprocess
from indexer.runtime import bundle
from indexer.runtime.export import export
from tests.clip_models import TINY, random_model, register, save

TEXTS = ["a dog", "two cats asleep on a red sofa, seen from above", "it's 12 o'clock! 😀 " * 20]


def unit(rows: torch.Tensor) -> NDArray[np.float32]:
    return torch.nn.functional.normalize(rows, dim=1).numpy()


def assert_answers_as_open_clip(
    folder: Path, bundle_folder: Path, texts: list[str] = TEXTS
) -> None:
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
    return register("tiny-clip", tmp_path_factory.mktemp("configs"))


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


@pytest.mark.parametrize("mode", ["shortest", "squash", "longest"])
@pytest.mark.parametrize("kernel", ["bilinear", "bicubic"])
def test_pictures_are_prepared_as_open_clip_prepares_them(
    tmp_path: Path, mode: str, kernel: str
) -> None:
    how = {"resize_mode": mode, "interpolation": kernel, "fill_color": 77, "std": [0.5] * 3}
    folder = save(random_model(TINY), TINY, tmp_path, **how)
    model = load_model(f"open_clip:local-dir:{folder}", lambda _: None)
    _, _, transform = open_clip.create_model_and_transforms(f"local-dir:{folder}")
    noise = np.random.default_rng(3).integers(0, 256, (97, 331, 3), np.uint8)
    picture, described = Image.fromarray(noise), model.preprocessing
    ours = preprocess(picture, described) / 255
    scaled = (ours - described.mean) / described.std
    np.testing.assert_allclose(scaled, transform(picture).permute(1, 2, 0), atol=1e-5)


@pytest.mark.slow
def test_a_clip_of_full_size_answers_as_in_open_clip(tmp_path: Path) -> None:
    config = open_clip.get_model_config("ViT-B-32")
    folder = save(random_model(config), config, tmp_path / "vit")
    model = load_model(f"open_clip:local-dir:{folder}", lambda _: None)
    assert_answers_as_open_clip(folder, export(model, tmp_path / "models"))


@pytest.mark.parametrize("pooler", ["mean_pooler", "cls_pooler"])
def test_a_hugging_face_text_tower_answers_as_in_open_clip(
    words_folder: Path, tmp_path: Path, pooler: str
) -> None:
    text = {
        "hf_model_name": str(words_folder),
        "hf_tokenizer_name": str(words_folder),
        "hf_pooler_type": pooler,
        "hf_model_pretrained": False,
        "context_length": 12,
    }
    config = TINY | {"text_cfg": text, "custom_text": True}
    folder = tmp_path / "model"
    tokenizer = HFTokenizer(str(words_folder), context_length=12)
    theirs = random_model(config)
    open_clip.set_model_preprocess_cfg(theirs, {"mean": [0.5] * 3, "std": [0.5] * 3})
    save_for_hf(theirs, tokenizer, config, str(folder), safe_serialization=True)
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
    model = random_model(TINY, quick_gelu=True).half().float()
    archive(model, tmp_path / "openai.pt")
    loaded = load_model(f"open_clip:{tiny_arch}@{tmp_path / 'openai.pt'}", lambda _: None)
    pixels, ids = torch.rand(2, 3, 32, 32), open_clip.tokenize(TEXTS, 16)
    assert loaded.text_tower is not None
    with torch.no_grad():
        torch.testing.assert_close(loaded.image_tower(pixels), model.encode_image(pixels))
        torch.testing.assert_close(loaded.text_tower(ids), model.encode_text(ids))


def archive(model: Any, path: Path) -> None:
    """Write what OpenAI published: a traced program with three numbers beside the weights."""
    for name, value in (("input_resolution", 32), ("context_length", 16), ("vocab_size", 49408)):
        model.__dict__.pop(name, None)
        model.register_buffer(name, torch.tensor(value))
    inputs = {
        "encode_image": torch.zeros(2, 3, 32, 32),
        "encode_text": torch.zeros(2, 16, dtype=torch.int64),
    }
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # tracing is deprecated, but such files are about
        trace: Any = torch.jit.trace_module
        torch.jit.save(trace(model, inputs, check_trace=False), str(path))


def test_the_same_weights_under_two_names_are_one_model(
    tiny_arch: str, tiny_folder: Path, tmp_path: Path
) -> None:
    weights = tiny_folder / "open_clip_model.safetensors"
    config = {"mean": None, "std": None}
    folder = save(random_model(TINY), TINY, tmp_path / "again", **config)
    by_file = load_model(f"open_clip:{tiny_arch}@{weights}", lambda _: None)
    by_folder = load_model(f"open_clip:local-dir:{folder}", lambda _: None)
    other = load_model(f"open_clip:local-dir:{tiny_folder}", lambda _: None)
    assert by_file.fingerprint() == by_folder.fingerprint()
    assert by_file.fingerprint() != other.fingerprint()  # another mean


@pytest.mark.parametrize("mode", [None, "clips"])
@pytest.mark.parametrize("strip", [False, True])
def test_hugging_face_token_ids_are_open_clips(
    words_folder: Path, mode: str | None, strip: bool
) -> None:
    options = {"strip_sep_token": strip}
    theirs = HFTokenizer(str(words_folder), 12, tokenizer_mode=mode, **options)
    ours = TextEncoder(open_clip_tokenizer.from_folder(words_folder, 12, options, mode))
    np.testing.assert_array_equal(ours.encode([*TEXTS, ""]), theirs([*TEXTS, ""]))


def test_an_architecture_at_random_weights_has_the_size_that_was_asked_for(
    tmp_path: Path,
) -> None:
    name = register("tiny-untrained", tmp_path)
    whole = untrained(name, 48, lambda line: None)
    assert whole.preprocessing.size == 48
    model = whole.split()
    assert model.image_tower(torch.zeros(2, 3, 48, 48)).shape == (2, 24)
    ids = TextEncoder(whole.tokenization).encode(["a dog", "a cat"])
    assert model.text_tower is not None
    assert model.text_tower(torch.from_numpy(ids)).shape == (2, 24)


def test_an_unknown_architecture_cannot_be_untrained() -> None:
    with pytest.raises(
        UnknownModelError, match="no architecture 'ViT-B-33'; did you mean ViT-B-32"
    ):
        untrained("ViT-B-33", None, lambda line: None)
