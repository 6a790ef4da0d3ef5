"""Each layout, written here as its authors write it, must give the trunk's own features.

Momentum copies hold other values than the trunk, so that taking the wrong one shows.
"""

from argparse import Namespace
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import timm
import torch
from timm.models.vision_transformer import VisionTransformer
from torch import nn
from torchvision.models.resnet import BasicBlock, Bottleneck, ResNet

from indexer.embedders import ssl
from indexer.embedders.trunks import recognise

State = dict[str, Any]
Write = Callable[[State, State], State]

MLP = {"0.weight": torch.ones(4, 4), "0.bias": torch.ones(4), "2.weight": torch.ones(2, 4)}
LIGHTNING = {"epoch": 1, "pytorch-lightning_version": "2.4.0", "optimizer_states": []}


@pytest.fixture(autouse=True, scope="module")
def one_thread() -> Iterator[None]:
    """Networks this small run slower on several."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def lively(module: nn.Module, seed: int = 0) -> nn.Module:
    """Every weight and statistic away from its initial value, so that each one matters."""
    generator = torch.Generator().manual_seed(seed)
    for name, tensor in module.state_dict().items():
        if name.endswith("running_var"):
            tensor.copy_(torch.rand(tensor.shape, generator=generator) + 0.5)
        elif tensor.is_floating_point():
            tensor.add_(torch.randn(tensor.shape, generator=generator) * 0.05)
    return module.eval()


def resnet(seed: int = 0, block: Any = BasicBlock, inner: int = 1) -> Any:
    """torchvision's network, one block a layer, at a width of 16 for speed, without its head."""
    with torch.device("meta"):
        network = ResNet(block, [1, 1, 1, 1])
    network.inplanes, network.base_width = 16, 64 * inner
    network.conv1, network.bn1 = nn.Conv2d(3, 16, 7, 2, 3, bias=False), nn.BatchNorm2d(16)
    for layer in range(4):
        blocks = network._make_layer(block, 16 * 2**layer, 1, stride=2 if layer else 1)
        setattr(network, f"layer{layer + 1}", blocks)
    network.fc = nn.Identity()
    return lively(network, seed)


def small_resnet(seed: int = 0, padding: int = 1) -> Any:
    """For pictures of 32 pixels: a 3x3 stem and no max pool."""
    network = resnet()
    network.conv1 = nn.Conv2d(3, 16, 3, 1, padding, bias=False)
    network.maxpool = nn.Identity()
    return lively(network, seed)


def vit(seed: int = 0, width: int = 192, heads: int = 3, eps: float = 1e-6) -> VisionTransformer:
    network = VisionTransformer(
        img_size=64,
        patch_size=16,
        embed_dim=width,
        depth=2,
        num_heads=heads,
        num_classes=0,
        norm_layer=partial(nn.LayerNorm, eps=eps),
    )
    lively(network, seed)
    return network


def children(network: nn.Module, *, without: tuple[type, ...] = ()) -> nn.Sequential:
    kept = [child for child in list(network.children())[:-1] if not isinstance(child, without)]
    return nn.Sequential(*kept)


def under(prefix: str, state: State) -> State:
    return {prefix + key: value for key, value in state.items()}


def load(folder: Path, payload: State, options: str = "") -> Any:
    path = folder / "checkpoint.pth"
    torch.save(payload, path)
    return ssl.load(f"{path}{options}", lambda line: None)


def assert_same(model: Any, network: nn.Module, size: int = 64) -> None:
    pictures = torch.rand(2, 3, size, size, generator=torch.Generator().manual_seed(5))
    with torch.inference_mode():
        expected = network(pictures).flatten(1)
        torch.testing.assert_close(model.image_tower(pictures), expected, rtol=1e-5, atol=1e-5)
    assert model.dim == expected.shape[1]


def moco(own: State, copy: State) -> State:
    state = under("encoder_q.", own) | under("encoder_q.fc.", MLP) | under("encoder_k.", copy)
    state |= {"queue": torch.ones(8, 16), "queue_ptr": torch.zeros(1, dtype=torch.long)}
    return {"epoch": 1, "arch": "resnet50", "state_dict": under("module.", state)}


