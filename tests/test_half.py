"""Building in bfloat16: the same rows, or no bfloat16."""

import json
import logging
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from indexer import Library, sealed
from indexer.config import RuntimeConfig
from indexer.pictures.decoding import load_picture, preprocess
from indexer.runtime import bundle
from indexer.runtime.export import export
from indexer.runtime.half import HalfEmbedder, HalfSession, works_here
from indexer.spaces import Spaces
from storage.catalog import Catalog
from tests.test_runtime import DIM, make_model, pictures

pytestmark = pytest.mark.skipif(not works_here(), reason="this processor has no bfloat16")


class Fragile(nn.Module):
    """Rows that bfloat16 has no room for: small differences on a large number that the next layer removes."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(192, DIM), nn.Linear(DIM, DIM, bias=False)
        with torch.no_grad():
            self.first.bias.add_(4096)
            self.second.weight.copy_(torch.eye(DIM) - 1 / DIM)

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        rows: torch.Tensor = self.second(torch.relu(self.first(pixels.flatten(1))))
        return rows


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return export(make_model(), tmp_path_factory.mktemp("models"))


@pytest.mark.parametrize("count", [8, 11, 33])
def test_rows_are_those_of_single_precision_but_for_rounding(exported: Path, count: int) -> None:
    half, full = HalfEmbedder(bundle.read(exported)), bundle.load(exported)
    found, expected = half.embed_images(pictures(count)), full.embed_images(pictures(count))
    assert found.shape == expected.shape
    assert found.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1, atol=1e-6)
    assert (found * expected).sum(axis=1).min() > 0.999
    assert np.abs(found - expected).max() > 1e-5  # or it would be no bfloat16


def test_each_row_is_that_of_its_picture(exported: Path) -> None:
    size = make_model().preprocessing.size
    session = HalfSession(exported / "image.onnx", size)
    together = session.run(pictures(10))
    for place in (0, 3, 4, 9):
        alone = session.run(pictures(10)[place : place + 1])
        np.testing.assert_allclose(together[place], alone[0], atol=1e-6)


def test_a_few_pictures_are_embedded_as_queries_are(exported: Path) -> None:
    half, full = HalfEmbedder(bundle.read(exported)), bundle.load(exported)
    np.testing.assert_array_equal(half.embed_images(pictures(3)), full.embed_images(pictures(3)))
    assert half.embed_images(pictures(0)).shape == (0, DIM)


def test_a_model_that_loses_by_it_stays_in_single_precision(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    model = make_model()
    model.image_tower = Fragile().eval()
    folder = export(model, tmp_path)
    with caplog.at_level(logging.WARNING, "indexer"):
        found = HalfEmbedder(bundle.read(folder)).embed_images(pictures(9))
    np.testing.assert_array_equal(found, bundle.load(folder).embed_images(pictures(9)))
    assert "stays in single precision: cosine" in caplog.text


def test_the_comparison_is_made_once_and_kept(tmp_path: Path) -> None:
    folder = export(make_model(), tmp_path)
    kept = folder / "half.json"
    HalfEmbedder(bundle.read(folder)).embed_images(pictures(8))
    said = json.loads(sealed.read(kept))
    assert said["cosine"] > 0.999
    sealed.write(kept, json.dumps(said | {"cosine": 0.5}).encode())
    rows = HalfEmbedder(bundle.read(folder)).embed_images(pictures(8))
    np.testing.assert_array_equal(rows, bundle.load(folder).embed_images(pictures(8)))


@pytest.mark.parametrize("text", ["", "[]", '{"cosine": 0.5}', '{"cosine": 0.5, "openvino": "1"}'])
@pytest.mark.parametrize("is_sealed", [False, True])
def test_what_is_kept_of_another_openvino_or_damaged_does_not_count(
    tmp_path: Path, text: str, is_sealed: bool
) -> None:
    folder = export(make_model(), tmp_path)
    kept = folder / "half.json"
    if is_sealed:
        sealed.write(kept, text.encode())
    else:
        kept.write_text(text)
    HalfEmbedder(bundle.read(folder)).embed_images(pictures(8))
    assert json.loads(sealed.read(kept))["cosine"] > 0.999
    assert bundle.verify(folder) == {}


def test_a_graph_that_cannot_run_in_it_stays_in_single_precision(
    exported: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(*_: object) -> None:
        raise RuntimeError("no such operator")

    monkeypatch.setattr("indexer.runtime.half.HalfSession", refuse)
    (exported / "half.json").unlink(missing_ok=True)
    found = HalfEmbedder(bundle.read(exported)).embed_images(pictures(9))
    np.testing.assert_array_equal(found, bundle.load(exported).embed_images(pictures(9)))
    assert "no such operator" in caplog.text


def test_words_are_read_in_single_precision(exported: Path) -> None:
    half = HalfEmbedder(bundle.read(exported))
    half.embed_images(pictures(8))
    expected = bundle.load(exported).embed_texts(["two cats", "night"])
    np.testing.assert_array_equal(half.embed_texts(["two cats", "night"]), expected)


@pytest.mark.parametrize(
    ("precision", "kind"), [("auto", HalfEmbedder), ("full", bundle.OnnxEmbedder)]
)
def test_the_setting_says_what_a_library_is_built_with(
    library_folder: Path, precision: str, kind: type
) -> None:
    config = RuntimeConfig(device="cpu", precision=precision)  # type: ignore[arg-type]
    catalog = Catalog.open(library_folder)
    with catalog.view() as view:
        space = view.spaces()[0]
    spaces = Spaces(library_folder, config)
    assert type(spaces.builder(space, print)) is kind
    assert type(spaces.embedder(space, print)) is bundle.OnnxEmbedder
    catalog.close()


def test_without_openvino_nothing_is_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "openvino", None)
    assert not works_here()


def test_the_starter_gives_the_photos_the_rows_of_single_precision(
    examples: Library, examples_folder: Path
) -> None:
    (folder,) = (examples_folder / "models").iterdir()
    full = bundle.load(folder)
    ids, built = examples.vectors()
    files = [examples.photo(id).path for id in ids.tolist()]
    pixels = np.stack(
        [preprocess(load_picture(file, at_least=320), full.preprocessing) for file in files]
    )
    expected = full.embed_images(pixels)
    cosines = (built * expected).sum(axis=1)
    assert 0.998 < cosines.mean() < 0.99999  # 0.9991; what no class of ImageNet fits loses most
    near, nearest = (np.argsort(-rows @ rows.T, axis=1)[:, :11] for rows in (built, expected))
    overlap = [len(set(a) & set(b)) / 11 for a, b in zip(near, nearest, strict=True)]
    assert np.mean(overlap) > 0.96


def test_nothing_is_loaded_that_could_send_statistics() -> None:
    code = (
        "import sys; from indexer.runtime import half; half.works_here(); "
        "sys.exit(any(name.startswith('openvino_telemetry') and sys.modules[name] for name in sys.modules))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_the_stack_that_signals_are_handled_on_stays_as_it_was(exported: Path) -> None:
    code = f"""
import ctypes, faulthandler, gc, signal
from pathlib import Path
from indexer.runtime.half import HalfSession

faulthandler.enable()  # its handler asks for a stack of its own, which pytest does as well

def stack():
    kept = (ctypes.c_size_t * 3)()
    assert ctypes.CDLL(None).sigaltstack(None, kept) == 0
    return list(kept)

before = stack()
session = HalfSession(Path({str(exported / "image.onnx")!r}), {make_model().preprocessing.size})
assert stack() == before
del session
gc.collect()
assert stack() == before
faulthandler.register(signal.SIGUSR1)
signal.raise_signal(signal.SIGUSR1)
"""
    subprocess.run([sys.executable, "-c", code], check=True)
