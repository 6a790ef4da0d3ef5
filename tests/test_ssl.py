"""What a self-supervised checkpoint says of its pictures, what the user may add, and refusals."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import timm
import torch
from timm.models.resnet import BasicBlock, ResNet
from timm.models.vision_transformer import VisionTransformer

from indexer.embedders import ssl
from indexer.embedders.base import Model, Preprocessing
from indexer.errors import CheckpointError, ModelUnavailableError, UnknownModelError

State = dict[str, Any]


@pytest.fixture(autouse=True, scope="module")
def one_thread() -> Iterator[None]:
    """Networks this small run slower on several."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture
def resnet() -> State:
    network = ResNet(BasicBlock, (1, 1, 1, 1), channels=(8, 16, 32, 64), num_classes=0)
    return dict(network.state_dict())


@pytest.fixture
def vit() -> State:
    network = VisionTransformer(32, 8, embed_dim=192, depth=1, num_heads=3, num_classes=0)
    return dict(network.state_dict())


def moco(trunk: State) -> State:
    state = {f"encoder_q.{key}": value for key, value in trunk.items()}
    state |= {f"encoder_k.{key}": value + 1 for key, value in trunk.items()}
    return state | {"queue": torch.ones(4, 4)}


def load(folder: Path, payload: State, options: str = "") -> Model:
    torch.save(payload, folder / "model.pth")
    return ssl.load(f"{folder / 'model.pth'}{options}", lambda line: None)


def refusal(folder: Path, payload: State, options: str = "") -> str:
    with pytest.raises(CheckpointError) as caught:
        load(folder, payload, options)
    message = str(caught.value)
    assert message.startswith(str(folder / "model.pth"))
    assert "\n" not in message
    return message


def test_a_model_carries_what_a_user_wants_to_know(resnet: State, tmp_path: Path) -> None:
    lines: list[str] = []
    torch.save({"state_dict": moco(resnet)}, tmp_path / "mine.pth")

    model = ssl.load(str(tmp_path / "mine.pth"), lines.append)

    assert model.name == f"ssl:{tmp_path / 'mine.pth'}"
    assert model.licence == "unknown (your own file)"
    assert (model.dim, model.text_tower) == (64, None)
    assert model.details == {
        "layout": "moco",
        "method": "MoCo",
        "arch": "resnet9-x0.125",
        "file": str(tmp_path / "mine.pth"),
        "dropped_keys": len(resnet) + 1,
    }
    assert lines == [f"reading {tmp_path / 'mine.pth'}"]
    assert not model.image_tower.training
    assert ssl.references() == []


def test_a_resnet_is_fed_as_on_imagenet(resnet: State, tmp_path: Path) -> None:
    assert load(tmp_path, resnet).preprocessing == Preprocessing(
        size=224,
        resize_to=256,
        interpolation="bilinear",
        mean=(0.485, 0.456, 0.406),
        std=(0.229, 0.224, 0.225),
    )


def test_the_position_embedding_tells_the_size_of_a_vit(vit: State, tmp_path: Path) -> None:
    preprocessing = load(tmp_path, vit).preprocessing

    assert (preprocessing.size, preprocessing.resize_to) == (32, 0)
    assert preprocessing.interpolation == "bicubic"


def test_hyper_parameters_in_the_file_come_before_the_rule(resnet: State, tmp_path: Path) -> None:
    settings = {
        "image_size": 160,
        "mean": [0.5, 0.4, 0.3],
        "std": [0.2, 0.2, 0.2],
        "method": "nnclr",
    }
    payload = {"state_dict": resnet, "hyper_parameters": settings}

    model = load(tmp_path, payload)

    assert (model.preprocessing.size, model.preprocessing.resize_to) == (160, 183)
    assert model.preprocessing.mean == (0.5, 0.4, 0.3)
    assert model.preprocessing.std == (0.2, 0.2, 0.2)
    assert model.details["method"] == "nnclr"


def test_hyper_parameters_of_another_kind_are_left_alone(resnet: State, tmp_path: Path) -> None:
    settings = {"image_size": "large", "mean": [123.7, 116.3, 103.5], "std": [58.4, 57.1, 57.4]}

    model = load(tmp_path, {"state_dict": resnet, "hyper_parameters": settings})

    assert model.preprocessing.size == 224
    assert model.preprocessing.mean == (0.485, 0.456, 0.406)