def moco_v3(own: State, copy: State) -> State:
    state = under("base_encoder.", own | under("fc.", MLP)) | under("predictor.", MLP)
    state |= under("momentum_encoder.", copy | under("fc.", MLP))
    return {"epoch": 1, "arch": "resnet50", "state_dict": under("module.", state), "scaler": {}}


def simsiam(own: State, copy: State) -> State:
    state = under("encoder.", own | under("fc.", MLP)) | under("predictor.", MLP)
    return {"epoch": 1, "arch": "resnet50", "state_dict": under("module.", state)}


def swav(own: State, copy: State) -> State:
    heads = under("projection_head.", MLP) | {"prototypes.weight": torch.ones(3, 2)}
    return under("module.", own | heads)


def swav_in_training(own: State, copy: State) -> State:
    return {"epoch": 1, "state_dict": swav(own, copy), "optimizer": {}, "amp": {}}


def barlow_twins(own: State, copy: State) -> State:
    state = under("backbone.", own) | under("projector.", MLP)
    state |= {"bn.running_mean": torch.zeros(4), "bn.running_var": torch.ones(4)}
    return {"epoch": 1, "model": under("module.", state), "optimizer": {}}


def vicreg(own: State, copy: State) -> State:
    state = under("backbone.", own) | under("projector.", MLP)
    return {"epoch": 1, "model": under("module.", state), "optimizer": {}}


def byol_pytorch(own: State, copy: State) -> State:
    classes = {"fc.weight": torch.ones(5, 128), "fc.bias": torch.ones(5)}
    state = under("net.", own | classes) | under("online_encoder.net.", own | classes)
    state |= under("online_encoder.projector.", MLP) | under("online_predictor.", MLP)
    return state | under("target_encoder.net.", copy | classes) | under("target_encoder.p.", MLP)


def simclr_sthalles(own: State, copy: State) -> State:
    state = under("backbone.", own | under("fc.", MLP))
    return {"epoch": 200, "arch": "resnet18", "state_dict": state, "optimizer": {}}


def simclr_spijkervet(own: State, copy: State) -> State:
    return under("encoder.", own) | under("projector.", MLP)


def dino(own: State, copy: State) -> State:
    return {
        "student": under("module.", under("backbone.", copy) | under("head.mlp.", MLP)),
        "teacher": under("backbone.", own) | under("head.mlp.", MLP),
        "epoch": 1,
        "args": Namespace(arch="vit_tiny", patch_size=16, lr=0.0005),
        "dino_loss": {"center": torch.zeros(1, 4)},
    }


def vissl(own: State, copy: State) -> State:
    model = {"trunk": under("_feature_blocks.", own), "heads": under("0.clf.", MLP)}
    return {"phase_idx": 1, "classy_state_dict": {"base_model": {"model": model, "meta": {}}}}


def vissl_for_evaluation(own: State, copy: State) -> State:
    model = {"trunk": under("base_model._feature_blocks.", own), "heads": {}}
    return {"classy_state_dict": {"base_model": {"model": model}}}


def mmselfsup_moco(own: State, copy: State) -> State:
    state = under("backbone.", own) | under("neck.mlp.", MLP)
    state |= under("encoder_k.module.0.", copy) | {"encoder_k.steps": torch.tensor(7)}
    state |= {"queue": torch.ones(8, 16), "queue_ptr": torch.zeros(1, dtype=torch.long)}
    return {"meta": {"epoch": 1}, "state_dict": state, "message_hub": {}}


def mmselfsup_byol(own: State, copy: State) -> State:
    state = under("backbone.", own) | under("neck.fc0.", MLP) | under("head.predictor.", MLP)
    state |= under("target_net.module.0.", copy) | under("target_net.module.1.", MLP)
    return {"meta": {"epoch": 1}, "state_dict": state}


def mmselfsup_0_x(own: State, copy: State) -> State:
    state = under("encoder_q.0.", own) | under("encoder_q.1.mlp.", MLP) | under("backbone.", own)
    state |= under("encoder_k.0.", copy) | {"queue": torch.ones(8, 16)}
    return {"meta": {"epoch": 1}, "state_dict": state}


