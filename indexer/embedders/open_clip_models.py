"""Building open_clip's models from a configuration, and filling them from a state dict.

open_clip's own `create_model` would fetch and unpickle by itself; only its parts are used here.
"""

from copy import deepcopy
from typing import Any

import open_clip
import torch
from open_clip.convert import convert_state_dict
from open_clip.model import (
    convert_to_custom_text_state_dict,
    resize_pos_embed,
    resize_text_pos_embed,
)
from torch import nn

from indexer.embedders.checkpoints import StateDict
from indexer.errors import ModelError

__all__ = ["build", "fill", "is_openai", "split"]

_OPENAI_MARKS = ("input_resolution", "context_length", "vocab_size")


def is_openai(state: StateDict) -> bool:
    """Whether the weights are in the layout of OpenAI's own archives.

    Those were trained with QuickGELU, which their keys and shapes do not tell.
    """
    return any(mark in state for mark in _OPENAI_MARKS)


def build(config: dict[str, Any], text_folder: str | None) -> Any:
    """The model that a `model_cfg` describes, with random weights.

    `text_folder` holds the configuration of a Hugging Face text tower, where there is one.
    """
    config = deepcopy(config)
    vision, text = config["vision_cfg"], config["text_cfg"]
    if ":" in (vision.get("timm_model_name") or ""):
        raise ModelError(f"the trunk {vision['timm_model_name']!r} would be fetched from elsewhere")
    vision["timm_model_pretrained"] = False
    if text_folder:
        text |= {"hf_model_name": text_folder, "hf_model_pretrained": False}
    custom = config.pop("custom_text", False) or text_folder
    kind = open_clip.CustomTextCLIP if custom else open_clip.CLIP
    if "multimodal_cfg" in config:
        kind = open_clip.CoCa
    return kind(**config).eval()


def fill(model: Any, state: StateDict) -> None:
    """Load weights, every key of them, as open_clip's `load_checkpoint` would.

    Raises RuntimeError, with all faults in it, where keys or shapes differ.
    """
    state = {
        key: tensor
        for key, tensor in state.items()
        # What OpenAI's archives hold beside weights.
        if key not in _OPENAI_MARKS and not key.endswith("attn_mask")
    }
    state = convert_state_dict(model, state)
    if "positional_embedding" in state and not hasattr(model, "positional_embedding"):
        state = convert_to_custom_text_state_dict(state)
    for name in ("logit_scale", "logit_bias"):
        own = getattr(model, name, None)
        if own is not None and name in state:
            state[name] = state[name].reshape(own.shape)
    if getattr(model, "logit_bias", None) is not None:
        state.setdefault("logit_bias", torch.zeros(model.logit_bias.shape))
    # Saved by transformers before 4.31.
    state.pop("text.transformer.embeddings.position_ids", None)
    resize_pos_embed(state, model)
    resize_text_pos_embed(state, model)
    model.load_state_dict(state, strict=True)


def split(model: Any) -> tuple[nn.Module, nn.Module]:
    """The image tower and the text tower, sharing nothing; the model is used up."""
    visual = model.visual
    del model.visual
    text = model.text if hasattr(model, "text") else _ClipText(model)
    for tower in (visual, text):
        if hasattr(tower, "output_tokens"):
            tower.output_tokens = False
    return visual.eval(), text.eval()


class _ClipText(nn.Module):
    """The text side of a CLIP that keeps its text layers on itself."""

    def __init__(self, model: Any) -> None:
        super().__init__()
        # The temperature of training is no part of an embedding.
        del model.logit_scale
        self.model = model

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        embedded: torch.Tensor = self.model.encode_text(ids)
        return embedded