@pytest.mark.parametrize("normalised", [True, False])
def test_batch_statistics_tell_whether_pictures_were_normalised(
    normalised: bool, tmp_path: Path
) -> None:
    network = ResNet(BasicBlock, (1, 1, 1, 1), channels=(8, 16, 32, 64), num_classes=0).train()
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for _ in range(30):
            pictures = torch.rand(4, 3, 64, 64, generator=generator)
            network(pictures * 4 - 2 if normalised else pictures)

    model = load(tmp_path, dict(network.state_dict()))

    assert model.preprocessing.mean == ((0.485, 0.456, 0.406) if normalised else (0, 0, 0))


def test_batch_statistics_that_fit_no_input_tell_nothing(resnet: State, tmp_path: Path) -> None:
    sums = resnet["conv1.weight"].sum(dim=(2, 3))
    noise = torch.rand(len(sums), generator=torch.Generator().manual_seed(0))
    noise -= sums @ torch.linalg.lstsq(sums, noise[:, None]).solution[:, 0]
    resnet["bn1.running_mean"] = sums @ torch.full((3,), 0.45) + 10 * noise

    assert load(tmp_path, resnet).preprocessing.mean == (0.485, 0.456, 0.406)


def test_the_user_may_set_the_size_of_a_resnet(resnet: State, tmp_path: Path) -> None:
    assert load(tmp_path, resnet, "?size=96").preprocessing.size == 96


def test_the_user_may_not_set_what_the_weights_do_not_fit(vit: State, tmp_path: Path) -> None:
    assert "size=64: these weights fit 32 pixels only" in refusal(tmp_path, vit, "?size=64")
    assert "heads=7 does not divide the 192 channels" in refusal(tmp_path, vit, "?heads=7")


def test_the_user_may_set_the_heads_of_a_vit(vit: State, tmp_path: Path) -> None:
    network = VisionTransformer(32, 8, embed_dim=192, depth=1, num_heads=12, num_classes=0)
    network.load_state_dict(vit)
    pictures = torch.rand(1, 3, 32, 32)

    embedding = load(tmp_path, vit, "?heads=12").image_tower(pictures)

    assert torch.allclose(embedding, network.eval()(pictures), atol=1e-5)
    assert not torch.allclose(embedding, load(tmp_path, vit).image_tower(pictures), atol=1e-5)


@pytest.mark.parametrize("arch", ["resnet18", "convnext_atto", "xcit_nano_12_p16_224"])
def test_the_user_may_name_any_network_of_timm(arch: str, tmp_path: Path) -> None:
    network = timm.create_model(arch, num_classes=10)
    state = {f"model.backbone.{key}": value for key, value in network.state_dict().items()}
    payload = {"state_dict": state, "pytorch-lightning_version": "2.4.0"}

    model = load(tmp_path, payload, f"?arch={arch}")

    network.reset_classifier(0)
    pictures = torch.rand(1, 3, 224, 224)
    assert torch.allclose(model.image_tower(pictures), network.eval()(pictures), atol=1e-5)
    assert model.details["arch"] == arch


def test_the_user_may_name_the_layout(resnet: State, tmp_path: Path) -> None:
    other = {key: value + 1 for key, value in resnet.items()}
    teacher = {f"backbone.{key}": value for key, value in resnet.items()}
    payload = {"teacher": teacher, "state_dict": moco(other)}

    told, named = load(tmp_path, payload), load(tmp_path, payload, "?layout=moco")

    assert (told.details["layout"], named.details["layout"]) == ("dino", "moco")
    assert torch.equal(named.image_tower.state_dict()["bn1.bias"], other["bn1.bias"])
    assert "not in layout swav" in refusal(tmp_path, payload, "?layout=swav")


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ("?arch=resnet5", "arch=resnet5: timm has no such network; did you mean resnet5"),
        ("?layout=mocco", "layout=mocco: unknown; one of dino, vissl"),
        ("?depth=50", "no option depth=50; one of arch, layout, size, heads"),
        ("?arch=", "no option arch=; one of"),
        ("?size=big", "size=big is no whole number"),
        ("?size=0", "size=0 is no whole number"),
    ],
)
def test_an_option_that_makes_no_sense_is_a_mistake_of_the_request(
    options: str, reason: str, resnet: State, tmp_path: Path
) -> None:
    with pytest.raises(UnknownModelError) as caught:
        load(tmp_path, resnet, options)

    assert reason in str(caught.value)


