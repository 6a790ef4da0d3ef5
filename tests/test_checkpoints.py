import argparse
import os
import pickle
import struct
import subprocess
import sys
import warnings
import zipfile
from collections import OrderedDict
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.torch import save_file
from torch import nn

from indexer.embedders.checkpoints import is_torchscript, read_state, read_state_dict
from indexer.errors import CheckpointError, ModelUnavailableError

WEIGHTS = {"conv.weight": torch.arange(6.0).view(2, 3), "conv.bias": torch.tensor([1.0, 2.0])}


def saved(path: Path, payload: object, **options: Any) -> Path:
    torch.save(payload, path, **options)
    return path


def assert_weights(state: dict[str, torch.Tensor]) -> None:
    assert state.keys() == WEIGHTS.keys()
    assert all(torch.equal(state[key], WEIGHTS[key]) for key in WEIGHTS)


def refusal(path: Path) -> str:
    """The one line that refuses the file."""
    with pytest.raises(CheckpointError) as caught:
        read_state(path)
    message = str(caught.value)
    assert message.startswith(f"{path}: ")
    assert "\n" not in message
    return message


def test_safetensors_are_read(tmp_path: Path) -> None:
    save_file(WEIGHTS, tmp_path / "weights.safetensors")

    assert_weights(read_state_dict(tmp_path / "weights.safetensors"))


@pytest.mark.parametrize("zipped", [True, False])
def test_files_of_torch_save_are_read_in_both_formats(zipped: bool, tmp_path: Path) -> None:
    path = saved(tmp_path / "weights.pth", WEIGHTS, _use_new_zipfile_serialization=zipped)

    assert_weights(read_state_dict(path))


@pytest.mark.parametrize(
    "wrap",
    [
        lambda state: {"state_dict": state, "epoch": 3},
        lambda state: {"model": state, "optimizer": {"lr": 0.1}},
        lambda state: {"model": {}, "model_ema": state},
        lambda state: {"state_dict": {f"module.{key}": value for key, value in state.items()}},
        lambda state: {f"_orig_mod.module.{key}": value for key, value in state.items()},
    ],
)
def test_a_flat_state_dict_comes_out_of_its_wrapping(
    wrap: Callable[[Any], Any], tmp_path: Path
) -> None:
    assert_weights(read_state_dict(saved(tmp_path / "weights.pth", wrap(WEIGHTS))))


def test_the_word_module_stays_where_it_is_a_part_of_the_network(tmp_path: Path) -> None:
    state = {"module.weight": torch.ones(1), "head.weight": torch.ones(1)}

    assert read_state_dict(saved(tmp_path / "weights.pth", state)).keys() == state.keys()


def test_a_state_dict_with_something_else_in_it_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="'epoch' is no tensor"):
        read_state_dict(saved(tmp_path / "weights.pth", {**WEIGHTS, "epoch": 3}))


class Trap:
    """A pickle that leaves a file behind when it is opened carelessly."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.mark),)


@pytest.mark.parametrize("zipped", [True, False])
def test_a_pickle_that_runs_code_does_not_run(zipped: bool, tmp_path: Path) -> None:
    payload = {**WEIGHTS, "trap": Trap(tmp_path / "sprung")}
    path = saved(tmp_path / "weights.pth", payload, _use_new_zipfile_serialization=zipped)

    assert f"asks to run {os.name}.mkdir" in refusal(path)
    assert not (tmp_path / "sprung").exists()
    # The trap does work, so the silence above means something.
    torch.load(path, weights_only=False)
    assert (tmp_path / "sprung").exists()


def test_an_environment_variable_does_not_disarm_the_refusal(tmp_path: Path) -> None:
    path = saved(tmp_path / "weights.pth", {"trap": Trap(tmp_path / "sprung")})
    code = (
        "import sys, pathlib; from indexer.embedders.checkpoints import read_state\n"
        "try: read_state(pathlib.Path(sys.argv[1]))\n"
        "except Exception as error: print(type(error).__name__)"
    )
    environment = {**os.environ, "TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD": "1"}
    command = [sys.executable, "-c", code, str(path)]
    root = Path(__file__).parents[1]

    ran = subprocess.run(command, capture_output=True, env=environment, cwd=root, check=True)

    assert ran.stdout.strip() == b"CheckpointError"
    assert not (tmp_path / "sprung").exists()


def test_a_whole_pickled_module_is_refused_with_the_remedy(tmp_path: Path) -> None:
    path = saved(tmp_path / "model.pth", nn.Sequential(nn.Linear(2, 2)))

    assert "torch.nn.modules.container.Sequential; save its state_dict()" in refusal(path)


def test_a_jax_checkpoint_is_refused_with_the_remedy(tmp_path: Path) -> None:
    path = tmp_path / "pretrain_res50x1.pkl"
    # As DeepMind's BYOL: a bare pickle of Haiku's containers.
    path.write_bytes(b"\x80\x02chaiku._src.data_structures\nFlatMapping\nq\x00)\x81.")

    assert "JAX checkpoint" in refusal(path)


def test_what_published_checkpoints_hold_beside_tensors_is_read(tmp_path: Path) -> None:
    payload = {
        "state_dict": WEIGHTS,
        "args": argparse.Namespace(arch="vit_small", output_dir=tmp_path),
        "best_acc1": np.float64(61.5),
        "history": np.arange(3),
        "scaler": {"scale": 65536.0},
        "param_groups": [OrderedDict(lr=0.1)],
    }

    state = read_state(saved(tmp_path / "weights.pth", payload))

    assert_weights(state["state_dict"])
    assert state["args"].arch == "vit_small"
    # Nothing of numpy, or of pathlib, has been built.
    assert type(state["best_acc1"]).__module__ == "indexer.embedders.checkpoints"


class ForeignDict(dict[str, Any]):
    """Stands for a dict with a class of its own, in a library that is not installed."""


class Foreign:
    """Stands for any other object of such a library."""

    def __init__(self) -> None:
        self.values = [1, 2]


def rename_class(path: Path, ours: type, theirs: str) -> None:
    """Make the file say that an object is of another library's class."""
    module, _, name = theirs.rpartition(".")
    with zipfile.ZipFile(path) as file:
        entries = {entry: file.read(entry) for entry in file.namelist()}
    with zipfile.ZipFile(path, "w") as file:
        for entry, content in entries.items():
            old = f"c{ours.__module__}\n{ours.__qualname__}\n".encode()
            file.writestr(entry, content.replace(old, f"c{module}\n{name}\n".encode()))