def mmselfsup_extracted(own: State, copy: State) -> State:
    return {"meta": {}, "state_dict": own}


def solo_learn(own: State, copy: State) -> State:
    state = under("backbone.", own) | under("momentum_backbone.", copy)
    state |= under("projector.", MLP) | under("momentum_projector.", MLP)
    state |= under("predictor.", MLP) | {"classifier.weight": torch.ones(10, 128)}
    return {**LIGHTNING, "state_dict": state}


def solo_learn_2021(own: State, copy: State) -> State:
    state = under("encoder.", own) | under("momentum_encoder.", copy)
    state |= under("projector.", MLP) | {"classifier.weight": torch.ones(10, 128)}
    state |= {"queue": torch.ones(2, 8, 16), "queue_ptr": torch.zeros(1, dtype=torch.long)}
    return {**LIGHTNING, "state_dict": state}


def lightly_byol(own: State, copy: State) -> State:
    state = under("backbone.", own) | under("teacher_backbone.", copy)
    state |= under("projection_head.layers.", MLP) | under("prediction_head.layers.", MLP)
    state |= under("teacher_projection_head.layers.", MLP)
    state |= {"online_classifier.linear.weight": torch.ones(10, 128)}
    return {**LIGHTNING, "state_dict": state, "hyper_parameters": {"num_classes": 10}}


def lightly_moco(own: State, copy: State) -> State:
    # The key encoder is called `backbone` there, and it is what their evaluation takes.
    state = under("backbone.", own) | under("query_backbone.", copy)
    state |= under("projection_head.layers.", MLP) | under("query_projection_head.layers.", MLP)
    return {**LIGHTNING, "state_dict": state}


def lightning(own: State, copy: State) -> State:
    state = under("model.encoder.", own) | under("ema.model.encoder.", copy)
    state |= under("model.projection_head.", MLP) | {"loss_fn.center": torch.ones(4)}
    return {**LIGHTNING, "state_dict": state, "hyper_parameters": {"lr": 0.1}}


def lightly_train(own: State, copy: State) -> State:
    state = under("teacher_embedding_model.wrapped_model._features.", own)
    state |= under("student_embedding_model.wrapped_model._features.", copy)
    state |= under("teacher_projection_head.layers.", MLP) | {"criterion.center": torch.ones(1, 4)}
    return {**LIGHTNING, "state_dict": state}


def plain(own: State, copy: State) -> State:
    return own


def linear_probe(own: State, copy: State) -> State:
    classes = {"fc.weight": torch.ones(5, 128), "fc.bias": torch.ones(5)}
    return {"epoch": 1, "state_dict": under("module.", own | classes), "best_acc1": 61.2}


RESNET_LAYOUTS: list[tuple[Write, str, str]] = [
    (moco, "moco", "MoCo"),
    (moco_v3, "moco-v3", "MoCo v3"),
    (simsiam, "simsiam", "SimSiam"),
    (swav, "swav", "SwAV"),
    (swav_in_training, "swav", "SwAV"),
    (barlow_twins, "barlow-twins", "Barlow Twins"),
    (vicreg, "vicreg", "VICReg"),
    (byol_pytorch, "byol-pytorch", "BYOL"),
    (simclr_sthalles, "simclr-sthalles", "SimCLR"),
    (simclr_spijkervet, "simclr-spijkervet", "SimCLR"),
    (dino, "dino", "DINO"),
    (vissl, "vissl", "not recorded"),
    (vissl_for_evaluation, "vissl", "not recorded"),
    (mmselfsup_moco, "mmselfsup", "MoCo"),
    (mmselfsup_byol, "mmselfsup", "BYOL or MoCo v3"),
    (mmselfsup_0_x, "mmselfsup", "MoCo"),
    (mmselfsup_extracted, "plain", "not recorded"),
    (lightly_byol, "lightly", "BYOL or MoCo v3"),
    (lightly_moco, "lightly", "MoCo"),
    (solo_learn, "solo-learn", "BYOL or MoCo v3"),
    (solo_learn_2021, "solo-learn", "MoCo"),
    (lightning, "lightning", "MoCo"),
    (lightly_train, "lightning", "MoCo"),
    (plain, "plain", "not recorded"),
    (linear_probe, "plain", "not recorded"),
]


