"""Exporting a model, reading it back, and running it with and without PyTorch."""

import json
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from tokenizers import Tokenizer, models, pre_tokenizers
from torch import nn

from indexer.embedders.base import Model, Preprocessing, Tokenization
from indexer.errors import ModelError, NoTextError
from indexer.runtime import bundle
from indexer.runtime.accelerator import TorchEmbedder
from indexer.runtime.devices import pick_device
from indexer.runtime.export import export

SIZE, DIM = 8, 6
WORDS = ["[PAD]", "a", "dog", "two", "cats", "asleep", "on", "red", "sofa", "seen", "night"]


class Words(nn.Module):
    """The mean of the embeddings of what is not padding."""

    def __init__(self) -> None:
        super().__init__()
        self.table = nn.Embedding(len(WORDS) + 1, DIM)

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        known = (ids != 0).unsqueeze(-1)
        summed: torch.Tensor = (self.table(ids) * known).sum(1)
        return summed / known.sum(1).clamp(min=1)


def make_model(context_length: int = 0, seed: int = 0) -> Model:
    torch.manual_seed(seed)
    tower = nn.Sequential(
        nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.GELU(), nn.Flatten(), nn.Linear(144, DIM)
    )
    vocabulary = {word: id for id, word in enumerate([*WORDS, "[UNK]"])}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    return Model(
        name="test:model",
        dim=DIM,
        preprocessing=Preprocessing(size=SIZE, mean=(0.2, 0.4, 0.6), std=(0.5, 0.25, 0.125)),
        image_tower=tower.eval(),
        licence="CC0-1.0",
        text_tower=Words().eval(),
        tokenization=Tokenization(tokenizer.to_str(), context_length, clean="lower"),
        details={"architecture": "small"},
    )


def pictures(count: int) -> NDArray[np.uint8]:
    return np.random.default_rng(count).integers(0, 256, (count, SIZE, SIZE, 3), np.uint8)


@pytest.fixture(scope="module")
def model() -> Model:
    return make_model()