@pytest.mark.parametrize(
    "name",
    [
        "pytorch_lightning.utilities.parsing.AttributeDict",
        "lightning_fabric.utilities.data.AttributeDict",
        "lightning.fabric.utilities.data.AttributeDict",
        "vissl.config.attr_dict.AttrDict",
    ],
)
def test_hyper_parameters_in_a_foreign_dict_are_kept(name: str, tmp_path: Path) -> None:
    payload = {"state_dict": WEIGHTS, "hyper_parameters": ForeignDict(image_size=96)}
    path = saved(tmp_path / "weights.ckpt", payload)
    rename_class(path, ForeignDict, name)

    assert read_state(path)["hyper_parameters"] == {"image_size": 96}


def test_a_log_of_mmengine_is_no_obstacle_and_an_unknown_class_is_one(tmp_path: Path) -> None:
    path = saved(tmp_path / "weights.pth", {"state_dict": WEIGHTS, "log": Foreign()})
    rename_class(path, Foreign, "mmengine.logging.history_buffer.HistoryBuffer")
    assert_weights(read_state(path)["state_dict"])

    path = saved(tmp_path / "weights.pth", {"state_dict": WEIGHTS, "log": Foreign()})
    assert f"asks to run {Foreign.__module__}.Foreign" in refusal(path)


def test_a_configuration_of_omegaconf_is_no_obstacle(tmp_path: Path) -> None:
    omegaconf = pytest.importorskip("omegaconf")
    config = omegaconf.OmegaConf.create({"method": "byol", "data": {"sizes": [32, 64]}})

    state = read_state(saved(tmp_path / "weights.ckpt", {"state_dict": WEIGHTS, "cfg": config}))

    assert_weights(state["state_dict"])


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("empty.pth", b"", "empty (0 bytes)"),
        ("text.pth", b"<html>404 Not Found</html>", "damaged or not a weights file"),
        ("ten.pth", b"\x80\x02\x8a\nl\xfc\x9cF\xf9 ", "damaged or not a weights file"),
        ("cut.pth", b"PK\x03\x04" + bytes(100), "damaged or not a weights file"),
        ("huge.safetensors", struct.pack("<Q", 2**40) + b"{}", "header of 1,099,511,627,776 bytes"),
        ("renamed.bin", struct.pack("<Q", 2**40) + b"{}", "header of 1,099,511,627,776 bytes"),
        ("short.safetensors", b"\x02", "header of 0 bytes"),
        ("lies.safetensors", struct.pack("<Q", 4) + b'{"a":1}', "damaged or not a weights file"),
        ("program.pt2", b"PK\x03\x04", "exported program"),
    ],
)
def test_what_is_no_weights_file_is_refused(
    name: str, content: bytes, reason: str, tmp_path: Path
) -> None:
    (tmp_path / name).write_bytes(content)

    assert reason in refusal(tmp_path / name)


def test_what_is_no_file_is_refused(tmp_path: Path) -> None:
    assert "not a file" in refusal(tmp_path)
    with pytest.raises(ModelUnavailableError, match="no such file"):
        read_state(tmp_path / "missing.pth")


def test_a_name_that_no_file_can_have_is_refused(tmp_path: Path) -> None:
    for name in ("n" * 300, "nul\0"):
        with pytest.raises(CheckpointError, match="cannot be read"):
            read_state(tmp_path / name)


def test_a_pipe_is_refused_and_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "weights.pth")

    assert "not a file" in refusal(tmp_path / "weights.pth")


def test_a_tensor_alone_is_refused(tmp_path: Path) -> None:
    assert "holds a Tensor, not a dict" in refusal(saved(tmp_path / "x.pth", torch.ones(2)))


