"""Files and names that the family of open_clip refuses, and what it says of them."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from indexer.embedders import load_model
from indexer.errors import CheckpointError, ModelError, ModelUnavailableError, UnknownModelError
from tests.clip_models import TINY, random_model, register, save


@pytest.fixture(scope="session")
def tiny_arch(tmp_path_factory: pytest.TempPathFactory) -> str:
    return register("tiny-clip", tmp_path_factory.mktemp("configs"))


def test_weights_of_another_shape_are_refused_with_file_key_and_shapes(
    tiny_arch: str, tmp_path: Path
) -> None:
    state = random_model(TINY).state_dict()
    state["text_projection"] = torch.zeros(32, 8)
    del state["ln_final.bias"]
    save_file(state, tmp_path / "odd.safetensors")
    with pytest.raises(CheckpointError) as refusal:
        load_model(f"open_clip:{tiny_arch}@{tmp_path / 'odd.safetensors'}", lambda _: None)
    for told in ("odd.safetensors", "ln_final.bias", "text_projection", "[32, 8]", "[32, 24]"):
        assert told in str(refusal.value)
    assert "\n" not in str(refusal.value)


def test_a_missing_file_or_folder_is_said_to_be_missing(tiny_arch: str, tmp_path: Path) -> None:
    for reference in (f"{tiny_arch}@{tmp_path}/none.pt", f"local-dir:{tmp_path}"):
        with pytest.raises(ModelUnavailableError, match="no such file"):
            load_model(f"open_clip:{reference}", lambda _: None)


@pytest.mark.parametrize(
    "text",
    [
        "{",
        "[]",
        "{}",
        '{"model_cfg": {"vision_cfg": 3, "text_cfg": {}}}',
        '{"model_cfg": {"embed_dim": 8}}',
    ],
)
def test_a_folder_with_another_kind_of_configuration_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "open_clip_config.json").write_text(text)
    with pytest.raises(ModelError, match="not a configuration of open_clip"):
        load_model(f"open_clip:local-dir:{tmp_path}", lambda _: None)


@pytest.mark.parametrize(
    ("side", "changes", "reason"),
    [
        ("vision_cfg", {"unheard_of": 1}, "unheard_of"),
        ("vision_cfg", {"timm_model_name": "hf-hub:some/one"}, "fetched from elsewhere"),
        ("text_cfg", {"tokenizer_kwargs": {"trust_remote_code": True}}, "trust_remote_code"),
    ],
)
def test_a_configuration_that_asks_for_more_than_a_model_is_refused(
    tmp_path: Path, side: str, changes: dict[str, Any], reason: str
) -> None:
    config = TINY | {side: TINY[side] | changes}
    folder = save(random_model(TINY), config, tmp_path)
    with pytest.raises(ModelError, match=reason):
        load_model(f"open_clip:local-dir:{folder}", lambda _: None)


def test_a_text_tower_with_code_of_its_own_is_not_opened(tmp_path: Path) -> None:
    (tmp_path / "text").mkdir()
    described = {"auto_map": {"AutoConfig": "evil.Config"}, "model_type": "evil"}
    (tmp_path / "text" / "config.json").write_text(json.dumps(described))
    config = TINY | {"text_cfg": {"hf_model_name": "text"}}
    folder = save(random_model(TINY), config, tmp_path)
    with pytest.raises(ModelError, match="code of its own"):
        load_model(f"open_clip:local-dir:{folder}", lambda _: None)


def test_a_model_that_is_nearly_named_is_named(tiny_arch: str) -> None:
    with pytest.raises(UnknownModelError, match="did you mean open_clip:ViT-B-32/openai"):
        load_model("open_clip:ViT-B-32/opnai", lambda _: None)
    with pytest.raises(UnknownModelError, match=f"did you mean {tiny_arch}"):
        load_model("open_clip:tiny-clop@weights.pt", lambda _: None)
