"""How the authors of self-supervised learning write their checkpoints.

A layout is data: where in the file the weights lie, which keys are the trunk's, which belong to
heads, queues and momentum copies, and what neither key nor shape can tell. Beside each stands the
public code that writes it. A key that no rule names is an error, never dropped; `unwrapping`
applies the rules.
"""

from dataclasses import dataclass
from typing import Literal

__all__ = ["AS_IS", "IMAGENET", "LAYOUTS", "Layout", "Normalisation"]

Normalisation = tuple[tuple[float, float, float], tuple[float, float, float]]
"""Mean and standard deviation of each channel, over values scaled to 0-1."""

IMAGENET: Normalisation = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
CIFAR: Normalisation = ((0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616))
AS_IS: Normalisation = ((0.0, 0.0, 0.0), (1.0, 1.0, 1.0))
"""Values from 0 to 1, as SimCLR's own code feeds them."""

LIGHTNING = "pytorch-lightning_version"


@dataclass(frozen=True, slots=True)
class Layout:
    """One way of writing a checkpoint. Patterns are matched from the start of a key."""

    name: str
    trunk: str | None = None
    """What stands before the trunk's own names; None: whatever stands before its first layer."""
    drop: str = r"(?!)"
    """Keys of heads, queues and momentum copies; they go first."""
    loose: bool = False
    """Whether, outside the trunk, any key that is called a head, a queue and so on goes as well:
    for frameworks, whose users choose such names."""
    marks: tuple[str, ...] = ()
    """Each must match some key."""
    beside: str = ""
    """An entry that the file must have beside the weights."""
    containers: tuple[str, ...] = ("state_dict",)
    """Where the weights may lie, names of nested dicts joined by `/`; "" is the file itself."""
    method: str = ""
    """Empty where the layout serves several methods and the keys must tell."""
    norm_eps: float = 1e-6
    """Of a ViT's LayerNorm."""
    stem_padding: int = 1
    """Of a 3x3 stem."""
    size: int | None = None
    """Edge of the pictures in pixels, where the authors train at another than the network's."""
    interpolation: Literal["bilinear", "bicubic"] | None = None
    """None: bicubic for a ViT, bilinear for a ResNet."""
    normalisation: Normalisation | None = None
    """None: ImageNet's, unless the weights tell of another."""
    small_normalisation: Normalisation | None = None
    """The same, for a network with a 3x3 stem."""


