"""The models that we recommend, with what a user wants to know before a download.

Plain data, so that listing them imports no framework. Sizes are those of the downloads; licences
are as the models' own cards give them.
"""

from dataclasses import dataclass
from fnmatch import fnmatch

from indexer.embedders.hub import Request

__all__ = [
    "CLIP_WEIGHTS",
    "DEFAULT",
    "RECOMMENDED",
    "TIMM_WEIGHTS",
    "UNKNOWN_LICENCE",
    "Recommended",
    "licence_of",
]

CLIP_WEIGHTS = ("open_clip_model.safetensors", "open_clip_pytorch_model.bin")
"""What open_clip names its weights, the safe format first."""

TIMM_WEIGHTS = ("model.safetensors", "pytorch_model.bin")
"""What timm names its weights, the safe format first."""


@dataclass(frozen=True, slots=True)
class Recommended:
    """One model that a user can name as it stands."""

    name: str
    dim: int
    reads_text: bool
    licence: str
    megabytes: int
    why: str
    request: Request | None
    """The files that tell whether it is on disk; None where it came with the installation."""


def _clip(name: str, dim: int, megabytes: int, licence: str, why: str, repo: str) -> Recommended:
    request = Request(repo, (CLIP_WEIGHTS,))
    return Recommended(f"open_clip:{name}", dim, True, licence, megabytes, why, request)


def _timm(name: str, dim: int, megabytes: int, licence: str, why: str) -> Recommended:
    request = Request(f"timm/{name}", (TIMM_WEIGHTS,))
    return Recommended(f"timm:{name}", dim, False, licence, megabytes, why, request)


# The default: the best on ImageNet zero-shot (72.8 %, says open_clip's table) of the models that a
# CPU runs at 15 pictures a second; the next better ones are four times slower. Its 605 MB and its
# MIT licence suit everybody.
DEFAULT = _clip(
    "ViT-B-32-256/datacomp_s34b_b86k",
    512,
    605,
    "MIT",
    "good and quick; English",
    "laion/CLIP-ViT-B-32-256x256-DataComp-s34B-b86K",
)

RECOMMENDED = (
    Recommended(
        "starter", 384, True, "Apache-2.0", 0, "comes with Glimpse; needs no network", None
    ),
    DEFAULT,
    _clip(
        "ViT-L-14/datacomp_xl_s13b_b90k",
        768,
        1711,
        "MIT",
        "more exact, fourteen times the work; English",
        "laion/CLIP-ViT-L-14-DataComp.XL-s13B-b90K",
    ),
    _clip(
        "ViT-B-16-SigLIP2-256/webli",
        768,
        1501,
        "Apache-2.0",
        "more exact, four times the work; over a hundred languages",
        "timm/ViT-B-16-SigLIP2-256",
    ),
    _clip(
        "xlm-roberta-base-ViT-B-32/laion5b_s13b_b90k",
        512,
        1465,
        "MIT",
        "quick; a hundred languages",
        "laion/CLIP-ViT-B-32-xlm-roberta-base-laion5B-s13B-b90k",
    ),
    _clip(
        "ViT-B-32/openai",
        512,
        605,
        "MIT",
        "the original CLIP; English",
        "timm/vit_base_patch32_clip_224.openai",
    ),
    _timm(
        "vit_small_patch14_dinov2.lvd142m", 384, 88, "Apache-2.0", "DINOv2: look and layout, 518 px"
    ),
    _timm(
        "vit_small_patch16_dinov3.lvd1689m", 384, 86, "DINOv3 licence", "DINOv3: look and layout"
    ),
    _timm("vit_base_patch16_dinov3.lvd1689m", 768, 343, "DINOv3 licence", "DINOv3, more exact"),
)

UNKNOWN_LICENCE = "see the model's page"

# By the name of the repository, as the cards there say; OpenAI's as its own repository says.
_LICENCES = {
    "laion/*": "MIT",
    "timm/*.openai": "MIT",
    "timm/*.laion400m_e3?": "MIT",
    "timm/eva*_clip_*": "MIT",
    "timm/*SigLIP*": "Apache-2.0",
    "timm/*.metaclip_*": "CC-BY-NC-4.0",
    "UCSC-VLAA/*": "Apache-2.0",
    "apple/DFN*": "Apple Sample Code licence",
    "apple/MobileCLIP*": "Apple model research licence",
}


def licence_of(repo: str) -> str | None:
    """The licence of the weights in a repository of the hub, where we know it."""
    return next((name for pattern, name in _LICENCES.items() if fnmatch(repo, pattern)), None)