@pytest.mark.parametrize(
    ("write", "layout", "method"), RESNET_LAYOUTS, ids=[w[0].__name__ for w in RESNET_LAYOUTS]
)
def test_a_resnet_gives_its_own_features(
    write: Write, layout: str, method: str, tmp_path: Path
) -> None:
    network, copy = resnet(1), resnet(2)

    model = load(tmp_path, write(network.state_dict(), copy.state_dict()))

    assert_same(model, network)
    assert (model.details["layout"], model.details["method"]) == (layout, method)
    assert model.details["arch"] == "resnet9-x0.25"


VIT_LAYOUTS: list[tuple[Write, str]] = [
    (dino, "dino"),
    (plain, "plain"),
    (solo_learn, "solo-learn"),
    (lambda own, copy: lightly_byol(under("vit.", own), under("vit.", copy)), "lightly"),
]


@pytest.mark.parametrize(("write", "layout"), VIT_LAYOUTS, ids=[w[1] for w in VIT_LAYOUTS])
def test_a_vit_gives_its_class_token(write: Write, layout: str, tmp_path: Path) -> None:
    network, copy = vit(1), vit(2)

    model = load(tmp_path, write(network.state_dict(), copy.state_dict()))

    assert_same(model, network)
    assert model.details["layout"] == layout
    assert model.details["arch"] == "vit-tiny-patch16-64"


def yaox12(own: State, copy: State) -> State:
    state = under("online_network.encoder.", own) | under("online_network.projetion.l1.", MLP)
    state |= under("target_network.encoder.", copy) | under("target_network.projetion.l1.", MLP)
    state |= under("predictor.predictor.l1.", MLP)
    return {"config": {"amp": {}}, "model": under("module.", state), "steps": 9, "amp": {}}


def lightly_example(own: State, copy: State) -> State:
    state = under("backbone.", own) | under("backbone_momentum.", copy)
    state |= under("projection_head.layers.", MLP) | under("projection_head_momentum.layers.", MLP)
    return {**LIGHTNING, "state_dict": state}


def lightly_swav(own: State, copy: State) -> State:
    state = under("backbone.", own) | under("projection_head.layers.", MLP)
    state |= {"prototypes.heads.0.weight": torch.ones(3, 2), "queues.0.bank": torch.ones(8, 16)}
    return {**LIGHTNING, "state_dict": state}


def lightly_dino(own: State, copy: State) -> State:
    state = under("teacher_backbone.", own) | under("student_backbone.", copy)
    state |= under("teacher_head.layers.", MLP) | under("student_head.layers.", MLP)
    return {**LIGHTNING, "state_dict": state | {"criterion.center": torch.ones(1, 4)}}


CHILDREN_LAYOUTS: list[tuple[Write, str, str]] = [
    (yaox12, "byol-yaox12", "BYOL"),
    (lightly_example, "lightly", "MoCo"),
    (lightly_swav, "lightly", "SwAV"),
    (lightly_dino, "lightly-dino", "DINO"),
    (lightning, "lightning", "MoCo"),
    (plain, "plain", "not recorded"),
]


@pytest.mark.parametrize(
    ("write", "layout", "method"), CHILDREN_LAYOUTS, ids=[w[0].__name__ for w in CHILDREN_LAYOUTS]
)
def test_a_resnet_written_as_a_list_of_its_children_is_understood(
    write: Write, layout: str, method: str, tmp_path: Path
) -> None:
    network, copy = children(resnet(1)), children(resnet(2))

    model = load(tmp_path, write(network.state_dict(), copy.state_dict()))

    assert_same(model, network)
    assert (model.details["layout"], model.details["method"]) == (layout, method)


def test_leftthomas_simclr_has_no_max_pool_and_counts_by_thop(tmp_path: Path) -> None:
    network = children(small_resnet(1), without=(nn.Identity,))
    counts = {f"f.{index}.total_ops": torch.zeros(1) for index in range(8)}
    state = under("f.", network.state_dict()) | under("g.", MLP) | counts

    model = load(tmp_path, state | {"total_ops": torch.zeros(1), "total_params": torch.zeros(1)})

    assert_same(model, network, size=32)
    assert model.details["layout"] == "simclr-leftthomas"
    assert model.preprocessing.mean == (0.4914, 0.4822, 0.4465)
    assert model.preprocessing.std == (0.2023, 0.1994, 0.2010)


