"""Small models of open_clip at random weights, and the files that open_clip writes for them."""

import json
from pathlib import Path
from typing import Any

import open_clip
import torch
from safetensors.torch import save_file

TINY: dict[str, Any] = {
    "embed_dim": 24,
    "vision_cfg": {"image_size": 32, "layers": 1, "width": 64, "head_width": 32, "patch_size": 16},
    "text_cfg": {"context_length": 16, "vocab_size": 49408, "width": 32, "heads": 2, "layers": 1},
}


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


def register(name: str, folder: Path) -> str:
    """Put `TINY` into open_clip's own list of architectures, as a user may do."""
    path = folder / f"{name}.json"
    path.write_text(json.dumps(TINY))
    open_clip.add_model_config(path)
    return name