@pytest.fixture(scope="module")
def exported(model: Model, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return export(model, tmp_path_factory.mktemp("models"))


@pytest.fixture
def copied(exported: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(exported, tmp_path / exported.name))


def test_a_bundle_says_what_the_model_is(exported: Path, model: Model) -> None:
    read = bundle.read(exported)
    assert exported.name == model.fingerprint()[:16]
    assert (read.name, read.dim, read.reads_text, read.licence) == (
        "test:model",
        DIM,
        True,
        "CC0-1.0",
    )
    assert read.preprocessing == model.preprocessing
    assert read.details == {"architecture": "small"}


def plain(**preprocessing: Any) -> Model:
    tower = nn.Linear(2, 2, bias=False)
    tower.load_state_dict({"weight": torch.eye(2)})
    return Model("any", 2, Preprocessing(8, **preprocessing), tower, "")


def test_a_model_has_the_fingerprint_that_libraries_know_it_by() -> None:
    assert plain().fingerprint().startswith("ca566344f3ab8fb4")  # as before `plain_resize_to`
    assert plain(plain_resize_to=9).fingerprint() != plain().fingerprint()


def test_a_bundle_says_how_pictures_on_plain_ground_are_seen(model: Model, tmp_path: Path) -> None:
    seen_whole = replace(model, preprocessing=replace(model.preprocessing, plain_resize_to=9))
    assert bundle.read(export(seen_whole, tmp_path)).preprocessing.plain_resize_to == 9


@pytest.mark.parametrize("count", [1, 2, 5])
def test_pictures_are_scaled_embedded_and_normalised_as_in_pytorch(
    exported: Path, model: Model, count: int
) -> None:
    pixels = pictures(count)
    scaled = (pixels / 255 - [0.2, 0.4, 0.6]) / [0.5, 0.25, 0.125]
    with torch.no_grad():
        rows = model.image_tower(torch.from_numpy(scaled).permute(0, 3, 1, 2).float()).numpy()
    expected = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    found = bundle.load(exported).embed_images(pixels)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_texts_of_any_length_are_embedded_as_in_pytorch(exported: Path, model: Model) -> None:
    texts = ["dog", "Two cats ASLEEP on a red sofa", "night on night " * 40]
    found = bundle.load(exported).embed_texts(texts)
    expected = TorchEmbedder(model, "cpu").embed_texts(texts)
    assert found.shape == (3, DIM)
    np.testing.assert_allclose(found, expected, atol=1e-5)
    assert found[0] @ found[1] < 0.99


def test_a_long_list_of_texts_is_embedded_in_order(exported: Path) -> None:
    embedder, texts = bundle.load(exported), [*WORDS[1:] * 15, "sofa"]
    together = embedder.embed_texts(texts)
    for place in (0, 63, 64, 150):
        np.testing.assert_allclose(
            together[place], embedder.embed_texts([texts[place]])[0], atol=1e-6
        )


@pytest.mark.parametrize(("context_length", "threads"), [(0, 1), (4, 2)])
def test_a_text_as_long_as_its_words_leaves_the_other_cores_alone(
    context_length: int, threads: int, tmp_path: Path
) -> None:
    embedder = bundle.load(export(make_model(context_length), tmp_path), threads=2)
    embedder.embed_texts(["dog"])
    session: Any = embedder._sessions[bundle.TEXT]
    assert session._session.get_session_options().intra_op_num_threads == threads


def test_padding_does_not_change_a_text(exported: Path) -> None:
    embedder = bundle.load(exported)
    alone, beside = embedder.embed_texts(["dog"]), embedder.embed_texts(["dog", "a " * 50])
    np.testing.assert_allclose(alone[0], beside[0], atol=1e-6)


def test_nothing_at_all_embeds_as_no_rows(exported: Path) -> None:
    embedder = bundle.load(exported)
    assert embedder.embed_images(pictures(0)).shape == (0, DIM)
    assert embedder.embed_texts([]).shape == (0, DIM)


def test_pictures_of_another_size_or_type_are_refused(exported: Path) -> None:
    embedder = bundle.load(exported)
    with pytest.raises(ValueError, match="uint8"):
        embedder.embed_images(pictures(1)[:, 1:])
    with pytest.raises(ValueError, match="float64"):
        embedder.embed_images(pictures(1).astype(np.float64))


def test_pytorch_on_the_cpu_answers_as_the_bundle_does(exported: Path, model: Model) -> None:
    here, there = TorchEmbedder(model, "cpu"), bundle.load(exported)
    np.testing.assert_allclose(
        here.embed_images(pictures(4)), there.embed_images(pictures(4)), atol=1e-5
    )
    assert (here.fingerprint, here.dim) == (there.fingerprint, there.dim)


def test_a_model_that_gives_nan_is_seen_to_give_nan(exported: Path, model: Model) -> None:
    sick = make_model()
    with torch.no_grad():
        sick.image_tower[0].weight[0] = float("nan")  # type: ignore[index]
    assert np.isnan(TorchEmbedder(sick, "cpu").embed_images(pictures(2))).all()


def test_a_model_whose_export_would_differ_is_refused(tmp_path: Path) -> None:
    sick = make_model()
    with torch.no_grad():
        sick.image_tower[0].weight[0] = float("nan")  # type: ignore[index]
    with pytest.raises(ModelError, match="answers differently"):
        export(sick, tmp_path)
    assert not list(tmp_path.iterdir())


def test_a_model_that_cannot_be_exported_is_refused_in_one_line(tmp_path: Path) -> None:
    class Fickle(nn.Module):
        def forward(self, pixels: torch.Tensor) -> torch.Tensor:
            return pixels.flatten(1) if pixels.sum() > 0 else pixels.flatten(1)[:, :3]

    with pytest.raises(ModelError, match="cannot be exported") as refusal:
        export(replace(make_model(), image_tower=Fickle()), tmp_path)
    assert "\n" not in str(refusal.value)


def test_a_bundle_that_is_there_is_kept(model: Model, exported: Path) -> None:
    before = (exported / "model.json").stat().st_mtime_ns
    assert export(model, exported.parent) == exported
    assert (exported / "model.json").stat().st_mtime_ns == before


def test_what_a_killed_export_left_is_removed_and_a_damaged_bundle_replaced(
    model: Model, copied: Path
) -> None:
    left = copied.with_name(f".{copied.name}-left")
    left.mkdir()
    (copied / "image.onnx").unlink()
    assert export(model, copied.parent) == copied
    assert bundle.verify(copied) == {}
    assert list(copied.parent.iterdir()) == [copied]


def test_an_export_into_a_folder_that_cannot_be_made_says_so(model: Model, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ModelError, match="cannot be written there"):
        export(model, tmp_path / "file" / "models")


@pytest.mark.parametrize("text", ["", "{", "[]", '{"format": 1}', '{"format": "x"}'])
def test_a_damaged_description_is_refused_with_the_remedy(copied: Path, text: str) -> None:
    (copied / "model.json").write_text(text)
    with pytest.raises(ModelError, match="delete the folder"):
        bundle.load(copied)


def test_a_bundle_of_a_newer_format_is_refused(copied: Path) -> None:
    path = copied / "model.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"format": bundle.FORMAT + 1}))
    with pytest.raises(ModelError, match="newer Glimpse"):
        bundle.load(copied)


def test_one_flipped_bit_in_the_description_is_refused(copied: Path) -> None:
    path = copied / "model.json"
    whole = path.read_bytes()
    for at in range(0, len(whole), 7):
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 1 << at % 8]) + whole[at + 1 :])
        with pytest.raises(ModelError, match="delete the folder|newer Glimpse"):
            bundle.read(copied)