def test_moco_s_notebook_for_cifar_keeps_its_head_as_a_last_child(tmp_path: Path) -> None:
    network, copy = (children(small_resnet(seed), without=(nn.Identity,)) for seed in (1, 2))
    state = under("encoder_q.net.", network.state_dict()) | {"queue": torch.ones(8, 16)}
    state |= {"encoder_q.net.9.weight": torch.ones(8, 128), "encoder_q.net.9.bias": torch.ones(8)}

    model = load(tmp_path, {"state_dict": state | under("encoder_k.net.", copy.state_dict())})

    assert_same(model, network, size=32)


@pytest.mark.parametrize(
    ("write", "padding", "mean"),
    [
        (solo_learn, 2, (0.4914, 0.4822, 0.4465)),
        (lightly_byol, 1, (0.485, 0.456, 0.406)),
        (moco, 1, (0.485, 0.456, 0.406)),
    ],
)
def test_a_small_stem_takes_32_pixels_with_the_padding_and_mean_of_its_authors(
    write: Write, padding: int, mean: tuple[float, ...], tmp_path: Path
) -> None:
    network, copy = small_resnet(1, padding), small_resnet(2, padding)

    model = load(tmp_path, write(network.state_dict(), copy.state_dict()))

    assert_same(model, network, size=32)
    assert (model.preprocessing.size, model.preprocessing.mean) == (32, mean)
    assert model.details["arch"] == "resnet9-x0.25-small-stem"


def test_the_small_resnet_of_lightly_names_its_shortcuts_otherwise(tmp_path: Path) -> None:
    network = small_resnet(1)
    own = {k.replace("downsample", "shortcut"): v for k, v in network.state_dict().items()}

    model = load(tmp_path, lightly_byol(own | under("linear.", MLP), own))

    assert_same(model, network, size=32)


def test_the_children_of_lightly_s_small_resnet_have_no_first_relu(tmp_path: Path) -> None:
    network = children(small_resnet(1), without=(nn.Identity, nn.ReLU))
    own = {k.replace("downsample", "shortcut"): v for k, v in network.state_dict().items()}

    assert_same(load(tmp_path, lightly_example(own, own)), network, size=32)


def test_children_without_a_max_pool_are_told_by_their_numbers(tmp_path: Path) -> None:
    network = children(resnet(1), without=(nn.MaxPool2d,))

    assert_same(load(tmp_path, lightly_example(network.state_dict(), {})), network)


def test_split_batch_norm_is_read_as_lightly_evaluates_it(tmp_path: Path) -> None:
    network = small_resnet(1)
    own = {
        key: torch.cat([value - 0.1, value + 0.1]) if "running" in key else value
        for key, value in network.state_dict().items()
    }

    assert_same(load(tmp_path, lightly_byol(own, own)), network, size=32)


def test_a_wide_resnet_of_swav_is_told_by_its_shapes(tmp_path: Path) -> None:
    network = resnet(1, Bottleneck, inner=2)

    model = load(tmp_path, swav(network.state_dict(), {}))

    assert_same(model, network)
    assert model.details["arch"] == "resnet[1, 1, 1, 1]-x0.25-inner-x2"


def test_simclr_v2_converted_from_tensorflow_wants_values_as_they_are(tmp_path: Path) -> None:
    network = resnet(1, Bottleneck)
    own = dict(simclr_v2_names(network.state_dict())) | under("fc.", MLP)

    model = load(tmp_path, {"resnet": own, "head": {"layers.0.weight": torch.ones(4, 4)}})

    assert_same(model, network)
    assert model.details["method"] == "SimCLR v2"
    assert (model.preprocessing.mean, model.preprocessing.std) == ((0, 0, 0), (1, 1, 1))


