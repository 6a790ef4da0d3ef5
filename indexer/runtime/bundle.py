"""A bundle: one exported model in a folder of its own, and the embedder that runs it.

    model.json       what the model is, with hashes of itself and of the other files
    image.onnx       pixels, uint8 (n, size, size, 3) -> unit rows
    text.onnx        token ids, int64 (n, length) -> unit rows   } where it
    tokenizer.json   words to token ids                          } reads text

Nothing here imports PyTorch, so a query answers in the time that ONNX Runtime takes to load.
"""

import hashlib
import json
import os
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from indexer.embedders.base import Model, Preprocessing, Tokenization
from indexer.embedders.tokenization import TextEncoder
from indexer.errors import ModelError, NoTextError
from indexer.runtime.session import Session

__all__ = [
    "AGREEMENT",
    "FORMAT",
    "MODEL",
    "Bundle",
    "OnnxEmbedder",
    "describe",
    "folder_name",
    "load",
    "read",
    "verify",
]

FORMAT = 2
"""Version of the layout above; a bundle of a newer one is refused. Before 2 the description had no hash of itself."""

PICTURES_AT_ONCE = 4
"""What fits the caches: 32 at once took EfficientNet a third more time, and three times the memory."""

SEAL, OTHER = "sha256", "not what was written"
MODEL, IMAGE, TEXT, TOKENIZER = "model.json", "image.onnx", "text.onnx", "tokenizer.json"
AGREEMENT = "half.json"
"""Kept beside them: how near the rows came in bfloat16, and in which OpenVINO."""


@dataclass(frozen=True, slots=True)
class Bundle:
    """What `model.json` says, checked."""

    folder: Path
    name: str
    fingerprint: str
    dim: int
    reads_text: bool
    licence: str
    preprocessing: Preprocessing
    details: dict[str, Any]
    files: dict[str, str]
    """SHA-256 of every other file of the bundle, in hex."""
    tokenization: dict[str, Any] | None

    def text_encoder(self) -> TextEncoder:
        """The tokenizer; only for a bundle that reads text."""
        how = self.tokenization or {}
        tokenizer = (self.folder / TOKENIZER).read_text(encoding="utf-8")
        return TextEncoder(Tokenization(tokenizer_json=tokenizer, **how))


def folder_name(fingerprint: str) -> str:
    """The name of a model's folder among the bundles of a library."""
    return fingerprint[:16]


def describe(model: Model, fingerprint: str, folder: Path) -> None:
    """Write `model.json` for the graphs that lie in `folder`."""
    tokenization = asdict(model.tokenization) if model.tokenization else None
    if tokenization:
        del tokenization["tokenizer_json"]
    described = {
        "format": FORMAT,
        "name": model.name,
        "fingerprint": fingerprint,
        "dim": model.dim,
        "reads_text": model.text_tower is not None,
        "licence": model.licence,
        "preprocessing": model.preprocessing.described(),
        "details": model.details,
        "files": {path.name: _sha256(path) for path in sorted(folder.iterdir())},
        "tokenization": tokenization,
    }
    sealed = described | {SEAL: _digest(described)}
    (folder / MODEL).write_text(_text(sealed), encoding="utf-8")


def read(folder: Path) -> Bundle:
    """What a bundle holds. Raises ModelError where it is damaged, or of a newer format."""
    bundle = _read(folder)
    missing = [name for name in bundle.files if not (folder / name).is_file()]
    if missing:
        raise ModelError(f"{folder}: {missing[0]} is missing; {_AGAIN}")
    return bundle


def _read(folder: Path) -> Bundle:
    path = folder / MODEL
    try:
        text = path.read_text(encoding="utf-8")
        described = json.loads(text)
        version = int(described["format"])
        if version > FORMAT:
            raise ModelError(
                f"{path}: written by a newer Glimpse (format {version}, this one reads {FORMAT})"
            )
        if version > 1:
            _check_seal(text, described)
        del described["format"]
        described["preprocessing"] = _preprocessing(described["preprocessing"])
        return Bundle(folder=folder, **described)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ModelError(f"{path}: damaged ({error}); {_AGAIN}") from error


def verify(folder: Path) -> dict[str, str]:
    """The files of a bundle that are not as they were written, with what is wrong; reads every byte."""
    try:
        files = _read(folder).files
    except ModelError:
        return {MODEL: OTHER if (folder / MODEL).exists() else "missing"}
    faults = {name: _fault(folder / name, sha256) for name, sha256 in files.items()}
    return {name: fault for name, fault in faults.items() if fault}