LAYOUTS = (
    # facebookresearch/dino: main_dino.py; eval_knn.py takes the teacher, and resizes bicubically
    Layout(
        name="dino",
        method="DINO",
        containers=("teacher",),
        trunk=r"backbone\.",
        drop=r"head\.",
        marks=(r"backbone\.",),
        interpolation="bicubic",
    ),
    # facebookresearch/vissl: vissl/models/base_ssl_model.py, and in vissl/models/trunks/
    # resnext.py, feature_extractor.py, vision_transformer.py (whose LayerNorm has PyTorch's eps)
    Layout(
        name="vissl",
        containers=("classy_state_dict/base_model/model/trunk",),
        trunk=r"(base_model\.)?(_feature_blocks\.)?",
        norm_eps=1e-5,
    ),
    # open-mmlab/mmpretrain: mmpretrain/models/selfsup/{base,moco,mocov3,byol}.py;
    # open-mmlab/mmselfsup: mmselfsup/models/algorithms/byol.py and those beside it
    Layout(
        name="mmselfsup",
        beside="meta",
        trunk=r"backbone\.",
        drop=r"(neck|head|encoder_[qk]|(online|target)_net|momentum_encoder|data_preprocessor)\."
        r"|queue(_ptr)?$",
        marks=(r"backbone\.",),
    ),
    # facebookresearch/moco: moco/builder.py; `net` in its CIFAR-10 notebook
    Layout(
        name="moco",
        method="MoCo",
        trunk=r"encoder_q\.(net\.)?",
        drop=r"encoder_k\.|queue(_ptr)?$",
        marks=(r"encoder_q\.", r"encoder_k\."),
    ),
    # facebookresearch/moco-v3: moco/builder.py; main_lincls.py resizes bilinearly
    Layout(
        name="moco-v3",
        method="MoCo v3",
        trunk=r"base_encoder\.",
        drop=r"(momentum_encoder|predictor)\.",
        marks=(r"base_encoder\.", r"momentum_encoder\."),
        interpolation="bilinear",
    ),
    # facebookresearch/simsiam: simsiam/builder.py
    Layout(
        name="simsiam",
        method="SimSiam",
        trunk=r"encoder\.",
        drop=r"predictor\.",
        marks=(r"encoder\.fc\.", r"predictor\."),
    ),
    # facebookresearch/swav: src/resnet50.py, main_swav.py; its published files have no container
    Layout(
        name="swav",
        method="SwAV",
        containers=("state_dict", ""),
        trunk="",
        drop=r"(projection_head|prototypes)\.",
        marks=(r"conv1\.", r"projection_head\.", r"prototypes\."),
    ),
    # facebookresearch/barlowtwins: main.py
    Layout(
        name="barlow-twins",
        method="Barlow Twins",
        containers=("model",),
        trunk=r"backbone\.",
        drop=r"(projector|bn)\.",
        marks=(r"backbone\.", r"projector\.", r"bn\."),
    ),
    # facebookresearch/vicreg: main_vicreg.py
    Layout(
        name="vicreg",
        method="VICReg",
        containers=("model",),
        trunk=r"backbone\.",
        drop=r"projector\.",
        marks=(r"backbone\.", r"projector\."),
    ),
    # lucidrains/byol-pytorch: byol_pytorch/byol_pytorch.py; `net` is `online_encoder.net` again
    Layout(
        name="byol-pytorch",
        method="BYOL",
        containers=("state_dict", "model", ""),
        trunk=r"online_encoder\.net\.",
        drop=r"(net|online_encoder\.projector|target_encoder|online_predictor)\.",
        marks=(r"online_encoder\.net\.", r"online_predictor\."),
    ),
    # yaox12/BYOL-PyTorch: model/byol_model.py, model/basic_modules.py (whose spelling this is)
    Layout(
        name="byol-yaox12",
        method="BYOL",
        containers=("model",),
        trunk=r"online_network\.encoder\.",
        drop=r"(online_network\.projetion|target_network|predictor)\.",
        marks=(r"online_network\.encoder\.", r"target_network\."),
    ),
    # google-research/simclr, version 2, by Separius/SimCLRv2-Pytorch: convert.py, verify.py
    Layout(
        name="simclr-v2",
        method="SimCLR v2",
        containers=("resnet",),
        trunk="",
        drop=r"fc\.",
        marks=(r"net\.0\.0\.",),
        normalisation=AS_IS,
    ),
    # leftthomas/SimCLR: model.py, utils.py; thop, which its main.py calls, leaves counts behind
    Layout(
        name="simclr-leftthomas",
        method="SimCLR",
        containers=("",),
        trunk=r"f\.",
        drop=r"g\.|(.*\.)?total_(ops|params)$",
        marks=(r"f\.0\.", r"g\."),
        size=32,
        small_normalisation=((0.4914, 0.4822, 0.4465), (0.2023, 0.1994, 0.2010)),
    ),
    # vturrisi/solo-learn: solo/methods/base.py and those beside it; `encoder` until 2022. It
    # evaluates the online backbone, of DINO too
    Layout(
        name="solo-learn",
        beside=LIGHTNING,
        trunk=r"(backbone|encoder)\.",
        drop=r"momentum_\w+\.",
        loose=True,
        marks=(
            r"(backbone|encoder)\.",
            r"classifier\.",
            r"(projector|head|momentum_\w+)\.",
        ),
        stem_padding=2,
        small_normalisation=CIFAR,
    ),
    # lightly-ai/lightly: benchmarks/imagenet/resnet50/ (moco and dino call the copy `backbone`),
    # examples/pytorch_lightning/, docs/source/getting_started/benchmarks/cifar10_benchmark.py
    # (ImageNet's statistics for CIFAR-10 too)
    Layout(
        name="lightly",
        beside=LIGHTNING,
        trunk=r"backbone\.(vit\.)?",
        loose=True,
        marks=(r"backbone\.", r"(projection|prediction)_head\.|\w+_backbone\.|backbone_momentum\."),
        small_normalisation=IMAGENET,
    ),
    # lightly-ai/lightly: examples/pytorch_lightning/dino.py
    Layout(
        name="lightly-dino",
        method="DINO",
        beside=LIGHTNING,
        trunk=r"teacher_backbone\.(vit\.)?",
        drop=r"student_backbone\.",
        loose=True,
        marks=(r"teacher_backbone\.", r"student_backbone\."),
    ),
    # sthalles/SimCLR: models/resnet_simclr.py, simclr.py; of the two data sets in data_aug/
    # contrastive_learning_dataset.py, neither normalised, STL-10 at 96 pixels is the default
    Layout(
        name="simclr-sthalles",
        method="SimCLR",
        beside="arch",
        trunk=r"backbone\.",
        drop=r"backbone\.fc\.",
        marks=(r"backbone\.fc\.",),
        size=96,
        normalisation=AS_IS,
    ),
    # Spijkervet/SimCLR: simclr/simclr.py, simclr/modules/transformations/simclr.py
    Layout(
        name="simclr-spijkervet",
        method="SimCLR",
        containers=("",),
        trunk=r"encoder\.",
        drop=r"projector\.",
        marks=(r"encoder\.", r"projector\."),
    ),
    # Any other module that PyTorch Lightning wrote
    Layout(name="lightning", beside=LIGHTNING, loose=True),
    # A trunk alone, or under a prefix: the releases of DINO, Barlow Twins and VICReg; what
    # MMSelfSup, VISSL and lightly-train export; SimCLR v1 by tonylins/simclr-converter
    Layout(
        name="plain",
        containers=("state_dict", "model_state_dict", "model", "teacher", ""),
        loose=True,
    ),
)
