"""Running a model in PyTorch on a graphics card, in half precision."""

import threading
from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from indexer.embedders.base import Model
from indexer.embedders.tokenization import TextEncoder
from indexer.errors import NoTextError
from indexer.runtime.devices import Device
from indexer.runtime.graphs import image_graph, text_graph

__all__ = ["TorchEmbedder"]


class TorchEmbedder:
    """A loaded model that runs on a device: in half precision, or in single where `half` is False or it is "cpu".

    Its rows are those of the exported model up to rounding, so they belong to the same space. The
    model's towers move to the device: export it first.
    """

    def __init__(self, model: Model, device: Device, half: bool = True) -> None:
        self.fingerprint = model.fingerprint()
        self.dim = model.dim
        self.preprocessing = model.preprocessing
        self.reads_text = model.tokenization is not None
        self._name = model.name
        self.device = device
        self._half = half and device != "cpu"
        self._image = image_graph(model).to(device)
        self._text = text_graph(model)
        self._encoder = TextEncoder(model.tokenization) if model.tokenization else None
        # One batch at a time: two at once would need twice the card's memory.
        self._running = threading.Lock()

    def embed_images(self, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Embed RGB pictures (n, size, size, 3) as rows (n, dim), L2-normalised.

        Raises RuntimeError where the card's memory runs out.
        """
        return self._run(self._image, torch.from_numpy(np.ascontiguousarray(pixels)))

    def embed_texts(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Embed texts as rows (n, dim), L2-normalised; NoTextError without a text tower."""
        encoder = self._text_encoder()
        assert self._text is not None
        tower = self._text.to(self.device)
        rows = [self._run(tower, torch.from_numpy(ids)) for ids in encoder.batches(texts)]
        return np.concatenate([np.empty((0, self.dim), np.float32), *rows])

    def cuts(self, text: str) -> bool:
        """Whether the text is longer than the model's context, so that its end goes unread."""
        return self._text_encoder().cuts(text)

    def _run(self, graph: nn.Module, values: torch.Tensor) -> NDArray[np.float32]:
        if not len(values):
            return np.empty((0, self.dim), np.float32)
        # Autocast rather than half(): it keeps in float32 what would lose by it, such as norms.
        half = torch.autocast(self.device, torch.float16, enabled=self._half)
        with self._running, torch.inference_mode(), half:
            rows: NDArray[np.float32] = graph(values.to(self.device)).float().cpu().numpy()
        return rows

    def _text_encoder(self) -> TextEncoder:
        if self._encoder is None:
            raise NoTextError(f"{self._name} reads pictures only")
        return self._encoder
