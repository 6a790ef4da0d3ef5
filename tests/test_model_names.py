"""Names of models: what each stands for, and what is said of one that stands for nothing."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from indexer.embedders import known_models, load_model
from indexer.embedders.names import did_you_mean
from indexer.errors import UnknownModelError


@pytest.mark.parametrize(
    ("name", "suggestion"),
    [
        ("ViT-B-32", "open_clip:ViT-B-32/"),
        ("ViT-B-32/openai", "open_clip:ViT-B-32/openai"),
        ("startr", "starter"),
        ("openclip:ViT-B-32/openai", "open_clip:ViT-B-32/openai"),
        ("vit_small_patch14_dinov2", "timm:vit_small_patch14_dinov2.lvd142m"),
        ("convnext_large_d_320", "open_clip:convnext_large_d_320/"),
    ],
)
def test_an_unknown_name_is_refused_with_what_is_near(name: str, suggestion: str) -> None:
    with pytest.raises(UnknownModelError) as refusal:
        load_model(name, lambda _: None)
    assert repr(name) in str(refusal.value)
    assert f"did you mean {suggestion}" in str(refusal.value)


def test_a_name_like_no_other_is_refused_without_a_guess() -> None:
    with pytest.raises(UnknownModelError) as refusal:
        load_model("qqqqqqqq", lambda _: None)
    assert "did you mean" not in str(refusal.value)


def test_nothing_is_near_the_empty_name() -> None:
    assert did_you_mean("", ["starter", "open_clip:ViT-B-32/openai"]) == ""


def test_every_recommended_model_is_one_that_its_family_knows() -> None:
    import open_clip
    import timm

    known = {f"open_clip:{arch}/{tag}" for arch, tag in open_clip.list_pretrained()}
    known |= {f"timm:{name}" for name in timm.list_models(pretrained=True)} | {"starter"}
    assert {model.name for model in known_models()} <= known


def test_the_recommended_models_are_where_their_family_fetches_them() -> None:
    from open_clip.pretrained import get_pretrained_cfg
    from timm.models import get_pretrained_cfg as timm_cfg

    from indexer.embedders.recommended import RECOMMENDED

    for model in RECOMMENDED:
        prefix, _, reference = model.name.partition(":")
        if prefix == "open_clip":
            expected = get_pretrained_cfg(*reference.split("/"))["hf_hub"].rstrip("/")
        elif prefix == "timm":
            expected = timm_cfg(reference).hf_hub_id
        else:
            continue
        assert model.request is not None
        assert model.request.repo == expected


def test_listing_the_models_imports_no_framework_and_takes_no_network(tmp_path: Path) -> None:
    program = (
        "import sys; from indexer.embedders import known_models\n"
        "print([model.name for model in known_models() if model.on_disk])\n"
        "print({'torch', 'timm', 'open_clip', 'transformers', 'onnxruntime'} & set(sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        env=os.environ | {"HF_HOME": str(tmp_path), "HF_ENDPOINT": "http://127.0.0.1:9"},
        capture_output=True,
        text=True,
    )
    assert done.stdout.splitlines() == ["['starter']", "set()"]


def test_a_model_on_disk_is_listed_as_such(tmp_path: Path) -> None:
    repo = tmp_path / "hub" / "models--timm--vit_base_patch32_clip_224.openai"
    snapshot = repo / "snapshots" / ("0" * 40)
    snapshot.mkdir(parents=True)
    (repo / "refs").mkdir()
    (repo / "refs" / "main").write_text("0" * 40)
    (snapshot / "open_clip_model.safetensors").touch()
    program = (
        "from indexer.embedders import known_models\n"
        "print([model.name for model in known_models() if model.on_disk])"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        env=os.environ | {"HF_HOME": str(tmp_path)},
        capture_output=True,
        text=True,
    )
    assert done.stdout.strip() == "['starter', 'open_clip:ViT-B-32/openai']"


@pytest.mark.slow
def test_auto_without_a_network_is_the_model_that_needs_none(tmp_path: Path) -> None:
    program = (
        "from indexer.embedders import load_model\n"
        "print(load_model('auto', lambda line: print('notice:', line)).name)"
    )
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", program],
        env=os.environ | {"HF_HOME": str(tmp_path), "HF_ENDPOINT": "http://127.0.0.1:9"},
        capture_output=True,
        text=True,
    )
    notice, name = done.stdout.splitlines()
    assert notice.startswith("notice: laion/CLIP-ViT-B-32-256x256-DataComp-s34B-b86K is not on")
    assert notice.endswith("using `starter`, which needs no network")
    assert name == "starter"


def test_auto_takes_nothing_after_it() -> None:
    with pytest.raises(UnknownModelError, match="takes nothing after it"):
        load_model("auto:best", lambda _: None)