def simclr_v2_names(state: State) -> list[tuple[str, Any]]:
    places = {"conv1": "net.0", "bn1": "net.1.0", "conv2": "net.2", "bn2": "net.3.0"}
    places |= {"conv3": "net.4", "bn3": "net.5.0"}
    places |= {"downsample.0": "projection.shortcut", "downsample.1": "projection.bn.0"}
    stem = {"conv1": "net.0.0", "bn1": "net.0.1.0"}
    named = []
    for key, value in state.items():
        module, _, leaf = key.rpartition(".")
        if module in stem:
            named.append((f"{stem[module]}.{leaf}", value))
        else:
            layer, block, place = module.split(".", 2)
            named.append((f"net.{layer[-1]}.blocks.{block}.{places[place]}.{leaf}", value))
    return named


def test_mmpretrain_names_the_parts_of_a_vit_otherwise(tmp_path: Path) -> None:
    network = vit(1)
    parts = {"blocks.": "layers.", "norm1": "ln1", "norm2": "ln2", "mlp.fc1": "ffn.layers.0.0"}
    parts |= {"mlp.fc2": "ffn.layers.1", "patch_embed.proj": "patch_embed.projection"}
    own = {}
    for key, value in network.state_dict().items():
        for ours, theirs in parts.items():
            key = key.replace(ours, theirs)
        own["ln1" + key[4:] if key.startswith("norm.") else key] = value

    model = load(tmp_path, mmselfsup_moco(own, own))

    assert_same(model, network)


def test_a_vit_of_vissl_has_the_epsilon_of_pytorch(tmp_path: Path) -> None:
    network = vit(1, eps=1e-5)
    # Small tokens, so that the epsilon matters.
    for parameter in (network.cls_token, network.pos_embed, network.patch_embed.proj.weight):
        parameter.data *= 1e-3
    own = network.state_dict()
    own["class_token"], own["pos_embedding"] = own.pop("cls_token"), own.pop("pos_embed")
    trunk = {"base_model": {"model": {"trunk": own, "heads": {}}}}

    assert_same(load(tmp_path, {"classy_state_dict": trunk}), network)


@pytest.mark.parametrize("write", [moco_v3, solo_learn, plain, mmselfsup_moco])
def test_a_vit_with_moco_v3_s_fixed_positions_has_twelve_heads(
    write: Write, tmp_path: Path
) -> None:
    network = vit(1, width=384, heads=12)
    network.pos_embed.data = sines_and_cosines(edge=4, width=384)

    model = load(tmp_path, write(network.state_dict(), vit(2, width=384).state_dict()))

    assert_same(model, network)


def sines_and_cosines(edge: int, width: int) -> torch.Tensor:
    positions = torch.zeros(1, 1 + edge * edge, width)
    for row in range(edge):
        for column in range(edge):
            for k in range(width // 4):
                step = 10000 ** (-4 * k / width)
                values = torch.tensor([row * step, row * step, column * step, column * step])
                waves = torch.where(torch.arange(4) % 2 == 0, values.sin(), values.cos())
                positions[0, 1 + row * edge + column, k :: width // 4] = waves
    return positions


@pytest.mark.parametrize(
    ("arch", "name"),
    [
        ("resnet18", "resnet18"),
        ("resnet34", "resnet34"),
        ("resnet50", "resnet50"),
        ("resnet101", "resnet101"),
        ("resnet152", "resnet152"),
        ("wide_resnet50_2", "resnet50-inner-x2"),
        ("resnext50_32x4d", "resnet50-32x4d"),
        ("vit_tiny_patch16_224", "vit-tiny-patch16-224"),
        ("vit_small_patch8_224", "vit-small-patch8-224"),
        ("vit_base_patch16_224", "vit-base-patch16-224"),
        ("vit_large_patch16_384", "vit-large-patch16-384"),
    ],
)
def test_networks_of_common_size_are_told_by_their_shapes(arch: str, name: str) -> None:
    with torch.device("meta"):
        network = timm.create_model(arch, num_classes=0)
        trunk = recognise(network.state_dict(), heads=network.num_features // 64)

    assert trunk.arch == name
    wanted, built = network.state_dict(), trunk.module.state_dict()
    assert {k: v.shape for k, v in built.items()} == {k: v.shape for k, v in wanted.items()}