def _fault(path: Path, sha256: str) -> str | None:
    try:
        return OTHER if _sha256(path) != sha256 else None
    except FileNotFoundError:
        return "missing"
    except OSError as error:
        return f"cannot be read ({error.strerror})"


def load(folder: Path, threads: int = 0) -> "OnnxEmbedder":
    """The embedder of a bundle. `threads` is how many cores it may use; 0 takes all."""
    return OnnxEmbedder(read(folder), threads)


class Runs(Protocol):
    """What runs one graph."""

    def run(self, values: NDArray[Any]) -> NDArray[np.float32]:
        """Rows (n, dim) for a batch. Raises RuntimeError."""


class OnnxEmbedder:
    """A bundle that runs on the CPU; each graph is loaded when it is first asked."""

    def __init__(self, bundle: Bundle, threads: int = 0) -> None:
        self.bundle = bundle
        self.fingerprint = bundle.fingerprint
        self.dim = bundle.dim
        self.preprocessing = bundle.preprocessing
        self.reads_text = bundle.reads_text
        self._threads = threads
        self._sessions: dict[str, Runs] = {}
        self._encoder: TextEncoder | None = None
        self._loading = threading.RLock()

    def embed_images(self, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Embed RGB pictures (n, size, size, 3) as rows (n, dim), L2-normalised."""
        size = self.preprocessing.size
        if pixels.dtype != np.uint8 or pixels.shape[1:] != (size, size, 3):
            raise ValueError(f"uint8 (n, {size}, {size}, 3), not {pixels.dtype} {pixels.shape}")
        return self._run(IMAGE, pixels) if len(pixels) else self._no_rows()

    def embed_texts(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Embed texts as rows (n, dim), L2-normalised; NoTextError without a text tower."""
        batches = list(self._text_encoder().batches(texts))
        if len(batches) < 2 or not self._short_texts:
            rows = [self._run(TEXT, ids) for ids in batches]
        else:
            with ThreadPoolExecutor(self._threads or os.cpu_count()) as cores:
                rows = list(cores.map(partial(self._run, TEXT), batches))
        return np.concatenate([self._no_rows(), *rows])

    def cuts(self, text: str) -> bool:
        """Whether the text is longer than the model's context, so that its end goes unread."""
        return self._text_encoder().cuts(text)

    def load_ahead(self) -> None:
        """Load what reads words beside whatever the caller does next; who asks meanwhile waits for it."""
        if self.reads_text and TEXT not in self._sessions:
            threading.Thread(target=self._load_text, name="glimpse-text").start()

    def _load_text(self) -> None:
        with suppress(ModelError):  # whoever asks is told
            self._text_encoder()
            self._session(TEXT)

    def _run(self, graph: str, values: NDArray[Any]) -> NDArray[np.float32]:
        return self._session(graph).run(values)

    def _no_rows(self) -> NDArray[np.float32]:
        return np.empty((0, self.dim), np.float32)

    def _session(self, graph: str) -> Runs:
        with self._loading:
            if graph not in self._sessions:
                at_once = PICTURES_AT_ONCE if graph == IMAGE else None
                threads = 1 if graph == TEXT and self._short_texts else self._threads
                self._sessions[graph] = Session(self.bundle.folder / graph, threads, at_once)
            return self._sessions[graph]

    @property
    def _short_texts(self) -> bool:
        """Whether a text is as long as its words; too little, then, for cores that other questions want.

        Others are padded, and CLIP's 77 tokens are worth all of them.
        """
        return not (self.bundle.tokenization or {}).get("context_length")

    def _text_encoder(self) -> TextEncoder:
        if not self.reads_text:
            raise NoTextError(f"{self.bundle.name} reads pictures only")
        with self._loading:
            self._encoder = self._encoder or self.bundle.text_encoder()
            return self._encoder


def _text(described: dict[str, Any]) -> str:
    return json.dumps(described, indent=2, ensure_ascii=False) + "\n"


def _digest(described: dict[str, Any]) -> str:
    return hashlib.sha256(_text(described).encode()).hexdigest()


def _check_seal(text: str, described: dict[str, Any]) -> None:
    """Take the hash out of a description that was read from this text. Raises ValueError, KeyError."""
    whole = text == _text(described)
    if described.pop(SEAL) != _digest(described) or not whole:
        raise ValueError(f"it is {OTHER}")


_AGAIN = "delete the folder, and the model is exported again"


def _preprocessing(described: dict[str, Any]) -> Preprocessing:
    mean, std = tuple(described["mean"]), tuple(described["std"])
    return Preprocessing(**{**described, "mean": mean, "std": std})


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