def test_a_question_mark_may_be_part_of_a_file_name(resnet: State, tmp_path: Path) -> None:
    torch.save(resnet, tmp_path / "which?size=3")

    assert ssl.load(str(tmp_path / "which?size=3"), lambda line: None).preprocessing.size == 224


def test_a_missing_file_and_a_missing_name_are_told_apart(tmp_path: Path) -> None:
    with pytest.raises(ModelUnavailableError, match="no such file"):
        ssl.load(str(tmp_path / "missing.pth"), lambda line: None)
    with pytest.raises(UnknownModelError, match="names no file"):
        ssl.load("", lambda line: None)


def test_unknown_keys_beside_the_trunk_are_refused(resnet: State, tmp_path: Path) -> None:
    extra = {f"encoder_x.{n}": torch.ones(1) for n in range(5)}

    message = refusal(tmp_path, {"state_dict": moco(resnet) | extra})

    assert "layout moco: 5 keys are neither the trunk nor a known head" in message
    assert message.endswith("encoder_x.0, encoder_x.1, encoder_x.2 …")


def test_unknown_keys_within_the_trunk_are_refused(resnet: State, tmp_path: Path) -> None:
    message = refusal(tmp_path, resnet | {"layer1.0.attention.weight": torch.ones(1)})

    assert "1 unknown: layer1.0.attention.weight" in message


def test_missing_keys_are_named(resnet: State, tmp_path: Path) -> None:
    del resnet["layer3.0.bn1.weight"], resnet["layer3.0.bn1.bias"]

    message = refusal(tmp_path, {"state_dict": moco(resnet)})

    assert "2 missing: layer3.0.bn1.weight, layer3.0.bn1.bias" in message


def test_shapes_that_differ_are_named_with_both(resnet: State, tmp_path: Path) -> None:
    resnet["layer4.0.bn2.weight"] = torch.ones(7)

    message = refusal(tmp_path, resnet)

    assert "1 misshapen: layer4.0.bn2.weight (7,) for (64,)" in message


def test_files_from_before_batches_were_counted_are_read(resnet: State, tmp_path: Path) -> None:
    old = {key: value for key, value in resnet.items() if "num_batches" not in key}

    assert load(tmp_path, old).dim == 64


def test_half_precision_weights_become_float32(resnet: State, tmp_path: Path) -> None:
    halved = {k: v.half() if v.is_floating_point() else v for k, v in resnet.items()}

    tower = load(tmp_path, halved).image_tower

    assert {parameter.dtype for parameter in tower.parameters()} == {torch.float32}


def test_weights_of_a_run_that_diverged_are_refused(resnet: State, tmp_path: Path) -> None:
    resnet["layer2.0.conv1.weight"][0] = torch.nan

    assert "NaN or infinite weights" in refusal(tmp_path, resnet)


@pytest.mark.parametrize(
    ("state", "seen"),
    [
        ({"encoder.linear.weight": torch.ones(2, 2)}, "no known network in encoder.linear.weight"),
        (
            {"conv1.weight": torch.ones(8, 3, 5, 5), "x": torch.ones(1)},
            "unknown network (2 tensors",
        ),
        (
            dict(timm.create_model("resnet10t").state_dict()),
            "unknown stem (conv1.0.weight 24x3x3x3",
        ),
        ({"weights": "s3://bucket"}, "no layout that is known (it holds weights)"),
    ],
)
def test_an_unknown_network_is_said_to_be_one(state: State, seen: str, tmp_path: Path) -> None:
    assert seen in refusal(tmp_path, state)


def test_two_networks_in_one_file_are_not_chosen_between(resnet: State, tmp_path: Path) -> None:
    state = {f"{name}.{key}": value for name in ("a", "b") for key, value in resnet.items()}

    assert "2 networks (a., b.)" in refusal(tmp_path, state)


def test_shapes_of_no_network_are_refused(resnet: State, tmp_path: Path) -> None:
    resnet["layer1.0.conv2.weight"] = torch.ones(8, 0, 3, 3)

    assert "shapes of no known network" in refusal(tmp_path, resnet)


def test_a_vit_of_an_odd_width_asks_for_its_heads(tmp_path: Path) -> None:
    network = VisionTransformer(32, 8, embed_dim=96, depth=1, num_heads=3, num_classes=0)
    state = dict(network.state_dict())

    assert "?heads=" in refusal(tmp_path, state)
    assert load(tmp_path, state, "?heads=3").dim == 96
