"""The least that the same work takes without Glimpse: what its parts are measured by in `benchmarks.quick`."""

import os
import subprocess
import sys
from collections.abc import Sequence
from io import BytesIO
from pathlib import Path

import faiss
import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray
from PIL import Image
from tokenizers import Tokenizer

__all__ = ["FlatSearch", "bare_session", "decode", "import_libraries", "walk"]

EDGES, QUALITY = (640, 320), 82


def decode(path: Path, edge: int, thumbnails: bool) -> NDArray[np.uint8]:
    """A JPEG at half the detail or more, as a square of `edge` pixels; two thumbnails encoded on the way."""
    opened = Image.open(path)
    opened.draft("RGB", (2 * edge, 2 * edge))
    image = opened.convert("RGB")
    square = np.asarray(image.resize((edge, edge), Image.Resampling.BICUBIC))
    for size in EDGES if thumbnails else ():
        image.thumbnail((size, size))
        image.save(BytesIO(), "JPEG", quality=QUALITY)
    return square


def bare_session(graph: Path) -> ort.InferenceSession:
    """ONNX Runtime as it comes."""
    return ort.InferenceSession(str(graph), providers=["CPUExecutionProvider"])


def walk(folder: Path) -> int:
    """Look at every file below a folder once; how many there are."""
    found = 0
    for entry in os.scandir(folder):
        if entry.is_dir(follow_symlinks=False):
            found += walk(Path(entry.path))
        else:
            entry.stat(follow_symlinks=False)
            found += 1
    return found


def import_libraries() -> None:
    """A Python that imports what a search stands on, and nothing else."""
    code = "import onnxruntime, faiss, sqlalchemy, tokenizers"
    subprocess.run([sys.executable, "-c", code], check=True)


class FlatSearch:
    """Words to a vector, and every vector (n, dim) compared with it."""

    def __init__(self, bundle: Path, vectors: NDArray[np.float32]) -> None:
        """`bundle` is the folder of an exported model whose text tower takes token ids (n, length)."""
        self._tokenizer = Tokenizer.from_file(str(bundle / "tokenizer.json"))
        self._tokenizer.no_padding()
        self._session = bare_session(bundle / "text.onnx")
        self._input = self._session.get_inputs()[0].name
        self._index = faiss.IndexFlatIP(vectors.shape[1])
        self._index.add(vectors)

    def search(self, texts: Sequence[str], k: int) -> None:
        """The k nearest to each text, one text after another."""
        for text in texts:
            ids = np.array([self._tokenizer.encode(text).ids], np.int64)
            (row,) = self._session.run(None, {self._input: ids})
            self._index.search(row, k)
