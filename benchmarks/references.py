"""The least that the same work takes without Glimpse: what its parts are measured by in `benchmarks.quick`."""

import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from io import BytesIO
from pathlib import Path
from typing import Any

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


def bare_session(graph: Path) -> Callable[[NDArray[Any]], NDArray[np.float32]]:
    """ONNX Runtime as it comes, over a graph of one input and one output."""
    session = ort.InferenceSession(str(graph), providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name

    def run(values: NDArray[Any]) -> NDArray[np.float32]:
        rows: NDArray[np.float32] = session.run(None, {name: values})[0]
        return rows

    return run


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
        self._embed = bare_session(bundle / "text.onnx")
        self._index = faiss.IndexFlatIP(vectors.shape[1])
        self._index.add(vectors)

    def search(self, texts: Sequence[str], k: int) -> None:
        """The k nearest to each text, one text after another."""
        for text in texts:
            ids = np.array([self._tokenizer.encode(text).ids], np.int64)
            self._index.search(self._embed(ids), k)