def test_a_description_without_a_hash_of_itself_is_read_as_before(copied: Path) -> None:
    path = copied / "model.json"
    described = json.loads(path.read_text()) | {"format": 1}
    del described["sha256"]
    path.write_text(json.dumps(described))
    assert bundle.read(copied).dim == DIM


def test_a_bundle_that_lost_a_file_is_refused(copied: Path) -> None:
    (copied / "tokenizer.json").unlink()
    with pytest.raises(ModelError, match=r"tokenizer\.json is missing"):
        bundle.load(copied)


def test_one_flipped_bit_is_found(copied: Path) -> None:
    data = bytearray((copied / "image.onnx").read_bytes())
    data[len(data) // 2] ^= 1
    (copied / "image.onnx").write_bytes(data)
    assert bundle.verify(copied) == {"image.onnx": "not what was written"}


def test_weights_beside_the_graph_answer_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = bundle.load(export(make_model(), tmp_path / "whole"))
    monkeypatch.setattr("indexer.runtime.export.MAPPED", 0)
    folder = export(make_model(), tmp_path / "mapped")
    beside = [path.name for path in folder.iterdir() if path.suffix == ".data"]
    assert sorted(beside) == ["image.onnx.data", "text.onnx.data"]
    mapped = bundle.load(folder)
    assert np.array_equal(mapped.embed_texts(["a dog"]), whole.embed_texts(["a dog"]))
    assert np.array_equal(mapped.embed_images(pictures(2)), whole.embed_images(pictures(2)))
    (folder / "text.onnx.data").unlink()
    with pytest.raises(ModelError, match=r"text\.onnx\.data is missing"):
        bundle.load(folder)


def test_a_truncated_graph_is_refused_in_one_line(copied: Path) -> None:
    graph = copied / "image.onnx"
    graph.write_bytes(graph.read_bytes()[:100])
    with pytest.raises(ModelError, match="damaged") as refusal:
        bundle.load(copied).embed_images(pictures(1))
    assert "\n" not in str(refusal.value)


def test_a_model_without_words_refuses_words(tmp_path: Path) -> None:
    mute = replace(make_model(), text_tower=None, tokenization=None)
    folder = export(mute, tmp_path)
    assert sorted(path.name for path in folder.iterdir()) == ["image.onnx", "model.json"]
    for embedder in (bundle.load(folder), TorchEmbedder(mute, "cpu")):
        with pytest.raises(NoTextError, match="pictures only"):
            embedder.embed_texts(["dog"])
        with pytest.raises(NoTextError):
            embedder.cuts("dog")


def test_a_text_longer_than_the_context_is_reported_as_cut(tmp_path: Path) -> None:
    model = make_model(context_length=4)
    embedder = bundle.load(export(model, tmp_path))
    assert not embedder.cuts("a dog on a")
    assert embedder.cuts("a dog on a sofa")
    np.testing.assert_array_equal(*embedder.embed_texts(["a dog on a", "a dog on a sofa"]))


def test_a_query_imports_no_framework(exported: Path) -> None:
    program = (
        "import sys; from pathlib import Path; from indexer.runtime import bundle\n"
        f"rows = bundle.load(Path({str(exported)!r})).embed_texts(['two cats'])\n"
        "assert rows.shape == (1, 6)\n"
        "print({'torch', 'timm', 'open_clip', 'openvino', 'transformers', 'onnx'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert (done.stdout.strip(), done.stderr) == ("set()", "")


def test_the_device_is_one_that_computes() -> None:
    assert pick_device("cpu") == "cpu"
    device = pick_device()
    assert float((torch.ones(2, device=device) * 2).sum()) == 4


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has one")
def test_a_device_that_is_not_there_is_refused_by_name() -> None:
    with pytest.raises(ModelError, match="cuda cannot be used here"):
        pick_device("cuda")
