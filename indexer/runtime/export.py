"""A model in PyTorch, written down as a bundle.

Measured on two cores with ViT-B/32: ten seconds a tower, once; after that a query needs no PyTorch.
"""

import logging
import shutil
import tempfile
import warnings
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.export import Dim

from indexer.embedders.base import Model
from indexer.embedders.tokenization import TextEncoder
from indexer.errors import ModelError
from indexer.runtime import bundle
from indexer.runtime.graphs import image_graph, text_graph
from indexer.runtime.session import OUTPUT, Session
from storage.disk import flush

__all__ = ["export"]

logger = logging.getLogger(__name__)

MAPPED = 10_000_000
"""Bytes of weights above which they go into a file beside the graph. That one is mapped, not parsed and copied: a
text tower of 90 MB is ready in half the time. From 2 GiB on protobuf leaves no choice."""

CLOSE = 0.9999
"""Cosine that every exported row must have with PyTorch's."""

SAMPLES = ("a dog", "two cats asleep on a red sofa, seen from above", "night")


def export(model: Model, models_dir: Path) -> Path:
    """Write a model's bundle into `models_dir` and return its folder; one that is there is kept.

    A bundle appears whole or not at all. Only one process may export into a folder at a time (the
    library's lock sees to that): what one that was killed left behind is removed.

    Raises ModelError where the model cannot be exported, or where its export answers differently.
    """
    fingerprint = model.fingerprint()
    target = models_dir / bundle.folder_name(fingerprint)
    if _is_sound(target, fingerprint):
        return target
    try:
        models_dir.mkdir(parents=True, exist_ok=True)
        for leftover in models_dir.glob(f".{target.name}-*"):
            shutil.rmtree(leftover, ignore_errors=True)
        with tempfile.TemporaryDirectory(prefix=f".{target.name}-", dir=models_dir) as aside:
            made = Path(aside) / target.name
            made.mkdir()
            _write(model, fingerprint, made)
            _publish(made, target)
    except OSError as error:
        raise ModelError(f"{models_dir}: {model.name} cannot be written there ({error})") from error
    return target


def _is_sound(folder: Path, fingerprint: str) -> bool:
    if not folder.exists():
        return False
    try:
        return bundle.read(folder).fingerprint == fingerprint
    except ModelError as error:
        logger.warning("%s", error)
        return False


def _write(model: Model, fingerprint: str, folder: Path) -> None:
    size = model.preprocessing.size
    # Never a batch of one: the exporter would take the one for a constant.
    pixels = torch.randint(0, 256, (3, size, size, 3), dtype=torch.uint8)
    image, text = image_graph(model), text_graph(model)
    _export(model.name, image, pixels, {0: Dim.DYNAMIC}, folder / bundle.IMAGE)
    _check(model.name, image, pixels, folder / bundle.IMAGE)
    if text and model.tokenization:
        tokenizer = model.tokenization.tokenizer_json
        (folder / bundle.TOKENIZER).write_text(tokenizer, encoding="utf-8")
        ids = torch.from_numpy(TextEncoder(model.tokenization).encode(SAMPLES))
        any_length = {} if model.tokenization.context_length else {1: Dim.DYNAMIC}
        _export(model.name, text, ids, {0: Dim.DYNAMIC} | any_length, folder / bundle.TEXT)
        _check(model.name, text, ids, folder / bundle.TEXT)
    bundle.describe(model, fingerprint, folder)


def _export(
    name: str, graph: nn.Module, sample: torch.Tensor, free: dict[int, Dim], path: Path
) -> None:
    weights = sum(tensor.nbytes for tensor in graph.state_dict().values())
    try:
        with torch.no_grad(), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the exporter's, about itself
            # By dynamo: the older exporter gave wrong numbers for EfficientNet.
            torch.onnx.export(
                graph,
                (sample,),
                path,
                output_names=[OUTPUT],
                dynamo=True,
                dynamic_shapes=(free,),
                external_data=weights > MAPPED,
                verbose=False,
            )
    except torch.onnx.OnnxExporterError as error:
        reason = str(error).strip().splitlines()[0]
        raise ModelError(f"{name}: cannot be exported to ONNX ({reason})") from error


@torch.no_grad()
def _check(name: str, graph: nn.Module, sample: torch.Tensor, path: Path) -> None:
    """Compare with PyTorch, for a batch of one and for all; the exported graph must allow both."""
    session = Session(path)
    for batch in (sample[:1], sample):
        expected, exported = graph(batch).numpy(), session.run(batch.numpy())
        cosine = float(np.einsum("nd,nd->n", expected, exported).min())
        if not cosine > CLOSE:  # so that a NaN fails too
            raise ModelError(f"{name}: its export answers differently (cosine {cosine:.5f})")


def _publish(made: Path, target: Path) -> None:
    for path in (*made.iterdir(), made):
        flush(path)
    if target.exists():
        shutil.rmtree(target)
    made.rename(target)
    flush(target.parent)