@pytest.mark.parametrize("share", [0.05, 0.3, 0.6, 0.99])
@pytest.mark.parametrize("zipped", [True, False])
def test_a_truncated_file_is_refused(share: float, zipped: bool, tmp_path: Path) -> None:
    payload = {"state_dict": {f"layer{i}.weight": torch.randn(64, 8) for i in range(8)}}
    path = saved(tmp_path / "weights.pth", payload, _use_new_zipfile_serialization=zipped)
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * share)])

    assert "damaged" in refusal(path)


@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(place=st.floats(0, 1), value=st.integers(0, 255), zipped=st.booleans())
def test_a_changed_byte_is_survived_or_refused(
    place: float, value: int, zipped: bool, tmp_path: Path
) -> None:
    path = saved(tmp_path / "weights.pth", WEIGHTS, _use_new_zipfile_serialization=zipped)
    content = bytearray(path.read_bytes())
    content[int(place * (len(content) - 1))] = value
    path.write_bytes(content)

    with warnings.catch_warnings():
        # PyTorch warns of a pickle protocol that it did not write.
        warnings.simplefilter("ignore")
        with suppress(CheckpointError):
            read_state(path)


class Tower(nn.Module):
    """A network with what CLIP's archives hold: nesting, buffers, half precision, numbers."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 4, 3, bias=False), nn.BatchNorm2d(4), nn.ReLU())
        self.head = nn.Linear(4, 2).half()
        self.scale = nn.Parameter(torch.tensor(2.5))
        self.register_buffer("context_length", torch.tensor(77))
        self.sizes = [1, 2, 3]

    def forward(self, pictures: torch.Tensor) -> torch.Tensor:
        features: torch.Tensor = self.stem(pictures).mean((2, 3)).half()
        result: torch.Tensor = self.head(features) * self.scale
        return result


@pytest.fixture(params=["script", "trace"])
def archive(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[Path, nn.Module]:
    tower = Tower().eval()
    with warnings.catch_warnings():
        # TorchScript is deprecated; the archives that OpenAI published stay what they are.
        warnings.simplefilter("ignore")
        jit: Any = torch.jit
        if request.param == "script":
            jit.save(jit.script(tower), tmp_path / "tower.pt")
        else:
            jit.save(jit.trace(tower, torch.rand(1, 3, 8, 8)), tmp_path / "tower.pt")
    return tmp_path / "tower.pt", tower


def test_a_torchscript_archive_gives_its_state_dict(archive: tuple[Path, nn.Module]) -> None:
    path, tower = archive

    state, expected = read_state_dict(path), tower.state_dict()

    assert is_torchscript(path)
    assert state.keys() == expected.keys()
    for key, tensor in expected.items():
        assert state[key].dtype == tensor.dtype
        assert torch.equal(state[key], tensor)


def test_a_plain_file_is_no_torchscript_archive(tmp_path: Path) -> None:
    assert not is_torchscript(saved(tmp_path / "weights.pth", WEIGHTS))


def forged(path: Path, content: bytes, storage: bytes = b"", compress: int = 0) -> Path:
    """A TorchScript archive by another hand."""
    with zipfile.ZipFile(path, "w", compress) as file:
        file.writestr("a/data.pkl", content)
        file.writestr("a/constants.pkl", pickle.dumps(()))
        file.writestr("a/data/0", storage)
    return path


TENSOR = (
    b"\x80\x02c__torch__\nTower\n)\x81}(X\x06\x00\x00\x00weightctorch._utils\n_rebuild_tensor_v2\n"
    b"((X\x07\x00\x00\x00storagectorch\nFloatStorage\nX\x01\x00\x00\x000X\x03\x00\x00\x00cpuK%ct"
    b"QK\x00(K%ct(K\x01t\x89ccollections\nOrderedDict\n)RtRub."
)
"""A pickle of one float32 vector; to be filled with the storage's length and the vector's."""


def test_a_forged_archive_may_hold_what_it_claims(tmp_path: Path) -> None:
    path = forged(tmp_path / "tower.pt", TENSOR % (b"\x02", b"\x02"), struct.pack("<2f", 1, 2))

    assert read_state(path)["weight"].tolist() == [1, 2]


def test_a_torchscript_archive_that_runs_code_does_not_run(tmp_path: Path) -> None:
    path = forged(tmp_path / "tower.pt", pickle.dumps(Trap(tmp_path / "sprung"), protocol=2))

    assert f"asks to run {os.name}.mkdir" in refusal(path)
    assert not (tmp_path / "sprung").exists()


@pytest.mark.parametrize(
    ("claimed", "taken", "compress"),
    [(9, 2, 0), (2, 9, 0), (2, 2, zipfile.ZIP_DEFLATED)],
    ids=["a storage larger than its entry", "a tensor beyond its storage", "a compressed storage"],
)
def test_a_torchscript_archive_that_lies_about_sizes_is_refused(
    claimed: int, taken: int, compress: int, tmp_path: Path
) -> None:
    content = TENSOR % (bytes([claimed]), bytes([taken]))
    path = forged(tmp_path / "tower.pt", content, struct.pack("<2f", 1, 2), compress)

    assert "damaged or not a weights file" in refusal(path)
